from __future__ import annotations

import asyncio

import anyio
import pytest

from hephaestus_tickets.domain.board import ColumnInUse
from hephaestus_tickets.domain.claims import (
    ClaimHeld,
    ClaimLost,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.upkeep import Upkeep
from hephaestus_tickets.upkeep import expire as expire_of
from tests.factories import Desk, Json
from tests.services.actors import (
    SECONDS,
    Sql,
    changes,
    in_session,
    outcome_of,
    ready,
    shown,
    until_someone_waits,
)
from tests.services.invariants import violations
from tests.services.rows import lapse, number_of

BOARD: Json = [
    {"id": "backlog", "category": "todo"},
    {"id": "in_progress", "category": "doing"},
    {"id": "done", "category": "done"},
]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("update_ticket", {"updates": {"title": "Mine"}}),
        ("change_status", {"new_status": "review"}),
        ("add_comment", {"comment_text": "Half of it"}),
        ("link_commit", {"commit_sha": "abcdef1"}),
        ("renew_claim", {}),
        ("claim_ticket", {}),
    ],
)
async def test_whatever_the_holder_writes_renews_the_claim(
    ada: Desk, sql: Sql, operation: str, arguments: Json
) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket, lease_seconds=600)
    sql.run(
        "UPDATE tickets SET claim_ends_at = clock_timestamp() + interval '5 s' WHERE id = :id",
        id=number_of(ticket),
    )
    await ada.call(operation, ticket_id=ticket, **arguments)
    left = sql.one(
        "SELECT extract(epoch FROM claim_ends_at - clock_timestamp())::float FROM tickets "
        "WHERE id = :id",
        id=number_of(ticket),
    )
    assert 590 < left <= 600


async def test_a_token_speaks_for_the_claim_in_whichever_session(ada: Desk, desk: Desk) -> None:
    ticket = await ada.make_ticket()
    token = (await ada.claim_ticket(ticket_id=ticket))["claim_token"]
    elsewhere = in_session(desk, "ada", "elsewhere")
    with pytest.raises(ClaimHeld, match="you in another session"):
        await elsewhere.resolve_ticket(ticket_id=ticket)
    await elsewhere.resolve_ticket(ticket_id=ticket, claim_token=token)
    assert "claim" not in await shown(ada, ticket)


async def test_a_session_that_resumes_has_a_new_token_and_the_old_one_is_over(
    ada: Desk, desk: Desk
) -> None:
    ticket = await ada.make_ticket()
    old = (await ada.claim_ticket(ticket_id=ticket))["claim_token"]
    again = in_session(desk, "ada", "elsewhere")
    with pytest.raises(ClaimHeld):
        await again.claim_ticket(ticket_id=ticket)
    assert (await again.claim_ticket(resume=True))["claim_token"] > old
    with pytest.raises(ClaimLost):
        await ada.update_ticket(ticket_id=ticket, updates={"title": "x"}, claim_token=old)
    with pytest.raises(ClaimHeld):
        await ada.update_ticket(ticket_id=ticket, updates={"title": "x"})
    await again.update_ticket(ticket_id=ticket, updates={"title": "x"})
    assert "claim_resumed" in await changes(ada, ticket)


async def test_claiming_what_one_holds_changes_nothing(ada: Desk) -> None:
    ticket = await ada.make_ticket()
    first = await ada.claim_ticket(ticket_id=ticket)
    second = await ada.claim_ticket(ticket_id=ticket)
    assert second["claim_token"] == first["claim_token"]
    assert second["version"] == first["version"]


async def test_who_resumes_another_agents_claim_is_refused(ada: Desk, bob: Desk) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    with pytest.raises(ClaimHeld):
        await bob.claim_ticket(ticket_id=ticket, resume=True)


