"""A write that expects a version, and finds another."""

from __future__ import annotations

from hephaestus_tickets.domain.changes import RecordedChange, VersionConflict
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import timeline
from hephaestus_tickets.services.unit_of_work import UnitOfWork


async def check_version(work: UnitOfWork, ticket: TicketRow, expected: int | None) -> None:
    """Raises VersionConflict, which tells what changed, by whom, and what is so now."""
    if expected is None or expected == ticket.version:
        return
    since = await _changes_since(work, ticket, expected) if expected < ticket.version else []
    raise VersionConflict(ticket_id(ticket.id), expected, ticket.version, since)


async def _changes_since(work: UnitOfWork, ticket: TicketRow, version: int) -> list[RecordedChange]:
    rows = await work.session.execute(timeline.changes_since(ticket.id, version))
    return [
        RecordedChange(field_name=field or change_type, agent_id=agent, value=value)
        for field, change_type, agent, value in rows
    ]
