"""Many tickets in one call: all of them land, or none with every fault told."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.board import UnknownStatus, UnknownTicketType
from hephaestus_tickets.domain.caller import AgentMismatch, WorkflowNotFound
from hephaestus_tickets.domain.planning import InvalidPlan
from hephaestus_tickets.operations import InvalidArguments
from tests.factories import Desk, Json
from tests.services.actors import Sql, meeting, open_desks, together
from tests.services.invariants import violations
from tests.services.replies import sent
from tests.services.rows import number_of

FOUR_BYTES = "🔥"
TYPES = ("bug", "feature", "improvement", "task", "spike")
STATUSES = ("backlog", "in_progress", "review", "done", "cancelled")


@pytest_asyncio.fixture(loop_scope="session")
async def pair(shared_url: URL, desk: Desk) -> AsyncGenerator[list[Desk]]:
    """Two clients with connections of their own."""
    async with open_desks(shared_url, desk, 2) as desks:
        yield desks


def ids_of(reply: Json) -> list[str]:
    return [ticket["ticket_id"] for ticket in reply["tickets"]]


def names_of(related: list[Json]) -> list[str]:
    return [ticket["ticket_id"] for ticket in related]


async def total(desk: Desk) -> int:
    return (await desk.get_tickets(include_completed=True))["total_count"]


async def test_a_whole_graph_lands_in_the_order_given(desk: Desk, sql: Sql) -> None:
    existing = await desk.make_ticket(title="Before")
    reply = await desk.create_tickets(
        tickets=[
            {"title": "Release", "blocked_by": ["api", "ui", existing]},
            {"title": "UI", "ref": "ui", "parent": "epic", "blocked_by": ["api"]},
            {"title": "API", "ref": "api", "parent": "epic", "initial_status": "in_progress"},
            {"title": "Feature", "ref": "epic", "parent": existing},
        ]
    )
    release, ui, api, feature = ids_of(reply)
    assert reply == {
        "tickets": [
            {"ticket_id": release, "title": "Release", "status": "backlog", "is_blocked": True},
            {
                "ref": "ui",
                "ticket_id": ui,
                "title": "UI",
                "status": "backlog",
                "is_blocked": True,
            },
            {"ref": "api", "ticket_id": api, "title": "API", "status": "in_progress"},
            {"ref": "epic", "ticket_id": feature, "title": "Feature", "status": "backlog"},
        ],
        "count": 4,
    }
    assert number_of(release) < number_of(ui) < number_of(api) < number_of(feature)
    shown = await desk.get_ticket(ticket_id=release)
    assert sorted(names_of(shown["blocked_by"])) == sorted([api, ui, existing])
    shown = await desk.get_ticket(ticket_id=feature)
    assert sorted(names_of(shown["sub_tickets"])) == sorted([ui, api])
    assert shown["ticket"]["parent_ticket_id"] == existing
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_planned_ticket_is_all_that_a_single_one_is(desk: Desk, sql: Sql) -> None:
    fields: Json = {
        "title": "  All of\n it ",
        "description": "Whatever the zeppelin needs",
        "ticket_type": "bug",
        "priority": "critical",
        "initial_status": "review",
        "assigned_agent_id": "agent-7",
        "tags": ["API", "api", "x"],
        "related_task_ids": ["task-1", "task-1"],
    }
    planned = ids_of(await desk.speaking_as("author").create_tickets(tickets=[fields]))[0]
    single = (await desk.speaking_as("author").create_ticket(**fields))["ticket_id"]
    one, other = [await desk.get_ticket(ticket_id=name) for name in (planned, single)]
    differ = {"ticket_id", "created_at", "updated_at", "started_at"}
    assert {name: value for name, value in one["ticket"].items() if name not in differ} == {
        name: value for name, value in other["ticket"].items() if name not in differ
    }
    assert one["ticket"]["started_at"] == one["ticket"]["created_at"]
    told = ("change_type", "agent_id", "change_description")
    assert [[change[name] for name in told] for change in one["history"]] == [
        [change[name] for name in told] for change in other["history"]
    ]
    kept = (
        "SELECT word_count, title_digest, (SELECT array_agg((term, frequency, length) "
        "ORDER BY term) FROM keyword_postings WHERE ticket_id = tickets.id)::text "
        "FROM tickets WHERE id = :id"
    )
    assert sql.rows(kept, id=number_of(planned)) == sql.rows(kept, id=number_of(single))
    hits = (await desk.search_by_keywords(keywords="zeppelin"))["results"]
    assert {hit["ticket_id"] for hit in hits} == {planned, single}
    assert violations(sql, desk.caller.default_workflow) == []


async def test_nothing_lands_where_one_is_wrong_and_every_fault_is_told(desk: Desk) -> None:
    other = f"{desk.caller.default_workflow}-other"
    await desk.configure_board(workflow_id=other)
    foreign = await desk.make_ticket(workflow_id=other)
    with pytest.raises(InvalidPlan) as refused:
        await desk.create_tickets(
            tickets=[
                {"title": "Right", "ref": "a", "blocked_by": ["b"]},
                {"title": "Turn", "ref": "b", "blocked_by": ["a"]},
                {"title": "Foreign", "parent": foreign},
                {"title": "Unknown", "blocked_by": ["c", "ticket-99999999"]},
                {"title": "Word", "ticket_type": "story", "initial_status": "open"},
            ]
        )
    assert refused.value.faults == (
        "tickets[1] 'b': blockers close a cycle: a → b → a, where each waits for the next",
        f"tickets[2]: names of another workflow: '{foreign}'",
        "tickets[3]: names of neither a ref here nor a ticket: 'c', 'ticket-99999999'",
        f"tickets[4]: {str(UnknownTicketType('story', TYPES)).removesuffix('.')}",
        f"tickets[4]: {str(UnknownStatus('open', STATUSES)).removesuffix('.')}",
    )
    for fault in refused.value.faults:
        assert fault in str(refused.value)
    assert await total(desk) == 0


async def test_a_dry_run_writes_nothing_and_takes_no_id(desk: Desk, sql: Sql) -> None:
    before = number_of(await desk.make_ticket())
    jobs = sql.one("SELECT last_value FROM index_jobs_version_seq")
    plan: Json = [
        {"title": "First", "ref": "a"},
        {"title": "Second", "parent": "a", "blocked_by": ["a"]},
    ]
    assert await desk.create_tickets(tickets=plan, dry_run=True) == {
        "tickets": [
            {"ref": "a", "title": "First", "status": "backlog"},
            {"title": "Second", "status": "backlog", "is_blocked": True},
        ],
        "count": 2,
        "dry_run": True,
    }
    assert await total(desk) == 1
    assert sql.one("SELECT last_value FROM index_jobs_version_seq") == jobs
    assert sql.one("SELECT last_value FROM tickets_id_seq") == before
    with pytest.raises(InvalidPlan):
        await desk.create_tickets(tickets=[{"title": "x", "parent": "y"}], dry_run=True)


NO_PLANS: list[tuple[Json, str]] = [
    ([], "'tickets'"),
    ([{"ref": "a"}], "'tickets.0.title' is missing"),
    ([{"title": "x"}] * 201, "200"),
    ([{"title": "x", "priority": "p1"}], "'tickets.0.priority' must be 'critical'"),
    ([{"title": "x", "blocked_by_ticket_ids": []}], "does not take blocked_by_ticket_ids; it"),
    ([{"title": "x", "ref": "r" * 41}], "'tickets.0.ref'"),
    (["x"], "'tickets.0'"),
]


@pytest.mark.parametrize(("tickets", "sentence"), NO_PLANS)
async def test_what_is_no_plan_is_refused_in_words(
    desk: Desk, tickets: Json, sentence: str
) -> None:
    with pytest.raises(InvalidArguments) as refused:
        await desk.create_tickets(tickets=tickets)
    assert sentence in str(refused.value)


async def test_null_stands_for_a_field_left_out(desk: Desk) -> None:
    reply = await desk.create_tickets(
        tickets=[{"title": "x", "ref": None, "parent": None, "tags": None, "description": None}]
    )
    assert reply["count"] == 1


async def test_an_unknown_workflow_and_another_agent_are_refused(desk: Desk) -> None:
    with pytest.raises(WorkflowNotFound):
        await desk.create_tickets(tickets=[{"title": "x"}], workflow_id="nowhere")
    bound = Desk(desk.calls, type(desk.caller)(agent_id="me", is_bound=True))
    with pytest.raises(AgentMismatch):
        await bound.create_tickets(tickets=[{"title": "x"}], agent_id="you")


async def test_an_existing_ticket_goes_by_its_original_id_and_counts_once(
    desk: Desk, sql: Sql
) -> None:
    blocker, finished = await desk.make_ticket(), await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=finished)
    sql.run("UPDATE tickets SET external_ref = 'bd-1' WHERE id = :id", id=number_of(blocker))
    names = ["bd-1", blocker, f"#{number_of(blocker)}", finished]
    reply = await desk.create_tickets(tickets=[{"title": "x", "blocked_by": names}])
    shown = await desk.get_ticket(ticket_id=ids_of(reply)[0])
    assert sorted(names_of(shown["blocked_by"])) == sorted([blocker, finished])
    assert violations(sql, desk.caller.default_workflow) == []


async def test_a_column_takes_no_more_than_its_limit_of_a_plan(desk: Desk) -> None:
    workflow_id = desk.caller.default_workflow
    columns = (await desk.get_board_config(workflow_id=workflow_id))["columns"]
    limited = [
        {"id": each["id"], "category": each["category"]}
        | ({"wip_limit": 2} if each["id"] == "review" else {})
        for each in columns
    ]
    await desk.configure_board(workflow_id=workflow_id, columns=limited)
    await desk.make_ticket(initial_status="review")
    plan = [{"title": "x", "initial_status": "review"}] * 2
    with pytest.raises(InvalidPlan) as refused:
        await desk.create_tickets(tickets=plan)
    assert refused.value.faults == (
        "tickets[1]: the column 'review' takes 2 tickets; 1 stand in it and 2 would come",
    )
    assert (await desk.create_tickets(tickets=plan[:1]))["count"] == 1


async def test_two_plans_blocked_by_a_ticket_that_is_resolved_count_it_right(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    for _ in range(10):
        blocker = await one.make_ticket()
        plan = [
            {"title": "First", "ref": "a", "blocked_by": [blocker]},
            {"title": "Second", "blocked_by": ["a", blocker]},
        ]
        await together(
            one.create_tickets(tickets=plan),
            other.create_tickets(tickets=plan),
            one.resolve_ticket(ticket_id=blocker),
        )
    assert violations(sql, one.caller.default_workflow) == []


async def test_a_plan_waits_for_the_resolve_of_its_blocker_under_way(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    blocker = await one.make_ticket()
    _, created = await meeting(
        sql,
        (one, "resolve_ticket", {"ticket_id": blocker}),
        other.create_tickets(tickets=[{"title": "Next", "blocked_by": [blocker]}]),
    )
    assert "is_blocked" not in created["tickets"][0]
    assert violations(sql, one.caller.default_workflow) == []


async def test_a_creation_that_refuses_a_repetition_waits_for_a_plan_under_way(
    pair: list[Desk], sql: Sql
) -> None:
    one, other = pair
    _, refusal = await meeting(
        sql,
        (one, "create_tickets", {"tickets": [{"title": "Same"}, {"title": "Else"}]}),
        other.create_ticket(title="same", on_duplicate="refuse"),
    )
    assert refusal.code == "duplicate_ticket"


@pytest.mark.parametrize("wide", ["x", FOUR_BYTES], ids=["narrow", "wide"])
async def test_two_hundred_tickets_fit_a_reply_whatever_their_names(desk: Desk, wide: str) -> None:
    workflow_id = f"{desk.caller.default_workflow}-wide"
    columns = [
        {"id": wide * 100, "category": "todo"},
        {"id": "done", "category": "done"},
    ]
    await desk.configure_board(workflow_id=workflow_id, columns=columns, initial_status=wide * 100)
    plan: Json = [{"title": wide * 500, "ref": f"{wide * 37}{place:03}"} for place in range(200)]
    for entry in plan[1:]:
        entry["blocked_by"] = [plan[0]["ref"]]
    reply = await sent(desk, "create_tickets", tickets=plan, workflow_id=workflow_id)
    assert [ticket["ref"] for ticket in reply["tickets"]] == [entry["ref"] for entry in plan]
    assert all(ticket["title"].endswith("…") for ticket in reply["tickets"])
    assert len(set(ids_of(reply))) == 200
    for entry in plan:
        entry["parent"] = entry["ref"]
        entry["blocked_by"] = [f"{wide * 197}{number:03}" for number in range(20)]
    refusal = await sent(desk, "create_tickets", tickets=plan, workflow_id=workflow_id)
    assert isinstance(refusal, InvalidPlan)
    assert len(refusal.faults) == 400
