"""Taking a ticket: the one that is named, or the best that is ready, by one of many at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from hephaestus_tickets.domain.board import Board, Column
from hephaestus_tickets.domain.claims import (
    Claim,
    ClaimHeld,
    NothingReady,
)
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.lifecycle import (
    AlreadyResolved,
    Move,
    OpenBlocker,
    TicketBlocked,
    check_wip_limit,
    plan_move,
)
from hephaestus_tickets.domain.vocabulary import Category
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import claims, graph, tickets
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.services.claims import (
    claim_of,
    expire,
    take,
    take_over,
    writer_of,
)
from hephaestus_tickets.services.listing import checked_filters
from hephaestus_tickets.services.lookup import Workflow, hold_workflow, tickets_mentioned
from hephaestus_tickets.services.moves import facts_of
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import Outdated, UnitOfWork

_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimOrder:
    """A wanted claim: whose, for how long, and whether the ticket moves."""

    agent_id: str
    lease_seconds: int
    moves: bool
    resumes: bool


async def conditions_of(
    work: UnitOfWork, workflow: Workflow, filters: TicketFilters
) -> list[ColumnElement[bool]]:
    checked_filters(workflow, filters)
    parents = await tickets_mentioned(work, filters.parent_ticket_id or [], workflow.workflow_id)
    return tickets.filter_conditions(filters, [parent.id for parent in parents.values()])


def columns_of(board: Board) -> claims.Columns:
    return claims.Columns(board.statuses_in(Category.TODO), board.statuses)


async def claim_best(
    work: UnitOfWork, workflow: Workflow, filters: TicketFilters | None, order: ClaimOrder
) -> TicketRow:
    """Nobody else's: what is assigned to others is left, unless the filter asks for theirs.

    Raises NothingReady.
    """
    wanted = filters or TicketFilters()
    conditions = await conditions_of(work, workflow, wanted)
    if wanted.assigned_agent_id is None:
        conditions.append(claims.is_for(order.agent_id))
    await _hold_column(work, workflow, order)
    if order.resumes:
        own = await work.session.scalars(claims.claimed_by(order.agent_id, workflow.workflow_id))
        number = own.first()
        if number is not None:
            return await claim_locked(work, workflow, await _locked(work, number), order)
    ticket = await _best(work, workflow, conditions)
    if ticket is None:
        raise NothingReady(workflow.workflow_id, is_narrowed=filters is not None)
    return await claim_locked(work, workflow, ticket, order)


async def claim_named(
    work: UnitOfWork, workflow: Workflow, number: int, order: ClaimOrder
) -> TicketRow:
    await _hold_column(work, workflow, order)
    return await claim_locked(work, workflow, await _locked(work, number), order)


async def _hold_column(work: UnitOfWork, workflow: Workflow, order: ClaimOrder) -> None:
    target = _first_doing(workflow.board)
    if order.moves and target is not None and target.wip_limit is not None:
        await hold_workflow(work, workflow)


async def _locked(work: UnitOfWork, number: int) -> TicketRow:
    return (await work.session.scalars(tickets.lock_ticket(number))).one()


async def _best(
    work: UnitOfWork, workflow: Workflow, conditions: list[ColumnElement[bool]]
) -> TicketRow | None:
    """Whoever comes at once takes the next one; only when all are taken is one waited for."""
    chosen = (workflow.workflow_id, columns_of(workflow.board), conditions)
    for _ in range(_ROUNDS):
        for waits in (False, True):
            found = await work.session.scalars(claims.lock_best(*chosen, waits=waits))
            ticket = found.first()
            if ticket is not None:
                return ticket
            if not (await work.session.scalars(claims.is_any_ready(*chosen))).one():
                return None
    raise Outdated


async def claim_locked(
    work: UnitOfWork, workflow: Workflow, ticket: TicketRow, order: ClaimOrder
) -> TicketRow:
    """Decides by the clock as it is once the row is locked."""
    now, token = (await work.session.execute(claims.clock_and_token())).one()
    recorder = Recorder(work, order.agent_id, now)
    claim = claim_of(ticket)
    if claim is not None and claim.is_live(now):
        _go_on(recorder, ticket, claim, token, order)
        return ticket
    if claim is not None:
        expire(recorder, ticket, workflow.board)
    await _refuse_unstartable(work, ticket)
    move = await _planned_move(recorder, workflow, ticket) if order.moves else None
    take(recorder, ticket, move, token=token, lease_seconds=order.lease_seconds)
    await recorder.to_index(ticket.id)
    return ticket


def _go_on(
    recorder: Recorder, ticket: TicketRow, claim: Claim, token: int, order: ClaimOrder
) -> None:
    """One's own claim is renewed, or taken over from one's other session."""
    is_own = claim.holder == recorder.agent_id
    if writer_of(recorder, None).holds(claim):
        ticket.claim_ends_at = claim.renewed_until(recorder.now)
    elif is_own and order.resumes:
        take_over(recorder, ticket, token=token, lease_seconds=order.lease_seconds)
    else:
        raise ClaimHeld(ticket_id(ticket.id), claim, recorder.now, is_own=is_own)


async def _refuse_unstartable(work: UnitOfWork, ticket: TicketRow) -> None:
    if ticket.is_resolved:
        raise AlreadyResolved(ticket_id(ticket.id), ticket.status)
    if ticket.open_blockers:
        rows = await work.session.execute(graph.open_blockers(ticket.id))
        blockers = [
            OpenBlocker(ticket_id=ticket_id(number), title=title, status=status)
            for number, title, status in rows
        ]
        raise TicketBlocked(ticket_id(ticket.id), blockers)


async def _planned_move(recorder: Recorder, workflow: Workflow, ticket: TicketRow) -> Move | None:
    """Into the first `doing` column, out of a `todo` one; None where it stays."""
    board = workflow.board
    target = _first_doing(board)
    stands_in = board.column(ticket.status)
    if target is None or stands_in.category is not Category.TODO:
        return None
    move = plan_move(facts_of(ticket), board, [], target.id, recorder.now)
    if target.wip_limit is not None:
        statement = tickets.standing_in(workflow.workflow_id, target.id)
        check_wip_limit(target, (await recorder.work.session.scalars(statement)).one())
    return move


def _first_doing(board: Board) -> Column | None:
    doing = board.statuses_in(Category.DOING)
    return board.column(doing[0]) if doing else None
