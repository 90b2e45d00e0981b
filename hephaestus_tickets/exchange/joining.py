"""Tickets that were there before an import and got a blocker or a parent by it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from hephaestus_tickets.domain.changes import Change
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.exchange.edge_plan import EdgePlan
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork


async def record_joined(
    work: UnitOfWork, plan: EdgePlan, standing: Mapping[int, int], *, new: Collection[int]
) -> None:
    """One more version and a change per field, as for any update; the edges are written already.

    `standing` holds the versions of all that were there; those of `new` came with this very import.
    """
    changed = {number for number, _ in plan.blockers} | plan.parents.keys()
    joined = sorted(changed & (standing.keys() - set(new)))
    if not joined:
        return
    rows = await work.session.execute(exchange.blockers_of(joined))
    now_blocked = {number: list(blockers) for number, blockers in rows}
    now = (await work.session.scalars(database_clock())).one()
    recorder = Recorder(work, work.caller.agent_id, now)
    for number in joined:
        changes = _changes(number, plan, now_blocked.get(number, []))
        recorder.changes(number, changes, standing[number] + 1)
        await recorder.to_index(number)
    versions = [{"id": number, "version": standing[number] + 1} for number in joined]
    await work.session.execute(exchange.RAISE_VERSIONS, {"rows": json.dumps(versions)})


def _changes(number: int, plan: EdgePlan, blockers: list[int]) -> list[Change]:
    changes: list[Change] = []
    before = [blocker for blocker in blockers if (number, blocker) not in plan.blockers]
    if before != blockers:
        changes.append(
            Change(
                field_name="blocked_by_ticket_ids",
                old_value=[ticket_id(blocker) for blocker in before],
                new_value=[ticket_id(blocker) for blocker in blockers],
            )
        )
    if number in plan.parents:
        parent = ticket_id(plan.parents[number])
        changes.append(Change(field_name="parent_ticket_id", old_value=None, new_value=parent))
    return changes
