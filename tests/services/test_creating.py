from __future__ import annotations

import pytest

from hephaestus_tickets.domain.blockers import ForeignBlocker
from hephaestus_tickets.domain.board import UnknownStatus, UnknownTicketType
from hephaestus_tickets.domain.caller import WorkflowNotFound
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.lifecycle import StartsElsewhere
from hephaestus_tickets.operations import InvalidArguments, UnknownArgument
from hephaestus_tickets.services.lookup import TicketNotFound
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.rows import number_of


async def test_a_ticket_with_a_title_alone_takes_the_boards_defaults(desk: Desk) -> None:
    created = await desk.create_ticket(title="  One \n line ")
    assert created == {
        "ticket_id": created["ticket_id"],
        "version": 1,
        "status": "backlog",
        "ticket_type": "task",
    }
    shown = (await desk.get_ticket(ticket_id=created["ticket_id"]))["ticket"]
    assert (shown["title"], shown["priority"], shown["created_by"]) == (
        "One line",
        "medium",
        "tester",
    )
    assert shown["created_at"] == shown["updated_at"]


async def test_a_ticket_keeps_everything_it_was_created_with(desk: Desk) -> None:
    parent = await desk.make_ticket()
    blocker = await desk.make_ticket(title="In the way")
    created = await desk.create_ticket(
        title="All of it",
        description="Line one\n\n\tline two  ",
        ticket_type="bug",
        priority="critical",
        initial_status="backlog",
        assigned_agent_id="agent-7",
        parent_ticket_id=parent,
        blocked_by_ticket_ids=[blocker, blocker],
        tags=["API", "api", "Ünïcode"],
        related_task_ids=["task-1", "task-1"],
    )
    assert created["is_blocked"] is True
    details = await desk.get_ticket(ticket_id=created["ticket_id"])
    shown = details["ticket"]
    assert shown["description"] == "Line one\n\n\tline two  "
    assert (shown["ticket_type"], shown["priority"]) == ("bug", "critical")
    assert (shown["assigned_agent_id"], shown["parent_ticket_id"]) == ("agent-7", parent)
    assert (shown["tags"], shown["related_task_ids"]) == (["api", "ünïcode"], ["task-1"])
    assert details["blocked_by"] == [
        {"ticket_id": blocker, "title": "In the way", "status": "backlog"}
    ]


async def test_a_creation_is_one_history_row_and_one_index_job(desk: Desk, sql: Sql) -> None:
    ticket = await desk.speaking_as("author").make_ticket()
    (entry,) = (await desk.get_ticket_history(ticket_id=ticket))["entries"]
    assert (entry["change_type"], entry["agent_id"]) == ("created", "author")
    number = number_of(ticket)
    assert sql.one("SELECT count(*) FROM index_jobs WHERE ticket_id = :id", id=number) == 1


async def test_a_ticket_created_in_a_doing_column_has_started(desk: Desk) -> None:
    ticket = await desk.make_ticket(initial_status="in_progress")
    shown = (await desk.get_ticket(ticket_id=ticket))["ticket"]
    assert shown["started_at"] == shown["created_at"]


async def test_a_resolved_blocker_is_kept_but_does_not_block(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=blocker)
    created = await desk.create_ticket(
        title="Next", blocked_by_ticket_ids=[blocker], initial_status="in_progress"
    )
    assert "is_blocked" not in created
    details = await desk.get_ticket(ticket_id=created["ticket_id"])
    assert details["blocked_by"][0]["is_resolved"] is True


@pytest.mark.parametrize(
    ("arguments", "refusal", "sentence"),
    [
        ({"workflow_id": "nowhere"}, WorkflowNotFound, "There is no workflow 'nowhere'"),
        ({"ticket_type": "epic"}, UnknownTicketType, "bug, feature, improvement, task, spike"),
        ({"initial_status": "open"}, UnknownStatus, "backlog, in_progress, review, done"),
        ({"initial_status": "done"}, StartsElsewhere, "for finished work"),
        ({"parent_ticket_id": "ticket-999999"}, TicketNotFound, "'ticket-999999'"),
        (
            {"blocked_by_ticket_ids": ["ticket-999998", "ticket-999999"]},
            TicketNotFound,
            "'ticket-999998', 'ticket-999999'",
        ),
        ({"priority": "urgent"}, InvalidArguments, "'critical', 'high', 'medium' or 'low'"),
        ({"title": " \n "}, InvalidArguments, "'title'"),
        ({"title": "x" * 501}, InvalidArguments, "500"),
        ({"description": "x" * 100_001}, InvalidArguments, "100000"),
        ({"tags": ["x" * 51]}, InvalidArguments, "'tags.0'"),
        ({"tags": [str(number) for number in range(31)]}, InvalidArguments, "30"),
        ({"tags": "one"}, InvalidArguments, "'tags'"),
        ({"assigned_agent_id": "a\nb"}, InvalidArguments, "control characters"),
        ({"colour": "red", "titel": "x"}, UnknownArgument, "does not take colour, titel"),
    ],
)
async def test_what_a_ticket_cannot_be_created_with_is_refused_in_words(
    desk: Desk, arguments: Json, refusal: type[TicketError], sentence: str
) -> None:
    with pytest.raises(refusal) as refused:
        await desk.create_ticket(**{"title": "A ticket", **arguments})
    assert sentence in str(refused.value)
    assert (await desk.get_tickets())["total_count"] == 0


async def test_a_title_is_all_that_is_required(desk: Desk) -> None:
    with pytest.raises(InvalidArguments) as refused:
        await desk.create_ticket(description="No title")
    assert "'title' is missing" in str(refused.value)


async def test_a_blocked_ticket_starts_only_in_a_todo_column(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    with pytest.raises(StartsElsewhere) as refused:
        await desk.create_ticket(
            title="Next", blocked_by_ticket_ids=[blocker], initial_status="in_progress"
        )
    assert str(refused.value).endswith("Start it in one of: backlog.")


@pytest.mark.parametrize("edge", ["blocked_by_ticket_ids", "parent_ticket_id"])
async def test_a_ticket_of_another_workflow_is_neither_blocker_nor_parent(
    desk: Desk, edge: str
) -> None:
    other = f"{desk.caller.default_workflow}-other"
    await desk.configure_board(workflow_id=other)
    foreign = await desk.make_ticket(workflow_id=other)
    with pytest.raises(ForeignBlocker) as refused:
        await desk.create_ticket(
            title="x", **{edge: foreign if edge == "parent_ticket_id" else [foreign]}
        )
    assert foreign in str(refused.value)


async def test_null_stands_for_an_argument_left_out(desk: Desk) -> None:
    created = await desk.create_ticket(title="x", ticket_type=None, tags=None, description=None)
    assert created["ticket_type"] == "task"


async def test_lists_are_accepted_as_json_text_too(desk: Desk) -> None:
    ticket = await desk.make_ticket(tags='["one", "two"]')
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["tags"] == ["one", "two"]
