from __future__ import annotations

import pytest

from hephaestus_tickets.domain.claims import (
    ClaimHeld,
    ClaimLost,
    LeaseOutOfBounds,
    NotClaimed,
    NothingReady,
)
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.lifecycle import AlreadyResolved, TicketBlocked, WipLimitReached
from tests.factories import Desk, Json
from tests.services.actors import (
    Sql,
    changes,
    ready,
    shown,
)
from tests.services.invariants import violations
from tests.services.rows import lapse


async def test_a_claim_assigns_moves_and_says_how_long_it_holds(ada: Desk) -> None:
    ticket = await ada.make_ticket(title="Build it", description="All of it")
    claimed = await ada.claim_ticket(ticket_id=ticket)
    assert (claimed["ticket_id"], claimed["version"]) == (ticket, 2)
    assert claimed["ticket"]["description"] == "All of it"
    there = await shown(ada, ticket)
    assert (there["status"], there["assigned_agent_id"]) == ("in_progress", "ada")
    assert there["claim"] == {"agent_id": "ada", "ends_at": claimed["claim_ends_at"]}
    assert there["started_at"]
    assert await changes(ada, ticket) == ["created", "status_changed", "assigned", "claimed"]


async def test_a_claim_can_leave_the_ticket_in_its_column(ada: Desk) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket, move=False)
    assert (await shown(ada, ticket))["status"] == "backlog"
    assert await ready(ada) == []


async def test_the_best_ready_ticket_is_the_most_urgent_then_the_oldest(ada: Desk) -> None:
    low = await ada.make_ticket(priority="low")
    older, newer = [await ada.make_ticket(priority="high") for _ in range(2)]
    blocked = await ada.make_ticket(priority="critical", blocked_by_ticket_ids=[low])
    await ada.make_ticket(priority="critical", assigned_agent_id="bob")
    claimed = [(await ada.claim_ticket())["ticket_id"] for _ in range(3)]
    assert claimed == [older, newer, low]
    with pytest.raises(NothingReady):
        await ada.claim_ticket()
    assert await ada.status_of(blocked) == "backlog"


async def test_work_assigned_to_others_is_taken_only_where_the_filter_asks_for_it(
    ada: Desk,
) -> None:
    ticket = await ada.make_ticket(assigned_agent_id="bob")
    with pytest.raises(NothingReady):
        await ada.claim_ticket()
    claimed = await ada.claim_ticket(filters={"assigned_agent_id": "bob"})
    assert claimed["ticket_id"] == ticket


async def test_the_best_one_by_a_filter(ada: Desk) -> None:
    await ada.make_ticket(priority="critical")
    bug = await ada.make_ticket(ticket_type="bug", tags=["ui"])
    assert (await ada.claim_ticket(filters={"tags": "ui"}))["ticket_id"] == bug


async def test_ready_work_tells_why(ada: Desk, sql: Sql) -> None:
    first = await ada.make_ticket(priority="low")
    waits = await ada.make_ticket(blocked_by_ticket_ids=[first])
    taken = await ada.make_ticket(priority="high")
    await ada.make_ticket(initial_status="review")
    assert await ready(ada) == [taken, first]
    await ada.claim_ticket(ticket_id=taken)
    await ada.resolve_ticket(ticket_id=first)
    lapse(sql, taken)
    reply = await ada.get_ready_tickets()
    assert [(each["ticket_id"], each["reason"]) for each in reply["tickets"]] == [
        (taken, "the claim of ada ended"),
        (waits, f"its last blocker {first} is resolved"),
    ]
    assert await ready(ada, limit=1) == [taken]
    assert (await ada.get_ready_tickets(limit=1))["more"] is True
    assert await ready(ada, filters={"priority": "medium"}) == [waits]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("update_ticket", {"updates": {"title": "Mine"}}),
        ("change_status", {"new_status": "review"}),
        ("assign_ticket", {}),
        ("resolve_ticket", {}),
        ("claim_ticket", {}),
        ("release_claim", {}),
        ("renew_claim", {}),
    ],
)
async def test_nobody_else_writes_to_a_claimed_ticket(
    ada: Desk, bob: Desk, operation: str, arguments: Json
) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    before = await shown(ada, ticket)
    with pytest.raises(ClaimHeld) as refused:
        await bob.call(operation, ticket_id=ticket, **arguments)
    assert refused.value.holder == "ada"
    assert await shown(ada, ticket) == before


async def test_comments_and_commits_are_for_everybody(ada: Desk, bob: Desk) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    await bob.add_comment(ticket_id=ticket, comment_text="Look at the cache")
    await bob.link_commit(ticket_id=ticket, commit_sha="abcdef1")


