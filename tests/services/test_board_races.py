from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.board import ColumnInUse, UnknownStatus
from hephaestus_tickets.domain.lifecycle import WipLimitReached
from hephaestus_tickets.services.lookup import WorkflowNotActive
from tests.factories import Desk, Json
from tests.services.actors import Sql, meeting, open_desks, refusals, replies, together
from tests.services.invariants import violations
from tests.services.rows import insert_tickets

TODO: Json = {"id": "backlog", "category": "todo"}
DOING: Json = {"id": "in_progress", "category": "doing"}
SIDE: Json = {"id": "side", "category": "doing"}
DONE: Json = {"id": "done", "category": "done"}
NARROW: Json = [TODO, DOING, DONE]
WIDE: Json = [TODO, DOING, SIDE, DONE]


@pytest_asyncio.fixture(loop_scope="session")
async def pair(shared_url: URL, desk: Desk) -> AsyncGenerator[list[Desk]]:
    """Two clients with connections of their own."""
    async with open_desks(shared_url, desk, 2) as desks:
        yield desks


@pytest.fixture
def board(desk: Desk) -> str:
    return desk.caller.default_workflow


async def test_no_ticket_is_left_in_a_column_dropped_while_it_moved_there(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    mover, admin = pair
    ticket = await mover.make_ticket()
    for _ in range(25):
        await admin.configure_board(workflow_id=board, columns=WIDE)
        moved, configured = await together(
            mover.change_status(ticket_id=ticket, new_status="side"),
            admin.configure_board(workflow_id=board, columns=NARROW),
        )
        (refusal,) = refusals([moved, configured])
        assert isinstance(refusal, UnknownStatus if refusal is moved else ColumnInUse)
        await mover.change_status(ticket_id=ticket, new_status="backlog")
    assert violations(sql, board) == []


async def test_dropping_a_column_waits_for_a_move_into_it_and_names_the_ticket(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    mover, admin = pair
    await admin.configure_board(workflow_id=board, columns=WIDE)
    ticket = await mover.make_ticket()
    _, refusal = await meeting(
        sql,
        (mover, "change_status", {"ticket_id": ticket, "new_status": "side"}),
        admin.configure_board(workflow_id=board, columns=NARROW),
    )
    assert isinstance(refusal, ColumnInUse)
    assert refusal.standing == {"side": (ticket,)}


async def test_dropping_a_column_waits_for_a_ticket_created_in_it(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    author, admin = pair
    await admin.configure_board(workflow_id=board, columns=WIDE)
    created, refusal = await meeting(
        sql,
        (author, "create_ticket", {"title": "New", "initial_status": "side"}),
        admin.configure_board(workflow_id=board, columns=NARROW),
    )
    assert isinstance(refusal, ColumnInUse)
    assert refusal.standing == {"side": (created["ticket_id"],)}


async def test_a_move_waits_for_the_board_under_change_and_learns_its_new_columns(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    mover, admin = pair
    ticket = await mover.make_ticket()
    _, refusal = await meeting(
        sql,
        (admin, "configure_board", {"workflow_id": board, "columns": NARROW}),
        mover.change_status(ticket_id=ticket, new_status="review"),
    )
    assert isinstance(refusal, UnknownStatus)
    assert refusal.valid == ("backlog", "in_progress", "done")


@pytest.mark.parametrize("operation", ["create_ticket", "add_comment", "change_status"])
async def test_a_write_that_waits_for_the_pausing_of_its_workflow_is_refused(
    pair: list[Desk], board: str, sql: Sql, operation: str
) -> None:
    writer, admin = pair
    ticket = await writer.make_ticket()
    writes: Json = {
        "create_ticket": {"title": "Too late"},
        "add_comment": {"ticket_id": ticket, "comment_text": "Too late"},
        "change_status": {"ticket_id": ticket, "new_status": "in_progress"},
    }
    _, refusal = await meeting(
        sql,
        (admin, "configure_board", {"workflow_id": board, "workflow_status": "paused"}),
        writer.call(operation, **writes[operation]),
    )
    assert isinstance(refusal, WorkflowNotActive)


async def test_sixteen_movers_never_pass_a_limit_of_three(
    shared_url: URL, desk: Desk, board: str, sql: Sql
) -> None:
    limited = [TODO, {**DOING, "wip_limit": 3}, DONE]
    await desk.configure_board(workflow_id=board, columns=limited)
    tickets = insert_tickets(sql, board, 16)
    async with open_desks(shared_url, desk, 16) as movers:
        outcomes = await together(
            *[
                mover.change_status(ticket_id=ticket, new_status="in_progress")
                for mover, ticket in zip(movers, tickets, strict=True)
            ]
        )
    assert len(replies(outcomes)) == 3
    assert {type(refusal) for refusal in refusals(outcomes)} == {WipLimitReached}
    shown = await desk.get_board_config()
    assert {column["id"]: column.get("ticket_count", 0) for column in shown["columns"]} == {
        "backlog": 13,
        "in_progress": 3,
        "done": 0,
    }
    assert violations(sql, board) == []


async def test_a_creation_and_a_move_do_not_both_take_the_last_place(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    mover, author = pair
    limited = [TODO, {**DOING, "wip_limit": 1}, DONE]
    await mover.configure_board(workflow_id=board, columns=limited)
    ticket = await mover.make_ticket()
    _, refusal = await meeting(
        sql,
        (mover, "change_status", {"ticket_id": ticket, "new_status": "in_progress"}),
        author.create_ticket(title="New", initial_status="in_progress"),
    )
    assert isinstance(refusal, WipLimitReached)


async def test_a_limit_set_while_a_mover_waits_counts_for_it(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    admin, mover = pair
    await admin.make_ticket(initial_status="in_progress")
    ticket = await mover.make_ticket()
    limited = [TODO, {**DOING, "wip_limit": 1}, DONE]
    _, refusal = await meeting(
        sql,
        (admin, "configure_board", {"workflow_id": board, "columns": limited}),
        mover.change_status(ticket_id=ticket, new_status="in_progress"),
    )
    assert isinstance(refusal, WipLimitReached)


async def test_two_boards_that_create_one_workflow_at_once_create_it_once(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    one, other = pair
    new = f"{board}-new"
    first, second = await meeting(
        sql,
        (one, "configure_board", {"workflow_id": new, "name": "First"}),
        other.configure_board(workflow_id=new, name="Second"),
    )
    assert (first["version"], first["created"]) == (1, True)
    assert second["version"] == 2
    assert "created" not in second
    assert (await one.get_board_config(workflow_id=new))["name"] == "Second"


async def test_changes_of_different_parts_of_a_board_at_once_both_survive(
    pair: list[Desk], board: str, sql: Sql
) -> None:
    one, other = pair
    await meeting(
        sql,
        (one, "configure_board", {"workflow_id": board, "columns": NARROW}),
        other.configure_board(workflow_id=board, ticket_types=["chore"]),
    )
    shown = await one.get_board_config(workflow_id=board)
    assert [column["id"] for column in shown["columns"]] == ["backlog", "in_progress", "done"]
    assert (shown["ticket_types"], shown["default_ticket_type"]) == (["chore"], "chore")
    assert shown["version"] == 3