async def test_a_claim_that_is_over_is_ready_work_at_once(ada: Desk, bob: Desk, sql: Sql) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    await ada.change_status(ticket_id=ticket, new_status="review")
    lapse(sql, ticket)
    assert await ready(bob) == [ticket]
    assert "claim" not in await shown(bob, ticket)
    assert (await bob.claim_ticket())["ticket_id"] == ticket
    told = await changes(ada, ticket)
    assert told[-6:] == [
        "status_changed", "assigned", "claim_expired", "status_changed", "assigned", "claimed",
    ]  # fmt: skip
    assert violations(sql, ada.caller.default_workflow) == []


async def test_upkeep_writes_down_that_a_claim_is_over(ada: Desk, sql: Sql) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    lapse(sql, ticket)
    while await Upkeep(ada.calls.units).expire():
        pass
    there = await shown(ada, ticket)
    assert there["status"] == "backlog"
    assert "assigned_agent_id" not in there
    last = (await ada.get_ticket_history(ticket_id=ticket))["entries"][-1]
    assert (last["change_type"], last["agent_id"]) == ("claim_expired", "tracker")
    assert "the claim of ada ended" in last["change_description"]
    assert violations(sql, ada.caller.default_workflow) == []


async def test_a_write_meets_a_claim_that_is_over_and_goes_on(
    ada: Desk, bob: Desk, sql: Sql
) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    lapse(sql, ticket)
    await bob.resolve_ticket(ticket_id=ticket)
    assert "claim_expired" in await changes(ada, ticket)
    assert violations(sql, ada.caller.default_workflow) == []


async def test_a_board_cannot_lose_the_column_that_upkeep_gives_a_ticket_back_to(
    ada: Desk, sql: Sql
) -> None:
    workflow_id = ada.caller.default_workflow
    ideas = {"id": "ideas", "category": "todo"}
    await ada.configure_board(workflow_id=workflow_id, columns=[*BOARD, ideas])
    ticket = await ada.make_ticket(initial_status="ideas")
    await ada.claim_ticket(ticket_id=ticket)
    lapse(sql, ticket)
    is_done, may_commit = anyio.Event(), anyio.Event()

    async def upkeep(work: UnitOfWork) -> None:
        await expire_of(workflow_id, work)
        is_done.set()
        await may_commit.wait()

    with anyio.fail_after(SECONDS):
        async with asyncio.TaskGroup() as group:
            _ = group.create_task(ada.calls.units.run(ada.caller, upkeep))
            await is_done.wait()
            shrunk = ada.configure_board(workflow_id=workflow_id, columns=BOARD)
            changing = group.create_task(outcome_of(shrunk))
            await until_someone_waits(sql)
            may_commit.set()
    assert isinstance(changing.result(), ColumnInUse)
    assert await ada.status_of(ticket) == "ideas"
    assert violations(sql, workflow_id) == []


async def test_a_claim_that_is_over_leaves_room_for_its_own_ticket(
    ada: Desk, bob: Desk, sql: Sql
) -> None:
    one_at_a_time = {"id": "in_progress", "category": "doing", "wip_limit": 1}
    columns = [BOARD[0], one_at_a_time, *BOARD[2:]]
    await ada.configure_board(workflow_id=ada.caller.default_workflow, columns=columns)
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    lapse(sql, ticket)
    moved = await bob.change_status(ticket_id=ticket, new_status="in_progress")
    assert (moved["from_status"], moved["status"]) == ("backlog", "in_progress")


async def test_a_ticket_taken_under_way_and_moved_back_is_ready_when_its_claim_is_over(
    ada: Desk, sql: Sql
) -> None:
    ticket = await ada.make_ticket()
    await ada.change_status(ticket_id=ticket, new_status="in_progress")
    await ada.claim_ticket(ticket_id=ticket)
    await ada.change_status(ticket_id=ticket, new_status="backlog")
    lapse(sql, ticket)
    assert await ready(ada) == [ticket]
    assert (await ada.explain_ticket(ticket_id=ticket))["is_ready"] is True
