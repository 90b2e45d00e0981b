from __future__ import annotations

import pytest

from hephaestus_tickets.domain.board import ColumnInUse, InvalidBoard
from hephaestus_tickets.domain.caller import WorkflowNotFound
from hephaestus_tickets.domain.cursor import InvalidCursor
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.operations import InvalidArguments
from hephaestus_tickets.services.board_service import InvalidWorkflowId
from hephaestus_tickets.services.lookup import WorkflowNotActive
from tests.factories import Desk, Json

TODO: Json = {"id": "todo", "category": "todo"}
DOING: Json = {"id": "doing", "category": "doing"}
DONE: Json = {"id": "done", "category": "done"}


def columns_of(board: Json) -> list[str]:
    return [column["id"] for column in board["columns"]]


@pytest.fixture
def mine(desk: Desk) -> str:
    return desk.caller.default_workflow


async def test_a_new_workflow_starts_with_the_default_board(desk: Desk, mine: str) -> None:
    board = await desk.get_board_config()
    assert board["workflow_id"] == mine
    assert columns_of(board) == ["backlog", "in_progress", "review", "done", "cancelled"]
    assert board["columns"][1] == {
        "id": "in_progress",
        "name": "In progress",
        "category": "doing",
        "color": "#f59e0b",
        "ticket_count": 0,
    }
    assert board["ticket_types"] == ["bug", "feature", "improvement", "task", "spike"]
    assert (board["default_ticket_type"], board["initial_status"]) == ("task", "backlog")
    assert board["settings"] == {"require_comment_on_status_change": False, "allow_reopen": True}
    assert (board["version"], board["workflow_status"]) == (1, "active")


async def test_the_default_workflows_board_is_the_same(desk: Desk) -> None:
    mine, default = [
        await desk.get_board_config(workflow_id=name)
        for name in (desk.caller.default_workflow, "default")
    ]
    for board in (mine, default):
        board["columns"] = [{**column, "ticket_count": 0} for column in board["columns"]]
    for name in ("columns", "ticket_types", "default_ticket_type", "initial_status", "settings"):
        assert default[name] == mine[name]


async def test_an_unknown_workflow_is_created_by_its_board(desk: Desk, mine: str) -> None:
    new = f"{mine}.new"
    created = await desk.configure_board(
        workflow_id=new,
        name="New team",
        columns=[TODO, {**DOING, "name": "Doing", "color": "#0000ff", "wip_limit": 4}, DONE],
        ticket_types=["chore", "story"],
        settings={"allow_reopen": False, "transitions": {"todo": ["doing"]}},
    )
    assert created == {
        "workflow_id": new,
        "version": 1,
        "created": True,
        "columns": ["todo", "doing", "done"],
    }
    board = await desk.get_board_config(workflow_id=new)
    assert board["name"] == "New team"
    assert board["columns"][1] == {
        "id": "doing",
        "name": "Doing",
        "category": "doing",
        "color": "#0000ff",
        "wip_limit": 4,
        "ticket_count": 0,
    }
    assert (board["default_ticket_type"], board["initial_status"]) == ("chore", "todo")
    assert board["settings"]["transitions"] == {"todo": ["doing"]}
    assert board["settings"]["allow_reopen"] is False


async def test_what_is_left_out_keeps_its_value(desk: Desk, mine: str) -> None:
    before = await desk.get_board_config()
    configured = await desk.configure_board(workflow_id=mine, name="Renamed")
    assert configured["version"] == 2
    after = await desk.get_board_config()
    assert after == {**before, "name": "Renamed", "version": 2}


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        ({"columns": [TODO, TODO, DONE]}, "the column 'todo' appears 2 times"),
        ({"columns": [TODO, DOING]}, "at least one column must have the category 'done'"),
        ({"columns": [DOING, DONE]}, "at least one column must have the category 'todo'"),
        ({"initial_status": "nowhere"}, "initial_status 'nowhere' is not one of the columns"),
        ({"initial_status": "review"}, "must be a 'todo' column"),
        ({"default_ticket_type": "epic"}, "default_ticket_type 'epic'"),
        ({"ticket_types": ["bug", "bug"]}, "the ticket type 'bug' appears 2 times"),
        ({"settings": {"transitions": {"open": []}}}, "names 'open'"),
        ({"settings": {"transitions": {"done": ["open"]}}}, "names 'open'"),
        ({"columns": [TODO]}, "'columns'"),
        ({"columns": [TODO, {"id": "x", "category": "waiting"}]}, "'todo', 'doing' or 'done'"),
        ({"columns": [TODO, {**DONE, "color": "red"}]}, "color"),
        ({"columns": [TODO, {**DONE, "wip_limit": 0}]}, "wip_limit"),
        ({"columns": [TODO, {**DONE, "limit": 3}]}, "limit"),
        ({"settings": {"reopen": True}}, "reopen"),
        ({"ticket_types": []}, "ticket_types"),
        ({"workflow_status": "closed"}, "'active', 'paused', 'completed' or 'archived'"),
    ],
)
async def test_a_board_that_cannot_be_is_refused_and_changes_nothing(
    desk: Desk, mine: str, board: Json, sentence: str
) -> None:
    before = await desk.get_board_config()
    with pytest.raises((InvalidBoard, InvalidArguments)) as refused:
        await desk.configure_board(workflow_id=mine, **board)
    assert sentence in str(refused.value)
    assert await desk.get_board_config() == before