async def test_what_is_given_back_is_ready_and_tells_the_next_one(ada: Desk, bob: Desk) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    hand_over = {
        "done": ["the parser"],
        "left": ["the writer"],
        "dead_ends": ["regular expressions"],
        "next_step": "Write the writer",
    }
    released = await ada.release_claim(ticket_id=ticket, hand_over=hand_over)
    assert released["status"] == "backlog"
    assert await ready(bob) == [ticket]
    claimed = await bob.claim_ticket()
    assert claimed["hand_over"] == {"agent_id": "ada", **hand_over}
    (comment,) = (await bob.get_ticket(ticket_id=ticket))["comments"]
    assert comment["comment_text"] == (
        "Done:\n- the parser\n\nLeft:\n- the writer\n\nDead ends:\n- regular expressions\n\n"
        "Next: Write the writer"
    )


async def test_a_claim_tells_how_the_blockers_were_resolved_and_what_was_committed(
    ada: Desk, sql: Sql
) -> None:
    blocker = await ada.make_ticket(title="The table")
    ticket = await ada.make_ticket(blocked_by_ticket_ids=[blocker])
    await ada.resolve_ticket(ticket_id=blocker, resolution_comment="It has two columns")
    await ada.link_commit(ticket_id=ticket, commit_sha="abcdef1", commit_message="Begin")
    claimed = await ada.claim_ticket(ticket_id=ticket)
    assert claimed["blocked_by"] == [
        {
            "ticket_id": blocker,
            "title": "The table",
            "status": "done",
            "resolution": "It has two columns",
        }
    ]
    assert [each["message"] for each in claimed["commits"]] == ["Begin"]
    assert violations(sql, ada.caller.default_workflow) == []


@pytest.mark.parametrize("operation", ["resolve_ticket", "change_status"])
async def test_a_resolved_ticket_is_claimed_by_nobody(ada: Desk, operation: str) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    to = {"new_status": "cancelled"} if operation == "change_status" else {}
    await ada.call(operation, ticket_id=ticket, **to)
    there = await shown(ada, ticket)
    assert there["is_resolved"] is True
    assert "claim" not in there
    assert there["assigned_agent_id"] == "ada"


async def test_who_hands_the_ticket_to_another_ends_the_claim(ada: Desk, bob: Desk) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    await ada.assign_ticket(ticket_id=ticket, assigned_agent_id="bob")
    there = await shown(ada, ticket)
    assert (there["status"], there["assigned_agent_id"]) == ("in_progress", "bob")
    await bob.update_ticket(ticket_id=ticket, updates={"title": "Mine"})
    assert (await changes(ada, ticket))[-3:] == ["claim_released", "assigned", "field_changed"]


async def test_an_administrator_ends_a_claim_with_a_reason(ada: Desk, bob: Desk) -> None:
    ticket = await ada.make_ticket()
    token = (await ada.claim_ticket(ticket_id=ticket))["claim_token"]
    with pytest.raises(TicketError, match="reason"):
        await bob.force_release(ticket_id=ticket)
    await bob.force_release(ticket_id=ticket, reason="ada is gone")
    assert await ready(bob) == [ticket]
    with pytest.raises(ClaimLost):
        await ada.resolve_ticket(ticket_id=ticket, claim_token=token)
    with pytest.raises(NotClaimed):
        await bob.force_release(ticket_id=ticket, reason="ada is gone")


async def test_what_cannot_be_started_cannot_be_claimed(ada: Desk) -> None:
    blocker = await ada.make_ticket()
    blocked = await ada.make_ticket(blocked_by_ticket_ids=[blocker])
    with pytest.raises(TicketBlocked, match=blocker):
        await ada.claim_ticket(ticket_id=blocked)
    await ada.resolve_ticket(ticket_id=blocker)
    with pytest.raises(AlreadyResolved):
        await ada.claim_ticket(ticket_id=blocker)
    with pytest.raises(LeaseOutOfBounds):
        await ada.claim_ticket(ticket_id=blocked, lease_seconds=1)


async def test_a_full_column_takes_no_claim(ada: Desk) -> None:
    await ada.configure_board(
        columns=[
            {"id": "backlog", "category": "todo"},
            {"id": "in_progress", "category": "doing", "wip_limit": 1},
            {"id": "done", "category": "done"},
        ],
        workflow_id=ada.caller.default_workflow,
    )
    first, second = await ada.make_ticket(), await ada.make_ticket()
    await ada.claim_ticket(ticket_id=first)
    with pytest.raises(WipLimitReached):
        await ada.claim_ticket()
    explained = await ada.explain_ticket(ticket_id=second)
    assert explained["is_ready"] is True
    assert "is full (1 of 1)" in explained["reasons"][0]
    assert (await ada.claim_ticket(move=False))["ticket_id"] == second
