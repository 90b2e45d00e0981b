"""Carrying out a change of status: the ticket, those it blocks, and the record of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import update

from hephaestus_tickets.domain.board import Column
from hephaestus_tickets.domain.changes import Change
from hephaestus_tickets.domain.ids import public_id, ticket_id
from hephaestus_tickets.domain.lifecycle import (
    Move,
    OpenBlocker,
    TicketFacts,
    check_comment,
    check_wip_limit,
)
from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import graph, tickets
from hephaestus_tickets.services.claims import admit_writer, drop
from hephaestus_tickets.services.commit_links import CommitLink, told_of, write_link
from hephaestus_tickets.services.lookup import Located, hold_workflow
from hephaestus_tickets.services.proofs import Proof
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import Outdated, UnitOfWork
from hephaestus_tickets.services.versions import check_version

# Twice as many ids, at their longest, still fit a reply.
NAMED_AT_MOST = 900


class Decision(Protocol):
    """A rule for a move on some board."""

    def __call__(
        self, ticket: TicketFacts, *, open_blockers: Iterable[OpenBlocker], now: datetime
    ) -> Move: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOrder:
    """A wanted move: where to, by which rule, in whose name, with what beside it."""

    target: Column
    decide: Decision
    agent_id: str
    comment: str
    comment_type: CommentType
    commit: CommitLink | None = None
    # What is known of its commits on the board's branch; None where that was not looked at.
    proof: Proof | None = None
    expected_version: int | None = None
    claim_token: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move did, with public ids; `omitted` says which lists were too long to be whole."""

    ticket: int
    move: Move
    version: int
    commit: CommitLink | None
    unblocked: list[str]
    blocked: list[str]
    open_sub_tickets: list[str]
    comment_id: str | None
    omitted: list[str]

    @property
    def told(self) -> dict[str, Any]:  # Any: fields of a reply
        """What every reply to a move tells of it."""
        return {
            "ticket_id": ticket_id(self.ticket),
            "version": self.version,
            **told_of(self.commit),
            "unblocked_tickets": self.unblocked,
            "open_sub_tickets": self.open_sub_tickets,
            "comment_id": self.comment_id,
            "omitted": self.omitted,
        }


@dataclass(frozen=True, slots=True)
class _Dependent:
    id: int
    is_resolved: bool
    open_blockers: int


@dataclass(frozen=True, slots=True)
class _Standing:
    now: datetime
    open_blockers: list[OpenBlocker]
    open_sub_tickets: list[str]
    in_column: int


async def move_ticket(work: UnitOfWork, located: Located, order: MoveOrder) -> Moved:
    """Lock, look, decide, apply, record."""
    ticket, dependents = await _locked(work, located, order.target)
    await check_version(work, ticket, order.expected_version)
    standing = await _look(work, located, order.target)
    recorder = Recorder(work, order.agent_id, standing.now)
    stood_in = ticket.status
    admit_writer(recorder, ticket, located.workflow.board, order.claim_token)
    # A claim that was over has taken it out of the column that it enters.
    has_left = stood_in == order.target.id != ticket.status
    move = order.decide(facts_of(ticket), open_blockers=standing.open_blockers, now=standing.now)
    if move.changes_status:
        check_wip_limit(order.target, standing.in_column - has_left)
        _check_proof(located, order)
    check_comment(located.workflow.board, order.comment, changes_status=move.changes_status)
    unblocked, blocked = await _cascade(recorder, located.id, move, dependents)
    _apply(ticket, move, standing)
    _record(recorder, ticket, move)
    comment = await recorder.comment(ticket.id, order.comment, order.comment_type)
    linked = order.commit is not None and await write_link(recorder, ticket.id, order.commit)
    if move.changes_status or comment or linked:
        ticket.updated_at = standing.now
        await recorder.to_index(ticket.id)
    open_sub_tickets = standing.open_sub_tickets if move.resolves else []
    return Moved(
        ticket=ticket.id,
        move=move,
        version=ticket.version,
        commit=order.commit,
        unblocked=unblocked[:NAMED_AT_MOST],
        blocked=blocked[:NAMED_AT_MOST],
        open_sub_tickets=open_sub_tickets[:NAMED_AT_MOST],
        comment_id=public_id("comment", comment) if comment else None,
        omitted=[
            *_too_many("unblocked_tickets", unblocked, ticket.id),
            *_too_many("blocked_tickets", blocked, ticket.id),
            *_too_many("open_sub_tickets", open_sub_tickets, ticket.id),
        ],
    )


def _check_proof(located: Located, order: MoveOrder) -> None:
    """Where the board has begun to want a commit since it was read, all is read again."""
    if not located.workflow.board.requires_commit(order.target.id):
        return
    if order.proof is None:
        raise Outdated
    order.proof.check(ticket_id(located.id), order.target.id)


