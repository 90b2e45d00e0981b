"""Several tickets of one workflow changed in one transaction: all of them, or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.together import (
    NamedTwice,
    PlanRefused,
    SeveralWorkflows,
    blockers_first,
)
from hephaestus_tickets.queries import planning
from hephaestus_tickets.queries.exchange import lock_tickets
from hephaestus_tickets.queries.tickets import locate
from hephaestus_tickets.services.lookup import (
    Located,
    Mentioned,
    Workflow,
    hold_workflow,
    the_one,
    workflow_for_write,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork

T = TypeVar("T")
# What is refused, by its place in the call.
Refusals = dict[int, TicketError]


@dataclass(frozen=True, slots=True)
class Targets:
    """The tickets meant, by their place in the call, and what is wrong with the other names."""

    names: Sequence[str]
    workflow: Workflow
    found: dict[int, Located]
    refusals: Refusals

    @property
    def numbers(self) -> list[int]:
        return [located.id for located in self.found.values()]


async def hold_targets(work: UnitOfWork, names: Sequence[str]) -> Targets:
    """Find the tickets and wait for their workflow's lock.

    Raises SeveralWorkflows, or PlanRefused where no ticket was found at all.
    """
    rows = await work.session.execute(locate(names, work.caller.workflows))
    found, refusals = _found(names, [Mentioned(*row) for row in rows])
    workflows = {ticket.workflow_id: ticket_id(ticket.id) for ticket in found.values()}
    if not workflows:
        raise _refused(names, refusals)
    if len(workflows) > 1:
        raise SeveralWorkflows(workflows)
    workflow = await workflow_for_write(work, next(iter(workflows)))
    await hold_workflow(work, workflow)
    located = {
        place: Located(ticket.id, ticket.external_ref, ticket.status, ticket.is_resolved, workflow)
        for place, ticket in found.items()
    }
    return Targets(names, workflow, located, refusals)


def _found(
    names: Sequence[str], rows: Sequence[Mentioned]
) -> tuple[dict[int, Mentioned], Refusals]:
    found: dict[int, Mentioned] = {}
    refusals: Refusals = {}
    for place, name in enumerate(names):
        try:
            ticket = the_one(name, rows)
        except TicketError as refusal:
            refusals[place] = refusal
            continue
        if ticket in found.values():
            refusals[place] = NamedTwice(name)
        else:
            found[place] = ticket
    return found, refusals


def _refused(names: Sequence[str], refusals: Refusals) -> PlanRefused:
    return PlanRefused([(names[place], refusals[place]) for place in sorted(refusals)], len(names))


async def lock_targets(work: UnitOfWork, targets: Targets) -> None:
    await work.session.execute(lock_tickets(targets.numbers))


async def lock_in_order(work: UnitOfWork, targets: Targets) -> list[int]:
    """Their places, blockers first; locked with all that they block."""
    await work.session.execute(planning.lock_with_all_dependents(targets.numbers))
    edges = await work.session.execute(planning.blockers_among(targets.numbers))
    ordered = blockers_first(targets.numbers, [(blocked, blocker) for blocked, blocker in edges])
    places = {located.id: place for place, located in targets.found.items()}
    return [places[number] for number in ordered]


async def all_or_none(
    work: UnitOfWork,
    targets: Targets,
    places: Sequence[int],
    apply: Callable[[int, Located], Awaitable[T]],
    *,
    dry_run: bool,
) -> dict[int, T]:
    """What became of each ticket, by its place in the call; a dry run leaves nothing of it.

    Each is tried, whatever was refused before. Raises PlanRefused with every refusal.
    """
    wakes = set(work.wakes)
    whole = await work.session.begin_nested()
    done: dict[int, T] = {}
    refusals = dict(targets.refusals)
    for place in places:
        try:
            async with work.session.begin_nested():
                done[place] = await apply(place, targets.found[place])
        except TicketError as refusal:
            refusals[place] = refusal
    if refusals:
        raise _refused(targets.names, refusals)
    if dry_run:
        await whole.rollback()
        work.wakes.intersection_update(wakes)
    return {place: done[place] for place in sorted(done)}
