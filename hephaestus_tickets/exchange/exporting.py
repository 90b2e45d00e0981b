"""A workflow as JSONL: a header with the board, then one line per ticket with all it has."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.vocabulary import CommentType, LinkKind, LinkMethod, Priority
from hephaestus_tickets.exchange.records import (
    BlockerRecord,
    BoardRecord,
    ChangeRecord,
    CommentRecord,
    CommitRecord,
    Header,
    LinkRecord,
    Record,
    TicketRecord,
)
from hephaestus_tickets.exchange.renumbering import renumbered
from hephaestus_tickets.models import (
    BlockerRow,
    CommentRow,
    CommitRow,
    HistoryRow,
    LinkRow,
    TicketRow,
)
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.schemas.arguments import BoardColumn, BoardRules
from hephaestus_tickets.services.lookup import Workflow, workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork

BATCH = 500


class Write(Protocol):
    def __call__(self, data: bytes, /) -> object: ...


Progress = Callable[[str, int, int], None]
Export = Callable[[UnitOfWork], Awaitable[int]]


def export_workflow(workflow_id: str, write: Write, progress: Progress) -> Export:
    """A unit of work that writes every line and answers the number of tickets.

    All of it is one snapshot, however long it takes; memory holds one batch and the numbers.
    """

    async def run(work: UnitOfWork) -> int:
        await work.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        workflow = await workflow_for_read(work, workflow_id)
        ids = await work.session.scalars(exchange.ticket_ids(workflow.workflow_id))
        numbers = Numbers(array("q", ids))
        write(line_of(header_of(workflow, len(numbers.ids))))
        for start in range(0, len(numbers.ids), BATCH):
            batch = numbers.ids[start : start + BATCH]
            for record in await _records(work, batch.tolist(), numbers):
                write(line_of(record))
            progress("Exporting", start + len(batch), len(numbers.ids))
        return len(numbers.ids)

    return run


def line_of(record: Record) -> bytes:
    return f"{record.model_dump_json()}\n".encode()


def header_of(workflow: Workflow, ticket_count: int) -> Header:
    board = workflow.board
    return Header(
        workflow_id=workflow.workflow_id,
        workflow_name=workflow.name,
        workflow_status=workflow.status,
        ticket_count=ticket_count,
        board=BoardRecord(
            name=workflow.board_name,
            columns=[BoardColumn.of(column) for column in board.columns],
            ticket_types=list(board.ticket_types),
            default_ticket_type=board.default_ticket_type,
            initial_status=board.initial_status,
            settings=BoardRules.of(board.settings),
        ),
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """The workflow's ticket numbers, ascending: a ticket's place among them names it in a file."""

    ids: array[int]

    def place(self, number: int) -> int | None:
        index = bisect_left(self.ids, number)
        return index + 1 if index < len(self.ids) and self.ids[index] == number else None

    def key(self, number: int) -> str:
        """Edges never leave a workflow: every ticket they name has a place."""
        return ticket_id(bisect_left(self.ids, number) + 1)


@dataclass(frozen=True, slots=True)
class _Around:
    """Everything that belongs to the tickets of one batch, by ticket."""

    blockers: dict[int, list[BlockerRow]]
    links: dict[int, list[LinkRow]]
    comments: dict[int, list[CommentRow]]
    commits: dict[int, list[CommitRow]]
    history: dict[int, list[HistoryRow]]


async def _records(
    work: UnitOfWork, batch: Sequence[int], numbers: Numbers
) -> Sequence[TicketRecord]:
    session = work.session
    around = _Around(
        _grouped(await session.scalars(exchange.blockers_for(batch)), lambda it: it.blocked_id),
        _grouped(await session.scalars(exchange.links_for(batch)), lambda it: it.source_id),
        _grouped(await session.scalars(exchange.comments_for(batch)), lambda it: it.ticket_id),
        _grouped(await session.scalars(exchange.commits_for(batch)), lambda it: it.ticket_id),
        _grouped(await session.scalars(exchange.history_for(batch)), lambda it: it.ticket_id),
    )
    tickets = await session.scalars(exchange.tickets_numbered(batch))
    records = [_record(ticket, around, numbers) for ticket in tickets]
    session.expunge_all()
    return records


R = TypeVar("R")


def _grouped(rows: Iterable[R], owner: Callable[[R], int]) -> dict[int, list[R]]:
    groups: dict[int, list[R]] = {}
    for row in rows:
        groups.setdefault(owner(row), []).append(row)
    return groups


def _record(ticket: TicketRow, around: _Around, numbers: Numbers) -> TicketRecord:
    parent = ticket.parent_ticket_id
    return TicketRecord(
        key=numbers.key(ticket.id),
        external_ref=ticket.external_ref,
        title=ticket.title,
        description=ticket.description,
        ticket_type=ticket.ticket_type,
        priority=Priority.from_rank(ticket.priority),
        status=ticket.status,
        created_by=ticket.created_by,
        assigned_agent_id=ticket.assigned_agent_id,
        parent=None if parent is None else numbers.key(parent),
        tags=ticket.tags,
        related_task_ids=ticket.related_task_ids,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        started_at=ticket.started_at,
        completed_at=ticket.completed_at,
        resolved_at=ticket.resolved_at,
        version=ticket.version,
        blockers=[_blocker(row, numbers) for row in around.blockers.get(ticket.id, ())],
        links=[_link(row, numbers) for row in around.links.get(ticket.id, ())],
        comments=[_comment(row) for row in around.comments.get(ticket.id, ())],
        commits=[_commit(row) for row in around.commits.get(ticket.id, ())],
        history=[
            renumbered(_change(row), numbers.place) for row in around.history.get(ticket.id, ())
        ],
    )


def _blocker(row: BlockerRow, numbers: Numbers) -> BlockerRecord:
    return BlockerRecord(
        blocker=numbers.key(row.blocker_id), created_by=row.created_by, created_at=row.created_at
    )


def _link(row: LinkRow, numbers: Numbers) -> LinkRecord:
    return LinkRecord(
        target=numbers.key(row.target_id),
        kind=LinkKind(row.kind),
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _comment(row: CommentRow) -> CommentRecord:
    return CommentRecord(
        agent_id=row.agent_id,
        comment_text=row.comment_text,
        comment_type=CommentType(row.comment_type),
        created_at=row.created_at,
        mentions=row.mentions,
        attachments=row.attachments,
    )


def _commit(row: CommitRow) -> CommitRecord:
    return CommitRecord(
        agent_id=row.agent_id,
        commit_sha=row.commit_sha,
        message=row.message,
        committed_at=row.committed_at,
        files_changed=row.files_changed,
        insertions=row.insertions,
        deletions=row.deletions,
        files_list=row.files_list,
        link_method=LinkMethod(row.link_method),
        author=row.author,
        parents=row.parents,
        verified=row.verified,
        linked_at=row.linked_at,
    )


def _change(row: HistoryRow) -> ChangeRecord:
    return ChangeRecord(
        agent_id=row.agent_id,
        change_type=row.change_type,
        changed_at=row.changed_at,
        field_name=row.field_name,
        old_value=row.old_value,
        new_value=row.new_value,
        change_description=row.change_description,
        metadata=row.details,
    )
