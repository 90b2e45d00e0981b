"""A new ticket, with its blockers, its history and its place in the index queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hephaestus_tickets.domain.board import Column
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.lifecycle import check_wip_limit, plan_start
from hephaestus_tickets.domain.vocabulary import Category, ChangeType, Priority
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries.tickets import database_clock, standing_in
from hephaestus_tickets.schemas.replies import TicketCreated
from hephaestus_tickets.services.duplicates import similar_tickets
from hephaestus_tickets.services.edges import add_blockers
from hephaestus_tickets.services.keyword_index import own_words, title_digest, write_words
from hephaestus_tickets.services.lookup import (
    Mentioned,
    Workflow,
    hold_workflow,
    tickets_mentioned,
)
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    title: str
    description: str
    ticket_type: str
    priority: Priority
    initial_status: str
    created_by: str
    assigned_agent_id: str | None
    parent: str | None
    blocked_by: Sequence[str]
    tags: Sequence[str]
    related_task_ids: Sequence[str]

    @property
    def text(self) -> str:
        """What it is about."""
        return f"{self.title}\n{self.description}"


async def insert_ticket(
    work: UnitOfWork, workflow: Workflow, new: NewTicket, near: Mapping[int, float]
) -> TicketCreated:
    """The workflow's board is held. A new ticket closes no cycle: nothing waits for it yet."""
    similar = await similar_tickets(work, workflow, new.text, near)  # before locks for many
    wanted = workflow.board.column(new.initial_status or workflow.board.initial_status)
    if new.parent or new.blocked_by or wanted.wip_limit is not None:
        await hold_workflow(work, workflow)
    refs = [*new.blocked_by, *([new.parent] if new.parent else [])]
    mentioned = await tickets_mentioned(work, refs, workflow.workflow_id)
    blockers = list({mentioned[ref].id: mentioned[ref] for ref in new.blocked_by}.values())
    unresolved = [blocker for blocker in blockers if not blocker.is_resolved]
    column = plan_start(workflow.board, new.initial_status, is_blocked=bool(unresolved))
    await _check_room(work, workflow, column)
    recorder = Recorder(work, new.created_by, (await work.session.scalars(database_clock())).one())
    parent = mentioned[new.parent].id if new.parent else None
    ticket = new_row(new, workflow, column, recorder.now)
    ticket.parent_ticket_id = parent
    ticket.open_blockers = len(unresolved)
    work.session.add(ticket)
    words = own_words(ticket)
    ticket.word_count, ticket.title_digest = words.count, title_digest(ticket.title)
    await work.session.flush()
    await write_words(work, [replace(words, ticket=ticket.id)])
    await _record(recorder, ticket, blockers)
    return TicketCreated(
        ticket_id=ticket_id(ticket.id),
        version=ticket.version,
        status=ticket.status,
        ticket_type=ticket.ticket_type,
        is_blocked=ticket.open_blockers > 0,
        similar_tickets=similar,
    )


async def _check_room(work: UnitOfWork, workflow: Workflow, column: Column) -> None:
    if column.wip_limit is not None:
        statement = standing_in(workflow.workflow_id, column.id)
        check_wip_limit(column, (await work.session.scalars(statement)).one())


def new_row(new: NewTicket, workflow: Workflow, column: Column, now: datetime) -> TicketRow:
    return TicketRow(
        workflow_id=workflow.workflow_id,
        title=new.title,
        description=new.description,
        ticket_type=workflow.board.ticket_type(new.ticket_type),
        priority=new.priority.rank,
        status=column.id,
        created_by=new.created_by,
        assigned_agent_id=new.assigned_agent_id,
        tags=list(dict.fromkeys(new.tags)),
        related_task_ids=list(dict.fromkeys(new.related_task_ids)),
        is_resolved=False,
        created_at=now,
        updated_at=now,
        started_at=now if column.category is Category.DOING else None,
        version=1,
    )


async def _record(recorder: Recorder, ticket: TicketRow, blockers: Sequence[Mentioned]) -> None:
    await add_blockers(recorder, ticket, [blocker.id for blocker in blockers])
    recorder.event(
        ticket.id, ChangeType.CREATED, description=f"created in {ticket.status}", version=1
    )
    await recorder.to_index(ticket.id)
