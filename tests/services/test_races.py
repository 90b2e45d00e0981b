from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.blockers import BlockerCycle, ParentCycle
from hephaestus_tickets.domain.lifecycle import AlreadyResolved, TicketBlocked
from tests.factories import Desk, Json
from tests.services.actors import Sql, meeting, open_desks, refusals, replies, together
from tests.services.invariants import violations
from tests.services.rows import insert_blockers, insert_tickets

ROUNDS = 100


@pytest_asyncio.fixture(loop_scope="session")
async def pair(shared_url: URL, desk: Desk) -> AsyncGenerator[list[Desk]]:
    """Two clients with connections of their own."""
    async with open_desks(shared_url, desk, 2) as desks:
        yield desks


async def changes_of(desk: Desk, ticket_id: str, change_type: str) -> list[Json]:
    entries = (await desk.get_ticket_history(ticket_id=ticket_id, limit=100)).get("entries", [])
    return [entry for entry in entries if entry.get("change_type") == change_type]


async def test_of_two_resolves_of_the_last_two_blockers_exactly_one_unblocks(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    workflow_id = one.caller.default_workflow
    waiting, lefts, rights = [insert_tickets(sql, workflow_id, ROUNDS) for _ in range(3)]
    edges = [*zip(waiting, lefts, strict=True), *zip(waiting, rights, strict=True)]
    insert_blockers(sql, workflow_id, edges)
    for blocked, left, right in zip(waiting, lefts, rights, strict=True):
        outcomes = await together(
            one.resolve_ticket(ticket_id=left), other.resolve_ticket(ticket_id=right)
        )
        reported = [ticket for reply in outcomes for ticket in reply.get("unblocked_tickets", [])]
        assert reported == [blocked]
    assert violations(sql, one.caller.default_workflow) == []


async def test_the_second_resolve_waits_for_the_first_and_sees_it(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    left, right = await one.make_ticket(), await one.make_ticket()
    blocked = await one.make_ticket(blocked_by_ticket_ids=[left, right])
    first, second = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": left}),
        other.resolve_ticket(ticket_id=right),
    )
    assert "unblocked_tickets" not in first
    assert second["unblocked_tickets"] == [blocked]
    assert len(await changes_of(one, blocked, "unblocked")) == 1


async def test_one_ticket_resolved_twice_at_once_is_resolved_once(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    ticket = await one.make_ticket()
    _, second = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": ticket}),
        other.resolve_ticket(ticket_id=ticket),
    )
    assert isinstance(second, AlreadyResolved)
    assert len(await changes_of(one, ticket, "resolved")) == 1


async def test_two_edges_that_close_a_cycle_are_never_both_taken(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    for _ in range(20):
        a, b = await one.make_ticket(), await other.make_ticket()
        outcomes = await together(
            one.update_ticket(ticket_id=a, updates={"add_blocked_by_ticket_ids": [b]}),
            other.update_ticket(ticket_id=b, updates={"add_blocked_by_ticket_ids": [a]}),
        )
        (refusal,) = refusals(outcomes)
        assert isinstance(refusal, BlockerCycle)
        assert refusal.path in ((a, b, a), (b, a, b))
        assert " → ".join(refusal.path) in str(refusal)
    assert violations(sql, one.caller.default_workflow) == []


async def test_an_edge_that_closes_a_long_cycle_waits_and_is_refused_with_the_path(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    a = await one.make_ticket()
    b = await one.make_ticket(blocked_by_ticket_ids=[a])
    c = await one.make_ticket()
    d = await one.make_ticket(blocked_by_ticket_ids=[c])
    _, refusal = await meeting(
        sql,
        (one, "update_ticket", {"ticket_id": c, "updates": {"add_blocked_by_ticket_ids": [b]}}),
        other.update_ticket(ticket_id=a, updates={"add_blocked_by_ticket_ids": [d]}),
    )
    assert isinstance(refusal, BlockerCycle)
    assert refusal.path == (a, d, c, b, a)


async def test_two_parents_that_close_a_cycle_are_never_both_taken(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    a, b = await one.make_ticket(), await one.make_ticket()
    _, refusal = await meeting(
        sql,
        (one, "update_ticket", {"ticket_id": a, "updates": {"parent_ticket_id": b}}),
        other.update_ticket(ticket_id=b, updates={"parent_ticket_id": a}),
    )
    assert isinstance(refusal, ParentCycle)
    assert refusal.path == (b, a, b)


@pytest.mark.parametrize("updater_is_first", [True, False], ids=["update first", "resolve first"])
async def test_an_update_and_a_resolve_both_survive(
    pair: list[Desk], sql: Sql, *, updater_is_first: bool
) -> None:
    one, other = pair
    ticket = await one.make_ticket(title="Before", tags=["old"])
    update = {"ticket_id": ticket, "updates": {"title": "After", "add_tags": ["new"]}}
    resolve = {"ticket_id": ticket, "resolution_comment": "done"}
    if updater_is_first:
        await meeting(sql, (one, "update_ticket", update), other.resolve_ticket(**resolve))
    else:
        await meeting(sql, (other, "resolve_ticket", resolve), one.update_ticket(**update))
    shown = (await one.get_ticket(ticket_id=ticket))["ticket"]
    assert (shown["title"], shown["tags"], shown["status"]) == ("After", ["old", "new"], "done")
    assert shown["version"] == 3
    assert violations(sql, one.caller.default_workflow) == []


async def test_tags_added_by_two_agents_at_once_both_survive(pair: list[Desk], sql: Sql) -> None:
    one, other = pair
    ticket = await one.make_ticket()
    await meeting(
        sql,
        (one, "update_ticket", {"ticket_id": ticket, "updates": {"add_tags": ["left"]}}),
        other.update_ticket(ticket_id=ticket, updates={"add_tags": ["right"]}),
    )
    shown = (await one.get_ticket(ticket_id=ticket))["ticket"]
    assert shown["tags"] == ["left", "right"]
    assert shown["version"] == 3


async def test_of_sixteen_writers_with_one_expected_version_exactly_one_succeeds(
    pair: list[Desk],
) -> None:
    ticket = await pair[0].make_ticket()
    outcomes = await together(
        *[
            pair[number % 2].update_ticket(
                ticket_id=ticket, updates={"title": f"Mine {number}"}, expected_version=1
            )
            for number in range(16)
        ]
    )
    assert len(replies(outcomes)) == 1
    assert {refusal.code for refusal in refusals(outcomes)} == {"version_conflict"}


async def test_the_same_commit_linked_twice_at_once_is_one_row(pair: list[Desk], sql: Sql) -> None:
    one, other = pair
    ticket = await one.make_ticket()
    first, second = await meeting(
        sql,
        (one, "link_commit", {"ticket_id": ticket, "commit_sha": "abcdef1"}),
        other.link_commit(ticket_id=ticket, commit_sha="ABCDEF1"),
    )
    assert "already_linked" not in first
    assert second["already_linked"] is True
    assert len((await one.get_ticket(ticket_id=ticket))["commits"]) == 1


async def test_a_move_that_meets_the_resolve_of_its_blocker_is_freed_or_blocked(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    for _ in range(15):
        blocker = await one.make_ticket()
        blocked = await one.make_ticket(blocked_by_ticket_ids=[blocker])
        resolved, moved = await together(
            one.resolve_ticket(ticket_id=blocker),
            other.change_status(ticket_id=blocked, new_status="in_progress"),
        )
        assert resolved["unblocked_tickets"] == [blocked]
        is_refused = isinstance(moved, TicketBlocked)
        assert await one.status_of(blocked) == ("backlog" if is_refused else "in_progress")
    assert violations(sql, one.caller.default_workflow) == []


async def test_a_move_waits_for_the_resolve_of_its_blocker_under_way(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    blocker = await one.make_ticket()
    blocked = await one.make_ticket(blocked_by_ticket_ids=[blocker])
    _, moved = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": blocker}),
        other.change_status(ticket_id=blocked, new_status="in_progress"),
    )
    assert moved["status"] == "in_progress"


async def test_a_move_waits_for_the_reopening_of_its_blocker_under_way(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    blocker = await one.make_ticket()
    blocked = await one.make_ticket(blocked_by_ticket_ids=[blocker])
    await one.resolve_ticket(ticket_id=blocker)
    _, moved = await meeting(
        sql,
        (one, "change_status", {"ticket_id": blocker, "new_status": "in_progress"}),
        other.change_status(ticket_id=blocked, new_status="in_progress"),
    )
    assert isinstance(moved, TicketBlocked)
    assert violations(sql, one.caller.default_workflow) == []


async def test_a_move_that_finds_its_ticket_resolved_meanwhile_starts_again_and_reopens(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    ticket = await one.make_ticket()
    dependent = await one.make_ticket(blocked_by_ticket_ids=[ticket])
    resolved, moved = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": ticket}),
        other.change_status(ticket_id=ticket, new_status="review"),
    )
    assert resolved["unblocked_tickets"] == [dependent]
    assert (moved["from_status"], moved["status"]) == ("done", "review")
    assert moved["blocked_tickets"] == [dependent]
    assert violations(sql, one.caller.default_workflow) == []


async def test_of_two_reopenings_at_once_one_reopens_and_one_moves(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    ticket = await one.make_ticket()
    dependent = await one.make_ticket(blocked_by_ticket_ids=[ticket])
    await one.resolve_ticket(ticket_id=ticket)
    reopened, moved = await meeting(
        sql,
        (one, "change_status", {"ticket_id": ticket, "new_status": "in_progress"}),
        other.change_status(ticket_id=ticket, new_status="review"),
    )
    assert reopened["blocked_tickets"] == [dependent]
    assert (moved["from_status"], moved["status"]) == ("in_progress", "review")
    assert "blocked_tickets" not in moved
    assert len(await changes_of(one, ticket, "reopened")) == 1
    assert violations(sql, one.caller.default_workflow) == []


async def test_a_ticket_blocked_while_it_is_created_counts_a_blocker_resolved_meanwhile_right(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    blocker = await one.make_ticket()
    _, created = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": blocker}),
        other.create_ticket(title="Next", blocked_by_ticket_ids=[blocker]),
    )
    assert "is_blocked" not in created
    assert violations(sql, one.caller.default_workflow) == []
