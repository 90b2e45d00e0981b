"""Blockers, parents and links of one ticket: checked under the workflow's lock, then written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert

from hephaestus_tickets.domain.blockers import (
    SelfReference,
    check_no_blocker_cycle,
    check_no_parent_cycle,
)
from hephaestus_tickets.domain.errors import Conflict
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.text import comma_list
from hephaestus_tickets.domain.vocabulary import LinkKind
from hephaestus_tickets.models import BlockerRow, LinkRow, TicketRow
from hephaestus_tickets.queries import graph
from hephaestus_tickets.services.lookup import Mentioned
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_EDGES, _MORE = 500, 16


class ResolvedCannotBeBlocked(Conflict):
    def __init__(self, ticket: str, blockers: Iterable[str]) -> None:
        self.ticket_id = ticket
        super().__init__(
            f"{ticket} is resolved, so {comma_list(blockers)} cannot block it while unresolved. "
            "Reopen the ticket with change_status first."
        )


def refuse_self(ticket: int, others: Iterable[Mentioned], role: str) -> None:
    if any(other.id == ticket for other in others):
        raise SelfReference(ticket_id(ticket), role)


async def set_blockers(
    recorder: Recorder, ticket: TicketRow, old: Sequence[int], new: Sequence[Mentioned]
) -> None:
    """Make `new` the blockers of a locked ticket; the workflow's lock is held.

    Raises BlockerCycle with its path, or ResolvedCannotBeBlocked.
    """
    added = [blocker for blocker in new if blocker.id not in old]
    if added:
        refuse_self(ticket.id, added, "blocker")
        await _check_acyclic(recorder.work, ticket.id, added)
    unresolved = [blocker for blocker in new if not blocker.is_resolved]
    unresolved_added = [blocker for blocker in added if not blocker.is_resolved]
    if ticket.is_resolved and unresolved_added:
        named = [ticket_id(blocker.id) for blocker in unresolved_added]
        raise ResolvedCannotBeBlocked(ticket_id(ticket.id), named)
    kept = {blocker.id for blocker in new}
    await _remove(recorder.work, ticket.id, [number for number in old if number not in kept])
    await add_blockers(recorder, ticket, [blocker.id for blocker in added])
    ticket.open_blockers = 0 if ticket.is_resolved else len(unresolved)


async def _check_acyclic(work: UnitOfWork, ticket: int, added: Sequence[Mentioned]) -> None:
    starts = [blocker.id for blocker in added]
    check_no_blocker_cycle(await _edges_between(work, ticket, starts), ticket, starts)


async def _edges_between(
    work: UnitOfWork, ticket: int, starts: Sequence[int]
) -> list[tuple[int, int]]:
    """All that waits for the ticket, or all that the others wait for: whichever is fewer.

    Either holds every path from these to the ticket. A new ticket has few that wait for it, an
    old one may have any number.
    """
    limit = _EDGES
    while True:
        for statement in (
            graph.edges_downstream(ticket, limit + 1),
            graph.edges_upstream(starts, limit + 1),
        ):
            rows = (await work.session.execute(statement)).all()
            if len(rows) <= limit:
                return [(blocked, blocker) for blocked, blocker in rows]
        limit *= _MORE


async def _remove(work: UnitOfWork, ticket: int, gone: Sequence[int]) -> None:
    if gone:
        await work.session.execute(
            delete(BlockerRow).where(
                BlockerRow.blocked_id == ticket, BlockerRow.blocker_id.in_(gone)
            )
        )


async def add_blockers(recorder: Recorder, ticket: TicketRow, blockers: Sequence[int]) -> None:
    if blockers:
        await recorder.work.session.execute(
            insert(BlockerRow),
            [
                {
                    "blocked_id": ticket.id,
                    "blocker_id": number,
                    "workflow_id": ticket.workflow_id,
                    "created_by": recorder.agent_id,
                    "created_at": recorder.now,
                }
                for number in blockers
            ],
        )


async def check_parent(work: UnitOfWork, ticket: int, parent: Mentioned) -> None:
    """Raises SelfReference or ParentCycle; the workflow's lock is held."""
    refuse_self(ticket, [parent], "parent")
    rows = await work.session.execute(graph.parent_edges_upstream(parent.id))
    check_no_parent_cycle([(child, upper) for child, upper in rows], ticket, parent.id)


async def set_links(
    recorder: Recorder, ticket: TicketRow, links: Sequence[tuple[Mentioned, LinkKind]]
) -> None:
    """Make these the links that go out from a ticket."""
    refuse_self(ticket.id, [target for target, _ in links], "link")
    await recorder.work.session.execute(delete(LinkRow).where(LinkRow.source_id == ticket.id))
    if links:
        await recorder.work.session.execute(
            insert(LinkRow),
            [
                {
                    "source_id": ticket.id,
                    "target_id": target.id,
                    "kind": kind,
                    "workflow_id": ticket.workflow_id,
                    "created_by": recorder.agent_id,
                    "created_at": recorder.now,
                }
                for target, kind in dict.fromkeys(links)
            ],
        )
