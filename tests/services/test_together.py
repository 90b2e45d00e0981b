"""Several tickets changed or resolved in one call: all of them, or none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import permutations

import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.commits import InvalidCommitSha
from hephaestus_tickets.domain.lifecycle import CommentRequired
from hephaestus_tickets.domain.together import PlanRefused, SeveralWorkflows
from hephaestus_tickets.operations import InvalidArguments, Operation
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from tests.factories import BY_NAME, Desk, Json
from tests.services.actors import Sql, meeting, open_desks, together
from tests.services.invariants import violations
from tests.services.replies import sent
from tests.services.rows import insert_blockers, insert_tickets


@pytest_asyncio.fixture(loop_scope="session")
async def pair(shared_url: URL, desk: Desk) -> AsyncGenerator[list[Desk]]:
    """Two clients with connections of their own."""
    async with open_desks(shared_url, desk, 2) as desks:
        yield desks


def codes_of(refusal: PlanRefused) -> list[tuple[str, str]]:
    return [(name, error.code) for name, error in refusal.refusals]


async def version_of(desk: Desk, ticket: str) -> int:
    return (await desk.get_ticket(ticket_id=ticket))["ticket"]["version"]


async def test_each_ticket_is_updated_as_by_itself(desk: Desk, sql: Sql) -> None:
    one, other, third = [await desk.make_ticket() for _ in range(3)]
    reply = await desk.speaking_as("planner").update_tickets(
        updates=[
            {"ticket_id": other, "updates": {"blocked_by_ticket_ids": [one], "tags": ["x"]}},
            {
                "ticket_id": one,
                "updates": {"title": "New", "parent_ticket_id": third},
                "update_comment": "As agreed",
                "expected_version": 1,
            },
            {"ticket_id": third, "updates": {"title": "A ticket"}},
        ]
    )
    assert reply == {
        "tickets": [
            {"ticket_id": other, "version": 2, "changed": ["tags", "blocked_by_ticket_ids"]},
            {"ticket_id": one, "version": 2, "changed": ["title", "parent_ticket_id"]},
            {"ticket_id": third, "version": 1},
        ]
    }
    shown = await desk.get_ticket(ticket_id=one)
    assert shown["comments"][0]["comment_text"] == "As agreed"
    assert {change["agent_id"] for change in shown["history"][1:]} == {"planner"}
    assert (await desk.get_ticket(ticket_id=other))["ticket"]["is_blocked"] is True
    assert violations(sql, desk.caller.default_workflow) == []


async def test_one_update_in_the_way_undoes_all_and_every_refusal_is_told(
    desk: Desk, sql: Sql
) -> None:
    one, other, third = [await desk.make_ticket() for _ in range(3)]
    with pytest.raises(PlanRefused) as refused:
        await desk.update_tickets(
            updates=[
                {"ticket_id": one, "updates": {"title": "New", "blocked_by_ticket_ids": [other]}},
                {"ticket_id": other, "updates": {"title": "New", "parent_ticket_id": other}},
                {"ticket_id": "ticket-99999999", "updates": {}},
                {"ticket_id": third, "updates": {"title": "New"}, "expected_version": 7},
                {"ticket_id": one, "updates": {}},
            ]
        )
    assert codes_of(refused.value) == [
        (other, "self_reference"),
        ("ticket-99999999", "ticket_not_found"),
        (third, "version_conflict"),
        (one, "named_twice"),
    ]
    assert f"{third}: version_conflict: {third} is at version 1, not 7." in str(refused.value)
    assert [await version_of(desk, ticket) for ticket in (one, other, third)] == [1, 1, 1]
    assert "blocked_by" not in await desk.get_ticket(ticket_id=one)
    assert violations(sql, desk.caller.default_workflow) == []


async def test_two_updates_that_close_a_cycle_together_are_refused(desk: Desk) -> None:
    one, other = await desk.make_ticket(), await desk.make_ticket()
    with pytest.raises(PlanRefused) as refused:
        await desk.update_tickets(
            updates=[
                {"ticket_id": one, "updates": {"add_blocked_by_ticket_ids": [other]}},
                {"ticket_id": other, "updates": {"add_blocked_by_ticket_ids": [one]}},
            ]
        )
    assert codes_of(refused.value) == [(other, "blocker_cycle")]


async def test_a_dry_run_tells_what_would_change_and_keeps_nothing(desk: Desk, sql: Sql) -> None:
    one, other = await desk.make_ticket(), await desk.make_ticket()
    updates = [{"ticket_id": one, "updates": {"title": "New"}, "update_comment": "Why"}]
    assert await desk.update_tickets(updates=updates, dry_run=True) == {
        "tickets": [{"ticket_id": one, "version": 2, "changed": ["title"]}],
        "dry_run": True,
    }
    dependent = await desk.make_ticket(blocked_by_ticket_ids=[other])
    assert await desk.resolve_tickets(ticket_ids=[other], dry_run=True) == {
        "resolved": [{"ticket_id": other, "version": 2}],
        "unblocked_tickets": [dependent],
        "dry_run": True,
    }
    shown = await desk.get_ticket(ticket_id=one)
    assert (shown["ticket"]["title"], len(shown["history"])) == ("A ticket", 1)
    assert "comments" not in shown
    assert await desk.status_of(other) == "backlog"
    assert (await desk.get_ticket(ticket_id=dependent))["ticket"]["is_blocked"] is True
    assert violations(sql, desk.caller.default_workflow) == []


@pytest.mark.parametrize(
    ("operation", "argument"), [("update_tickets", "updates"), ("resolve_tickets", "ticket_ids")]
)
async def test_tickets_of_two_workflows_are_not_changed_in_one_call(
    desk: Desk, operation: str, argument: str
) -> None:
    other = f"{desk.caller.default_workflow}-other"
    await desk.configure_board(workflow_id=other)
    tickets = [await desk.make_ticket(), await desk.make_ticket(workflow_id=other)]
    patches: Json = [{"ticket_id": ticket, "updates": {}} for ticket in tickets]
    given: Json = tickets if argument == "ticket_ids" else patches
    with pytest.raises(SeveralWorkflows, match=other):
        await desk.call(operation, **{argument: given})


async def test_names_of_no_ticket_at_all_are_each_told(desk: Desk) -> None:
    with pytest.raises(PlanRefused) as refused:
        await desk.resolve_tickets(ticket_ids=["ticket-99999998", "ticket-99999999"])
    assert [code for _, code in codes_of(refused.value)] == ["ticket_not_found"] * 2
    with pytest.raises(InvalidArguments, match="ticket_ids"):
        await desk.resolve_tickets(ticket_ids=[])


async def test_a_chain_is_resolved_in_one_call_in_any_order_given(desk: Desk, sql: Sql) -> None:
    for order in permutations(range(3)):
        first = await desk.make_ticket()
        second = await desk.make_ticket(blocked_by_ticket_ids=[first], parent_ticket_id=first)
        third = await desk.make_ticket(blocked_by_ticket_ids=[second, first])
        freed = await desk.make_ticket(blocked_by_ticket_ids=[third, first])
        left = await desk.make_ticket(parent_ticket_id=third)
        chain = [first, second, third]
        named = [chain[place] for place in order]
        assert await desk.resolve_tickets(
            ticket_ids=named, resolution_comment="Shipped", commit_sha="ABCDEF1"
        ) == {
            "resolved": [{"ticket_id": ticket, "version": 2} for ticket in named],
            "unblocked_tickets": [freed],
            "open_sub_tickets": [left],
        }
        shown = await desk.get_ticket(ticket_id=second)
        assert shown["ticket"]["status"] == "done"
        assert shown["comments"][0]["comment_type"] == "resolution"
        assert shown["commits"][0]["commit_sha"] == "abcdef1"
    assert violations(sql, desk.caller.default_workflow) == []


async def test_one_that_cannot_be_resolved_keeps_all_open_and_each_reason_is_told(
    desk: Desk, sql: Sql
) -> None:
    outside = await desk.make_ticket(title="Outside")
    ready = await desk.make_ticket()
    blocked = await desk.make_ticket(blocked_by_ticket_ids=[outside])
    behind = await desk.make_ticket(blocked_by_ticket_ids=[blocked])
    finished = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=finished)
    with pytest.raises(PlanRefused) as refused:
        await desk.resolve_tickets(ticket_ids=[behind, ready, blocked, finished, ready])
    assert codes_of(refused.value) == [
        (behind, "ticket_blocked"),
        (blocked, "ticket_blocked"),
        (finished, "already_resolved"),
        (ready, "named_twice"),
    ]
    assert "'Outside'" in str(refused.value)
    assert [await desk.status_of(ticket) for ticket in (ready, blocked, behind)] == ["backlog"] * 3
    assert violations(sql, desk.caller.default_workflow) == []


async def test_what_is_wrong_for_all_of_them_is_told_once(desk: Desk) -> None:
    tickets = [await desk.make_ticket() for _ in range(2)]
    with pytest.raises(InvalidCommitSha):
        await desk.resolve_tickets(ticket_ids=tickets, commit_sha="main")
    await desk.configure_board(
        workflow_id=desk.caller.default_workflow,
        settings={"require_comment_on_status_change": True},
    )
    with pytest.raises(CommentRequired):
        await desk.resolve_tickets(ticket_ids=tickets)


async def test_a_resolve_of_many_and_one_of_their_blockers_at_once_are_both_whole(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    blocker, ready = await one.make_ticket(), await one.make_ticket()
    waiting = await one.make_ticket(blocked_by_ticket_ids=[blocker, ready])
    _, resolved = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": blocker}),
        other.resolve_tickets(ticket_ids=[waiting, ready]),
    )
    assert [ticket["ticket_id"] for ticket in resolved["resolved"]] == [waiting, ready]
    assert violations(sql, one.caller.default_workflow) == []


async def test_many_and_single_writes_of_the_same_tickets_at_once_all_come_through(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    tickets = [await one.make_ticket() for _ in range(6)]
    for place, ticket in enumerate(tickets[1:]):
        await one.update_ticket(
            ticket_id=ticket, updates={"blocked_by_ticket_ids": [tickets[place]]}
        )
    for number in range(5):
        updates = [{"ticket_id": each, "updates": {"add_tags": [f"a{number}"]}} for each in tickets]
        single = {"add_tags": [f"b{number}"]}
        outcomes = await together(
            one.update_tickets(updates=updates[::-1]),
            other.update_tickets(updates=updates),
            *[other.update_ticket(ticket_id=each, updates=single) for each in tickets],
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    outcomes = await together(
        one.resolve_tickets(ticket_ids=tickets[::-1]),
        *[other.update_ticket(ticket_id=each, updates={"title": "New"}) for each in tickets],
    )
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    assert violations(sql, one.caller.default_workflow) == []


async def test_however_many_are_unblocked_the_reply_fits(desk: Desk, sql: Sql) -> None:
    workflow_id = desk.caller.default_workflow
    tickets = insert_tickets(sql, workflow_id, 200)
    children = insert_tickets(sql, workflow_id, 1_000, parent=tickets[0])
    insert_blockers(sql, workflow_id, [(child, tickets[0]) for child in children])
    reply = await sent(desk, "resolve_tickets", ticket_ids=tickets)
    assert len(reply["resolved"]) == 200
    assert len(reply["unblocked_tickets"]) == len(reply["open_sub_tickets"]) == 600
    assert [line.partition(":")[0] for line in reply["omitted"]] == [
        "unblocked_tickets",
        "open_sub_tickets",
    ]
    assert violations(sql, workflow_id) == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_indexer_is_woken_unless_nothing_is_kept(desk: Desk, *, dry_run: bool) -> None:
    ticket = await desk.make_ticket()
    calls: list[tuple[str, Json]] = [
        ("create_tickets", {"tickets": [{"title": "x"}]}),
        ("update_tickets", {"updates": [{"ticket_id": ticket, "updates": {"title": "x"}}]}),
        ("resolve_tickets", {"ticket_ids": [ticket]}),
    ]
    for name, arguments in calls:
        operation = BY_NAME[name]
        parsed = operation.parse({**arguments, "dry_run": dry_run})

        async def wakes(
            unit: UnitOfWork, operation: Operation = operation, parsed: Json = parsed
        ) -> set[str]:
            await operation.call(unit, parsed)
            return unit.wakes

        assert bool(await desk.calls.units.run(desk.caller, wakes)) is not dry_run
