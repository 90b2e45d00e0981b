"""Replies as they are sent, and texts read on until nothing is left out."""

from __future__ import annotations

from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.server.calls import compact
from tests.factories import BY_NAME, Desk, Json

BYTES = 60_000


async def sent(desk: Desk, operation: str, **arguments: Json) -> Json:
    """The reply, which fits; or the TicketError that it was refused with, which can be sent."""
    try:
        reply = await desk.calls.run(BY_NAME[operation], arguments, desk.caller)
    except TicketError as error:
        refusal = error
    else:
        assert len(compact(reply).encode()) <= BYTES
        return reply.model_dump(mode="json")
    assert 0 < len(str(refusal).encode()) <= BYTES
    return refusal


async def whole_description(desk: Desk, ticket_id: str) -> str:
    """Read on as `omitted` says, until it says nothing."""
    text = ""
    while True:
        details = await sent(desk, "get_ticket", ticket_id=ticket_id, description_from=len(text))
        text += details["ticket"].get("description", "")
        if not any(f"description_from={len(text)}" in line for line in details.get("omitted", [])):
            return text


async def whole_text(desk: Desk, ticket_id: str, entry_id: str, field: str) -> str:
    """One field of a timeline entry, read on until nothing of it is clipped."""
    text = ""
    while True:
        reply = await sent(
            desk, "get_ticket_history", ticket_id=ticket_id, entry_id=entry_id, text_from=len(text)
        )
        (entry,) = reply["entries"]
        text += entry.get(field, "")
        if field not in entry.get("clipped", {}):
            return text


async def whole_timeline(desk: Desk, ticket_id: str, **arguments: Json) -> list[Json]:
    """Every entry, page by page."""
    entries: list[Json] = []
    cursor = ""
    while True:
        page = await sent(
            desk, "get_ticket_history", ticket_id=ticket_id, cursor=cursor, **arguments
        )
        assert page["returned"] == len(page.get("entries", []))
        entries += page.get("entries", [])
        cursor = page.get("next_cursor", "")
        if not cursor:
            return entries


async def whole_relations(desk: Desk, ticket_id: str, name: str) -> list[Json]:
    """One of a ticket's lists of related tickets, read on as `omitted` says."""
    found: list[Json] = []
    while True:
        reply = await sent(desk, "get_ticket", ticket_id=ticket_id, related_from=len(found))
        place = reply["ticket"] if name == "links" else reply
        found += place.get(name, [])
        further = f"related_from={len(found)})"
        told = [line for line in reply.get("omitted", []) if line.startswith(f"{name}:")]
        if not told:
            return found
        assert told[0].endswith(further)
