"""What a scan found, written: links, and the resolution of what they close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.lifecycle import plan_resolution
from hephaestus_tickets.domain.together import blockers_first
from hephaestus_tickets.domain.vocabulary import Category, CommentType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import planning, scans
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.services.claims import renew_if_held
from hephaestus_tickets.services.commit_links import CommitLink, write_link
from hephaestus_tickets.services.lookup import (
    Located,
    Workflow,
    hold_workflow,
    workflow_for_write,
)
from hephaestus_tickets.services.moves import Moved, MoveOrder, move_ticket
from hephaestus_tickets.services.proofs import Proof
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.scanning import Ground, Link
from hephaestus_tickets.services.unit_of_work import Outdated, UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What is to be written: these links, by these commits, in an agent's name."""

    links: Sequence[Link]
    commits: Mapping[str, CommitLink]
    agent_id: str
    branch: str
    resolves: bool
    dry_run: bool
    is_whole: bool  # nothing is left of the range


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The links made, and what became of the tickets that they close, by number."""

    linked: list[Link] = field(default_factory=list[Link])
    moved: dict[int, Moved] = field(default_factory=dict[int, Moved])
    refused: dict[int, TicketError] = field(default_factory=dict[int, TicketError])


async def write(work: UnitOfWork, ground: Ground, orders: Orders) -> Written:
    """The first statements that lock anything; a dry run leaves nothing of it."""
    is_further = orders.is_whole and ground.head != ground.last and not orders.dry_run
    if not orders.links and not is_further:
        return Written()
    workflow = await workflow_for_write(work, ground.workflow.workflow_id)
    if workflow.board_version != ground.workflow.board_version:
        raise Outdated  # perhaps another repository, other patterns
    written = await _tried(work, workflow, orders) if orders.links else Written()
    if is_further:
        where = (workflow.workflow_id, ground.repository.key, ground.branch)
        await work.session.execute(scans.remember(*where, ground.head))
    return written


async def _tried(work: UnitOfWork, workflow: Workflow, orders: Orders) -> Written:
    wakes = set(work.wakes)
    whole = await work.session.begin_nested()
    written = await _linked_and_resolved(work, workflow, orders)
    if orders.dry_run:
        await whole.rollback()
        work.wakes.intersection_update(wakes)
    return written


async def _linked_and_resolved(work: UnitOfWork, workflow: Workflow, orders: Orders) -> Written:
    tickets = await _locked(work, workflow, orders)
    now = (await work.session.scalars(database_clock())).one()
    recorder = Recorder(work, orders.agent_id, now)
    linked = [
        link
        for link in orders.links
        if await _is_linked(recorder, tickets[link.ticket], orders.commits[link.sha])
    ]
    closing: dict[int, Link] = {}
    for link in linked:
        if orders.resolves and link.closes and not tickets[link.ticket].is_resolved:
            closing.setdefault(link.ticket, link)
    located = {number: _located(tickets[number], workflow) for number in closing}
    await work.session.flush()
    moves = {number: _order(located[number], link, orders) for number, link in closing.items()}
    written = Written(linked=linked)
    await _resolve(work, located, moves, written)
    return written


async def _locked(work: UnitOfWork, workflow: Workflow, orders: Orders) -> dict[int, TicketRow]:
    """The tickets, and where any may be resolved all that they block, in one order."""
    numbers = {link.ticket for link in orders.links}
    if orders.resolves and any(link.closes for link in orders.links):
        await hold_workflow(work, workflow)
        await work.session.execute(planning.lock_with_all_dependents(numbers))
    rows = await work.session.scalars(scans.lock_whole(numbers))
    return {row.id: row for row in rows}


async def _is_linked(recorder: Recorder, ticket: TicketRow, link: CommitLink) -> bool:
    """False where it was linked meanwhile."""
    is_new = await write_link(recorder, ticket.id, link)
    if is_new:
        renew_if_held(recorder, ticket)
        ticket.updated_at = recorder.now
        await recorder.to_index(ticket.id)
    return is_new


def _located(ticket: TicketRow, workflow: Workflow) -> Located:
    return Located(ticket.id, ticket.external_ref, ticket.status, ticket.is_resolved, workflow)


async def _resolve(
    work: UnitOfWork,
    located: Mapping[int, Located],
    moves: Mapping[int, MoveOrder],
    written: Written,
) -> None:
    """Blockers first, so that what they block is not refused for them; a refusal undoes itself."""
    edges = await work.session.execute(planning.blockers_among(moves))
    for number in blockers_first(moves, [(blocked, blocker) for blocked, blocker in edges]):
        try:
            async with work.session.begin_nested():
                written.moved[number] = await move_ticket(work, located[number], moves[number])
        except TicketError as refusal:
            written.refused[number] = refusal


def _order(located: Located, link: Link, orders: Orders) -> MoveOrder:
    """As resolve_ticket would have it; what a branch is scanned for is on that branch."""
    board = located.workflow.board
    shas = [] if orders.commits[link.sha].facts is None else [link.sha]
    is_there = orders.branch == board.settings.branch
    return MoveOrder(
        target=board.first(Category.DONE),
        decide=partial(plan_resolution, board=board),
        agent_id=orders.agent_id,
        comment=f"Resolved by commit {link.sha[:12]}: {link.subject}",
        comment_type=CommentType.RESOLUTION,
        proof=Proof(
            branch=board.settings.branch,
            shas=shas,
            on_branch=frozenset(shas if is_there else []),
        ),
    )