async def test_every_fault_of_a_board_is_named_at_once(desk: Desk, mine: str) -> None:
    with pytest.raises(InvalidBoard) as refused:
        await desk.configure_board(
            workflow_id=mine, columns=[DOING, DOING], ticket_types=["a", "a"]
        )
    assert len(refused.value.faults) >= 4


async def test_a_refused_board_creates_no_workflow(desk: Desk, mine: str) -> None:
    with pytest.raises(InvalidBoard):
        await desk.configure_board(workflow_id=f"{mine}-x", initial_status="done")
    with pytest.raises(WorkflowNotFound):
        await desk.get_board_config(workflow_id=f"{mine}-x")


@pytest.mark.parametrize("workflow_id", ["", "two words", "-x", "a/b", "ünï", "x" * 101])
async def test_a_new_workflow_is_named_in_plain_characters(desk: Desk, workflow_id: str) -> None:
    with pytest.raises((InvalidWorkflowId, InvalidArguments)):
        await desk.configure_board(workflow_id=workflow_id)


@pytest.mark.parametrize("change", ["dropped", "done instead"])
async def test_a_column_in_use_neither_vanishes_nor_changes_its_category(
    desk: Desk, mine: str, change: str
) -> None:
    standing = [await desk.make_ticket(initial_status="review") for _ in range(12)]
    kept = (await desk.get_board_config())["columns"]
    for column in kept:
        column.pop("ticket_count", None)
    changed = {
        "dropped": [column for column in kept if column["id"] != "review"],
        "done instead": [
            {**column, "category": "done"} if column["id"] == "review" else column
            for column in kept
        ],
    }
    with pytest.raises(ColumnInUse) as refused:
        await desk.configure_board(workflow_id=mine, columns=changed[change])
    assert refused.value.standing == {"review": tuple(standing[:10])}
    assert "'review' holds 12" in str(refused.value)
    await desk.configure_board(workflow_id=mine, columns=kept[::-1])
    assert columns_of(await desk.get_board_config())[0] == "cancelled"


async def test_columns_are_counted(desk: Desk) -> None:
    for status in ("backlog", "backlog", "review"):
        await desk.make_ticket(initial_status=status)
    board = await desk.get_board_config()
    counts = {column["id"]: column["ticket_count"] for column in board["columns"]}
    assert counts == {"backlog": 2, "in_progress": 0, "review": 1, "done": 0, "cancelled": 0}


WRITES: list[tuple[str, Json]] = [
    ("create_ticket", {"title": "x"}),
    ("update_ticket", {"updates": {"title": "x"}}),
    ("change_status", {"new_status": "review"}),
    ("add_comment", {"comment_text": "x"}),
    ("assign_ticket", {}),
    ("link_commit", {"commit_sha": "abcdef1"}),
    ("resolve_ticket", {}),
    ("record_change", {"change_type": "external.x"}),
    ("record_status_transition", {"from_status": "a", "to_status": "b"}),
    ("record_commit_link", {"commit_sha": "abcdef1"}),
]


@pytest.mark.parametrize("status", ["paused", "completed", "archived"])
async def test_tickets_are_written_only_while_their_workflow_is_active(
    desk: Desk, mine: str, status: str
) -> None:
    ticket = await desk.make_ticket()
    await desk.configure_board(workflow_id=mine, workflow_status=status)
    before = await desk.get_ticket(ticket_id=ticket)
    for operation, arguments in WRITES:
        named = {} if operation == "create_ticket" else {"ticket_id": ticket}
        with pytest.raises(WorkflowNotActive, match=f"is {status}"):
            await desk.call(operation, **named, **arguments)
    assert await desk.get_ticket(ticket_id=ticket) == before
    assert (await desk.get_tickets())["total_count"] == 1
    await desk.configure_board(workflow_id=mine, workflow_status="active")
    await desk.resolve_ticket(ticket_id=ticket)


async def test_workflows_are_listed_with_their_counts_page_by_page(desk: Desk, mine: str) -> None:
    names = [f"{mine}-{letter}" for letter in "abcde"]
    for name in names:
        await desk.configure_board(workflow_id=name, name=name.upper())
    finished = await desk.make_ticket(workflow_id=names[1])
    await desk.make_ticket(workflow_id=names[1])
    await desk.resolve_ticket(ticket_id=finished)
    found: list[Json] = []
    cursor = ""
    while cursor or not found:
        page = await desk.list_workflows(limit=2, cursor=cursor)
        assert len(page["workflows"]) <= 2
        found += page["workflows"]
        cursor = page.get("next_cursor", "")
        assert page["total_count"] >= 6
    listed = [workflow["workflow_id"] for workflow in found]
    assert listed == sorted(set(listed))
    assert {mine, "default", *names} <= set(listed)
    assert found[listed.index(names[1])] == {
        "workflow_id": names[1],
        "name": names[1].upper(),
        "status": "active",
        "open_tickets": 1,
        "total_tickets": 2,
    }


async def test_a_cursor_of_another_list_is_refused(desk: Desk) -> None:
    for _ in range(2):
        await desk.make_ticket()
    cursor = (await desk.get_tickets(limit=1))["next_cursor"]
    with pytest.raises(InvalidCursor):
        await desk.list_workflows(cursor=cursor)


async def test_an_unknown_workflow_is_refused_with_the_known_ones(desk: Desk, mine: str) -> None:
    for call in (
        desk.get_board_config(workflow_id="nowhere"),
        desk.get_tickets(workflow_id="nowhere"),
        desk.create_ticket(title="x", workflow_id="nowhere"),
    ):
        with pytest.raises(TicketError, match=r"Known workflows: .*default") as refused:
            await call
        assert refused.value.code == "workflow_not_found"
