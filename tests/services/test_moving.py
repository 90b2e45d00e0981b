from __future__ import annotations

import pytest

from hephaestus_tickets.domain.board import UnknownStatus
from hephaestus_tickets.domain.lifecycle import (
    CommentRequired,
    ReopenNotAllowed,
    TicketBlocked,
    TransitionNotAllowed,
    WipLimitReached,
)
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.invariants import violations
from tests.services.rows import number_of


async def kinds(desk: Desk, ticket_id: str) -> list[str]:
    """The change types of a ticket's history, after its creation."""
    entries = (await desk.get_ticket_history(ticket_id=ticket_id, limit=100))["entries"]
    return [entry["change_type"] for entry in entries if "change_type" in entry][1:]


async def rules(desk: Desk, **settings: Json) -> None:
    await desk.configure_board(workflow_id=desk.caller.default_workflow, settings=settings)


async def test_a_move_says_from_where_to_where_and_is_recorded(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    moved = await desk.speaking_as("mover").change_status(
        ticket_id=ticket, new_status="review", comment="Please look"
    )
    assert (moved["from_status"], moved["status"], moved["version"]) == ("backlog", "review", 2)
    change, comment = (await desk.get_ticket_history(ticket_id=ticket))["entries"][1:]
    assert (change["change_type"], change["field_name"]) == ("status_changed", "status")
    assert (change["old_value"], change["new_value"]) == ("backlog", "review")
    assert (comment["comment_type"], comment["comment_text"]) == ("status_change", "Please look")
    assert {change["agent_id"], comment["agent_id"]} == {"mover"}
    assert comment["entry_id"] == moved["comment_id"]


async def test_a_blocked_ticket_stays_and_the_error_names_what_blocks_it(desk: Desk) -> None:
    blocker = await desk.make_ticket(title="Fix the parser", initial_status="in_progress")
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    with pytest.raises(TicketBlocked) as refused:
        await desk.change_status(ticket_id=ticket, new_status="in_progress", comment="Now")
    assert f"{ticket} is blocked by {blocker} 'Fix the parser' (in_progress)." in str(refused.value)
    details = await desk.get_ticket(ticket_id=ticket)
    assert (details["ticket"]["status"], details["ticket"]["version"]) == ("backlog", 1)
    assert "comments" not in details


async def test_a_blocked_ticket_may_go_back_to_the_initial_column_only(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(initial_status="review")
    await desk.update_ticket(ticket_id=ticket, updates={"add_blocked_by_ticket_ids": [blocker]})
    with pytest.raises(TicketBlocked):
        await desk.change_status(ticket_id=ticket, new_status="in_progress")
    with pytest.raises(TicketBlocked):
        await desk.change_status(ticket_id=ticket, new_status="done")
    assert (await desk.change_status(ticket_id=ticket, new_status="backlog"))["version"] == 3


async def test_work_starts_once(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket()
    assert "started_at" not in (await desk.get_ticket(ticket_id=ticket))["ticket"]
    statement = "SELECT started_at FROM tickets WHERE id = :id"
    number = number_of(ticket)
    await desk.change_status(ticket_id=ticket, new_status="in_progress")
    started = sql.one(statement, id=number)
    for status in ("review", "backlog", "in_progress", "done", "review"):
        await desk.change_status(ticket_id=ticket, new_status=status)
    assert sql.one(statement, id=number) == started


async def test_a_done_column_completes_and_resolves(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket()
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[ticket])
    moved = await desk.change_status(ticket_id=ticket, new_status="cancelled")
    assert moved["unblocked_tickets"] == [waiting]
    shown = (await desk.get_ticket(ticket_id=ticket))["ticket"]
    assert shown["is_resolved"] is True
    assert shown["completed_at"] == shown["resolved_at"]
    assert await kinds(desk, ticket) == ["resolved"]
    assert await kinds(desk, waiting) == ["unblocked"]
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_move_between_done_columns_resolves_nothing_again(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket()
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[ticket])
    await desk.resolve_ticket(ticket_id=ticket)
    resolved_at = (await desk.get_ticket(ticket_id=ticket))["ticket"]["resolved_at"]
    moved = await desk.change_status(ticket_id=ticket, new_status="cancelled")
    assert "unblocked_tickets" not in moved
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["resolved_at"] == resolved_at
    assert await kinds(desk, ticket) == ["resolved", "status_changed"]
    assert await kinds(desk, waiting) == ["unblocked"]
    assert violations(sql, desk.caller.default_workflow) == []


async def test_reopening_blocks_unresolved_dependents_again_where_they_stand(
    desk: Desk, sql: Sql
) -> None:
    ticket = await desk.make_ticket()
    under_way = await desk.make_ticket(blocked_by_ticket_ids=[ticket])
    finished = await desk.make_ticket(blocked_by_ticket_ids=[ticket])
    await desk.resolve_ticket(ticket_id=ticket)
    await desk.change_status(ticket_id=under_way, new_status="review")
    await desk.resolve_ticket(ticket_id=finished)
    finished_before = await desk.get_ticket(ticket_id=finished)
    reopened = await desk.speaking_as("doubter").change_status(
        ticket_id=ticket, new_status="in_progress"
    )
    assert reopened["blocked_tickets"] == [under_way]
    shown = (await desk.get_ticket(ticket_id=ticket))["ticket"]
    assert shown.keys().isdisjoint({"is_resolved", "completed_at", "resolved_at"})
    assert await kinds(desk, ticket) == ["resolved", "reopened"]
    blocked = (await desk.get_ticket(ticket_id=under_way))["ticket"]
    assert (blocked["status"], blocked["is_blocked"]) == ("review", True)
    entry = (await desk.get_ticket_history(ticket_id=under_way))["entries"][-1]
    assert (entry["change_type"], entry["agent_id"]) == ("blocked", "doubter")
    assert entry["change_description"] == f"{ticket} was reopened"
    finished_after = await desk.get_ticket(ticket_id=finished)
    assert finished_after["ticket"] == finished_before["ticket"]
    assert finished_after["history"] == finished_before["history"]
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_dependent_with_another_open_blocker_is_not_told_it_is_blocked_again(
    desk: Desk, sql: Sql
) -> None:
    first, second = await desk.make_ticket(), await desk.make_ticket()
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[first, second])
    await desk.resolve_ticket(ticket_id=first)
    reopened = await desk.change_status(ticket_id=first, new_status="backlog")
    assert "blocked_tickets" not in reopened
    assert await kinds(desk, waiting) == []
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_ticket_reopened_behind_a_reopened_blocker_goes_to_the_initial_column_only(
    desk: Desk, sql: Sql
) -> None:
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    await desk.resolve_ticket(ticket_id=blocker)
    await desk.resolve_ticket(ticket_id=ticket)
    await desk.change_status(ticket_id=blocker, new_status="in_progress")
    with pytest.raises(TicketBlocked):
        await desk.change_status(ticket_id=ticket, new_status="in_progress")
    await desk.change_status(ticket_id=ticket, new_status="backlog")
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["is_blocked"] is True
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_board_may_forbid_reopening(desk: Desk) -> None:
    await rules(desk, allow_reopen=False)
    ticket = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=ticket)
    with pytest.raises(ReopenNotAllowed):
        await desk.change_status(ticket_id=ticket, new_status="backlog")
    await desk.change_status(ticket_id=ticket, new_status="cancelled")


async def test_the_same_status_keeps_its_comment_and_commit_but_changes_nothing(
    desk: Desk,
) -> None:
    ticket = await desk.make_ticket()
    moved = await desk.change_status(
        ticket_id=ticket, new_status="backlog", comment="Still here", commit_sha="ABCDEF1"
    )
    assert (moved["from_status"], moved["status"], moved["version"]) == ("backlog", "backlog", 1)
    details = await desk.get_ticket(ticket_id=ticket)
    assert [comment["comment_text"] for comment in details["comments"]] == ["Still here"]
    assert [commit["commit_sha"] for commit in details["commits"]] == ["abcdef1"]
    assert await kinds(desk, ticket) == []


async def test_a_blocked_ticket_that_stays_is_not_refused(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    moved = await desk.change_status(ticket_id=ticket, new_status="backlog", comment="Waiting")
    assert moved["version"] == 1


async def test_an_unknown_status_is_refused_with_the_valid_ones(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(UnknownStatus) as refused:
        await desk.change_status(ticket_id=ticket, new_status="In Progress")
    assert refused.value.valid == ("backlog", "in_progress", "review", "done", "cancelled")


async def test_transitions_are_enforced_where_the_board_names_them(desk: Desk) -> None:
    await rules(desk, transitions={"backlog": ["in_progress"], "in_progress": ["review"]})
    ticket = await desk.make_ticket()
    with pytest.raises(TransitionNotAllowed, match="it can move to: in_progress"):
        await desk.change_status(ticket_id=ticket, new_status="review")
    with pytest.raises(TransitionNotAllowed):
        await desk.resolve_ticket(ticket_id=ticket)
    for status in ("in_progress", "review", "done", "backlog"):
        await desk.change_status(ticket_id=ticket, new_status=status)


async def test_a_board_may_want_a_comment_with_every_change(desk: Desk) -> None:
    await rules(desk, require_comment_on_status_change=True)
    ticket = await desk.make_ticket()
    with pytest.raises(CommentRequired):
        await desk.change_status(ticket_id=ticket, new_status="review", comment=" \n")
    with pytest.raises(CommentRequired):
        await desk.resolve_ticket(ticket_id=ticket)
    await desk.change_status(ticket_id=ticket, new_status="backlog")
    await desk.change_status(ticket_id=ticket, new_status="review", comment="Ready")


async def test_a_full_column_takes_nobody_and_whoever_stands_there_stays(desk: Desk) -> None:
    columns = [
        {"id": "backlog", "category": "todo"},
        {"id": "doing", "category": "doing", "wip_limit": 1},
        {"id": "done", "category": "done"},
    ]
    await desk.configure_board(workflow_id=desk.caller.default_workflow, columns=columns)
    inside, outside = await desk.make_ticket(), await desk.make_ticket()
    await desk.change_status(ticket_id=inside, new_status="doing")
    with pytest.raises(WipLimitReached, match="1 tickets stand in it and its limit is 1"):
        await desk.change_status(ticket_id=outside, new_status="doing")
    with pytest.raises(WipLimitReached):
        await desk.create_ticket(title="x", initial_status="doing")
    await desk.change_status(ticket_id=inside, new_status="doing")
    await desk.change_status(ticket_id=inside, new_status="done")
    await desk.change_status(ticket_id=outside, new_status="doing")


async def test_a_move_with_a_bad_commit_sha_moves_nothing(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(Exception, match="not a commit sha") as refused:
        await desk.change_status(ticket_id=ticket, new_status="review", commit_sha="HEAD")
    assert refused.value.__class__.__name__ == "InvalidCommitSha"
    assert await desk.status_of(ticket) == "backlog"
