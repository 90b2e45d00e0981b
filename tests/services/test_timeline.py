from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from hephaestus_tickets.domain.cursor import InvalidCursor
from hephaestus_tickets.domain.text import json_size
from hephaestus_tickets.services.ticket_history_service import (
    EntryNotFound,
    ForeignChangeType,
    MetadataTooLarge,
)
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.replies import whole_text, whole_timeline


async def a_busy_ticket(desk: Desk) -> str:
    """Changes, comments and commits, several of them at one moment: 23 entries."""
    ticket = await desk.make_ticket()
    for number in range(4):
        await desk.update_ticket(
            ticket_id=ticket,
            updates={"title": f"Title {number}", "description": f"Text {number}"},
            update_comment=f"Comment {number}",
        )
        await desk.change_status(
            ticket_id=ticket,
            new_status="review" if number % 2 else "in_progress",
            comment=f"Moved {number}",
            commit_sha=f"{number:07x}" if number % 2 else None,
        )
    return ticket


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ticket_history SET agent_id = 'someone else'",
        "UPDATE ticket_history SET old_value = NULL WHERE id = 1",
        "DELETE FROM ticket_history",
        "TRUNCATE ticket_history",
    ],
    ids=["update", "update of one", "delete", "truncate"],
)
async def test_history_is_never_rewritten(desk: Desk, sql: Sql, statement: str) -> None:
    ticket = await desk.make_ticket()
    before = await desk.get_ticket_history(ticket_id=ticket)
    with pytest.raises(IntegrityError, match="ticket_history is append-only"):
        sql.run(statement)
    assert await desk.get_ticket_history(ticket_id=ticket) == before


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize("sort_order", ["asc", "desc"])
async def test_pages_give_each_entry_once_in_order(desk: Desk, sort_order: str, limit: int) -> None:
    ticket = await a_busy_ticket(desk)
    entries = await whole_timeline(desk, ticket, limit=limit, sort_order=sort_order)
    names = [entry["entry_id"] for entry in entries]
    assert len(names) == len(set(names)) == 23
    moments = [entry["at"] for entry in entries]
    assert moments == sorted(moments, reverse=sort_order == "desc")
    every = (await desk.get_ticket_history(ticket_id=ticket, limit=100))["entries"]
    assert entries == (every if sort_order == "asc" else every[::-1])


async def test_entries_of_other_tickets_are_not_among_them(desk: Desk) -> None:
    other = await a_busy_ticket(desk)
    ticket = await desk.make_ticket()
    comment = await desk.add_comment(ticket_id=other, comment_text="There")
    assert (await desk.get_ticket_history(ticket_id=ticket))["returned"] == 1
    with pytest.raises(EntryNotFound):
        await desk.get_ticket_history(ticket_id=ticket, entry_id=comment["comment_id"])


async def test_a_comment_of_fifty_thousand_characters_is_read_whole_in_pieces(
    desk: Desk,
) -> None:
    ticket = await desk.make_ticket()
    text = "".join(f"{number}:漢🔥\n" for number in range(6_500))[:50_000]
    assert len(text) == 50_000
    added = await desk.add_comment(ticket_id=ticket, comment_text=text)
    page = (await desk.get_ticket_history(ticket_id=ticket))["entries"][-1]
    assert page["clipped"] == {"comment_text": 50_000 - len(page["comment_text"])}
    assert text.startswith(page["comment_text"])
    assert await whole_text(desk, ticket, added["comment_id"], "comment_text") == text
    details = await desk.get_ticket(ticket_id=ticket)
    assert details["omitted"] == [
        f"the rest of {added['comment_id']}: get_ticket_history(ticket_id='{ticket}', entry_id=…)"
    ]


async def test_a_text_exactly_as_long_as_is_shown_is_not_called_cut(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    await desk.add_comment(ticket_id=ticket, comment_text="x" * 1_500)
    assert "omitted" not in await desk.get_ticket(ticket_id=ticket)
    await desk.add_comment(ticket_id=ticket, comment_text="x" * 1_501)
    assert len((await desk.get_ticket(ticket_id=ticket))["omitted"]) == 1


@pytest.mark.parametrize("entry_id", ["change-999999", "comment-1x", "remark-7", "commit-", "7"])
async def test_an_unknown_entry_is_not_found(desk: Desk, entry_id: str) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(EntryNotFound, match="Entry ids look like change-7"):
        await desk.get_ticket_history(ticket_id=ticket, entry_id=entry_id)


@pytest.mark.parametrize("cursor", ["x", "W10", "漢字", "e30", "bnVsbA"])
async def test_a_cursor_that_is_none_is_refused(desk: Desk, cursor: str) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(InvalidCursor):
        await desk.get_ticket_history(ticket_id=ticket, cursor=cursor)


async def test_a_cursor_of_the_other_order_is_refused(desk: Desk) -> None:
    ticket = await a_busy_ticket(desk)
    page = await desk.get_ticket_history(ticket_id=ticket, limit=3)
    with pytest.raises(InvalidCursor):
        await desk.get_ticket_history(
            ticket_id=ticket, cursor=page["next_cursor"], sort_order="desc"
        )


async def test_what_happened_elsewhere_is_recorded_with_all_that_is_told(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    told: Json = {
        "field_name": "estimate",
        "old_value": "3",
        "new_value": '["not", "parsed"]',
        "change_description": "synchronised",
        "metadata": {"source": {"system": "other", "ids": [1, 2.5, None, True]}},
    }
    recorded = await desk.speaking_as("mirror").record_change(
        ticket_id=ticket, change_type="external.estimate", **told
    )
    entry = (await desk.get_ticket_history(ticket_id=ticket))["entries"][-1]
    assert entry == {
        "entry_id": recorded["change_id"],
        "at": entry["at"],
        "agent_id": "mirror",
        "change_type": "external.estimate",
        **told,
    }
    shown = (await desk.get_ticket(ticket_id=ticket))["ticket"]
    assert shown["version"] == 1


async def test_a_status_transition_recorded_from_elsewhere_does_not_move_the_ticket(
    desk: Desk,
) -> None:
    ticket = await desk.make_ticket()
    await desk.record_status_transition(ticket_id=ticket, from_status="open", to_status="closed")
    entry = (await desk.get_ticket_history(ticket_id=ticket))["entries"][-1]
    assert (entry["change_type"], entry["old_value"], entry["new_value"]) == (
        "external.status_transition",
        "open",
        "closed",
    )
    assert await desk.status_of(ticket) == "backlog"


@pytest.mark.parametrize("change_type", ["resolved", "status_changed", "External.x", "externalx"])
async def test_the_trackers_own_history_cannot_be_written_from_outside(
    desk: Desk, change_type: str
) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(ForeignChangeType):
        await desk.record_change(ticket_id=ticket, change_type=change_type)


async def test_metadata_is_measured_in_bytes(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    largest = {"a": "é" * 1_996}
    assert json_size(largest) == 4_000
    await desk.record_change(ticket_id=ticket, change_type="external.x", metadata=largest)
    with pytest.raises(MetadataTooLarge, match="4,001 bytes"):
        await desk.record_change(
            ticket_id=ticket, change_type="external.x", metadata={"ab": "é" * 1_996}
        )
