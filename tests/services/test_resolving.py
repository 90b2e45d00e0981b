from __future__ import annotations

import pytest

from hephaestus_tickets.domain.lifecycle import AlreadyResolved, TicketBlocked
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.invariants import violations


async def entries_of(desk: Desk, ticket_id: str, change_type: str) -> list[Json]:
    entries = (await desk.get_ticket_history(ticket_id=ticket_id, limit=100))["entries"]
    return [entry for entry in entries if entry.get("change_type") == change_type]


async def test_a_resolution_moves_comments_and_links_in_one_call(desk: Desk) -> None:
    ticket = await desk.make_ticket(initial_status="review")
    resolved = await desk.speaking_as("finisher").resolve_ticket(
        ticket_id=ticket, resolution_comment="Fixed in the parser", commit_sha="0123456789abcdef"
    )
    assert (resolved["status"], resolved["version"]) == ("done", 2)
    details = await desk.get_ticket(ticket_id=ticket)
    assert details["ticket"]["is_resolved"] is True
    (comment,) = details["comments"]
    assert (comment["comment_type"], comment["agent_id"]) == ("resolution", "finisher")
    assert details["commits"][0]["commit_sha"] == "0123456789abcdef"
    (change,) = await entries_of(desk, ticket, "resolved")
    assert (change["old_value"], change["new_value"]) == ("review", "done")


async def test_exactly_those_whose_last_open_blocker_it_was_are_unblocked(
    desk: Desk, sql: Sql
) -> None:
    ticket, other = await desk.make_ticket(), await desk.make_ticket()
    gone = await desk.make_ticket()
    freed = [
        await desk.make_ticket(blocked_by_ticket_ids=[ticket]),
        await desk.make_ticket(blocked_by_ticket_ids=[ticket, gone]),
    ]
    still = await desk.make_ticket(blocked_by_ticket_ids=[ticket, other])
    finished = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=finished)
    unrelated = await desk.make_ticket(blocked_by_ticket_ids=[other])
    await desk.resolve_ticket(ticket_id=gone)
    resolved = await desk.speaking_as("finisher").resolve_ticket(ticket_id=ticket)
    assert resolved["unblocked_tickets"] == freed
    for waiting in freed:
        (told,) = await entries_of(desk, waiting, "unblocked")
        assert told["agent_id"] == "finisher"
        assert told["change_description"] == f"{ticket} was resolved"
    for waiting in (still, unrelated):
        assert await entries_of(desk, waiting, "unblocked") == []
        assert (await desk.get_ticket(ticket_id=waiting))["ticket"]["is_blocked"] is True
    assert violations(sql, desk.caller.default_workflow) == []


async def test_the_edge_stays_after_its_blocker_is_resolved(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[ticket])
    await desk.resolve_ticket(ticket_id=ticket)
    details = await desk.get_ticket(ticket_id=waiting)
    assert [blocker["ticket_id"] for blocker in details["blocked_by"]] == [ticket]
    assert (await desk.get_ticket(ticket_id=ticket))["blocks"][0]["ticket_id"] == waiting


async def test_resolving_twice_is_refused_without_a_second_history_row(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=ticket)
    with pytest.raises(AlreadyResolved, match="already resolved"):
        await desk.resolve_ticket(ticket_id=ticket, resolution_comment="Again")
    assert len(await entries_of(desk, ticket, "resolved")) == 1
    assert "comments" not in await desk.get_ticket(ticket_id=ticket)


async def test_a_blocked_ticket_is_not_resolved(desk: Desk) -> None:
    blocker = await desk.make_ticket(title="First")
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    with pytest.raises(TicketBlocked, match="'First'"):
        await desk.resolve_ticket(ticket_id=ticket)


async def test_open_sub_tickets_are_named_not_refused(desk: Desk) -> None:
    parent = await desk.make_ticket()
    left = await desk.make_ticket(parent_ticket_id=parent)
    finished = await desk.make_ticket(parent_ticket_id=parent)
    await desk.resolve_ticket(ticket_id=finished)
    assert (await desk.resolve_ticket(ticket_id=parent))["open_sub_tickets"] == [left]


async def test_a_resolution_without_dependents_names_none(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    assert await desk.resolve_ticket(ticket_id=ticket) == {
        "ticket_id": ticket,
        "version": 2,
        "status": "done",
    }