def _too_many(name: str, tickets: list[str], ticket: int) -> Iterable[str]:
    if len(tickets) > NAMED_AT_MOST:
        way = f"get_ticket(ticket_id='{ticket_id(ticket)}', related_from=0) lists them"
        yield f"{name}: {NAMED_AT_MOST} of {len(tickets)} are named; {way}"


def facts_of(ticket: TicketRow) -> TicketFacts:
    return TicketFacts(
        ticket_id=ticket_id(ticket.id),
        title=ticket.title,
        status=ticket.status,
        is_resolved=ticket.is_resolved,
        started_at=ticket.started_at,
        completed_at=ticket.completed_at,
        resolved_at=ticket.resolved_at,
    )


async def _locked(
    work: UnitOfWork, located: Located, target: Column
) -> tuple[TicketRow, list[_Dependent]]:
    """The ticket's row, and its dependents' where its resolution may change, all locked."""
    dependents: list[_Dependent] = []
    resolution_may_change = target.is_terminal or located.is_resolved
    if resolution_may_change or target.wip_limit is not None:
        await hold_workflow(work, located.workflow)
    if resolution_may_change:
        rows = await work.session.execute(graph.lock_with_dependents(located.id))
        dependents = [_Dependent(*row) for row in rows if row[0] != located.id]
    ticket = (await work.session.scalars(tickets.lock_ticket(located.id))).one()
    if ticket.is_resolved and not resolution_may_change:
        raise Outdated
    return ticket, dependents


async def _look(work: UnitOfWork, located: Located, target: Column) -> _Standing:
    limited = None if target.wip_limit is None else target.id
    statement = graph.standing(located.id, located.workflow.workflow_id, limited)
    now, blockers, sub_tickets, in_column = (await work.session.execute(statement)).one()
    return _Standing(
        now=now,
        open_blockers=[
            OpenBlocker(ticket_id=ticket_id(row["id"]), title=row["title"], status=row["status"])
            for row in blockers
        ],
        open_sub_tickets=[ticket_id(row["id"]) for row in sub_tickets],
        in_column=in_column,
    )


async def _cascade(
    recorder: Recorder, ticket: int, move: Move, dependents: list[_Dependent]
) -> tuple[list[str], list[str]]:
    """Free or block again what the ticket blocks; resolved dependents are left as they are."""
    waiting = [dependent for dependent in dependents if not dependent.is_resolved]
    if move.resolves:
        freed = [dependent.id for dependent in waiting if dependent.open_blockers == 1]
        await _count_blockers(recorder, waiting, -1)
        _tell(recorder, freed, ChangeType.UNBLOCKED, f"{ticket_id(ticket)} was resolved")
        return [ticket_id(number) for number in freed], []
    if move.reopens:
        caught = [dependent.id for dependent in waiting if dependent.open_blockers == 0]
        await _count_blockers(recorder, waiting, +1)
        _tell(recorder, caught, ChangeType.BLOCKED, f"{ticket_id(ticket)} was reopened")
        return [], [ticket_id(number) for number in caught]
    return [], []


async def _count_blockers(recorder: Recorder, waiting: list[_Dependent], by: int) -> None:
    if not waiting:
        return
    await recorder.work.session.execute(
        update(TicketRow)
        .where(TicketRow.id.in_([dependent.id for dependent in waiting]))
        .values(open_blockers=TicketRow.open_blockers + by)
        .execution_options(synchronize_session=False)
    )


def _tell(recorder: Recorder, numbers: list[int], kind: ChangeType, description: str) -> None:
    for number in numbers:
        recorder.event(number, kind, description=description)


def _apply(ticket: TicketRow, move: Move, standing: _Standing) -> None:
    if not move.changes_status:
        return
    ticket.status = move.to_status
    ticket.is_resolved = move.is_resolved
    ticket.started_at = move.started_at
    ticket.completed_at = move.completed_at
    ticket.resolved_at = move.resolved_at
    ticket.open_blockers = 0 if move.is_resolved else len(standing.open_blockers)
    ticket.version += 1
    if move.is_resolved:
        drop(ticket)  # there is nothing left to be claimed


def _record(recorder: Recorder, ticket: TicketRow, move: Move) -> None:
    if not move.changes_status:
        return
    change = Change(field_name="status", old_value=move.from_status, new_value=move.to_status)
    kind = (
        ChangeType.RESOLVED
        if move.resolves
        else ChangeType.REOPENED
        if move.reopens
        else ChangeType.STATUS_CHANGED
    )
    recorder.event(ticket.id, kind, change=change, version=ticket.version)
