"""Who sees what, who speaks as whom, and which ticket a name means."""

from __future__ import annotations

from dataclasses import replace

import pytest
import pytest_asyncio

from hephaestus_tickets.domain.caller import AgentMismatch, WorkflowNotFound, WorkflowRequired
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.services.lookup import AmbiguousTicket, TicketNotFound
from hephaestus_tickets.services.ticket_service import TicketService
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from tests.factories import Desk, Json
from tests.services.actors import Sql, outcome_of


@pytest_asyncio.fixture(loop_scope="session")
async def foreign(desk: Desk) -> str:
    """Another workflow's id."""
    workflow_id = f"{desk.caller.default_workflow}-foreign"
    await desk.configure_board(workflow_id=workflow_id)
    return workflow_id


@pytest.fixture
def narrow(desk: Desk) -> Desk:
    """Sees its own workflow and no other."""
    caller = desk.caller
    return replace(desk, caller=replace(caller, workflows=frozenset({caller.default_workflow})))


ON_A_TICKET: list[tuple[str, Json]] = [
    ("get_ticket", {}),
    ("get_ticket_history", {}),
    ("update_ticket", {"updates": {"title": "x"}}),
    ("change_status", {"new_status": "review"}),
    ("add_comment", {"comment_text": "x"}),
    ("assign_ticket", {}),
    ("link_commit", {"commit_sha": "abcdef1"}),
    ("resolve_ticket", {}),
    ("record_change", {"change_type": "external.x"}),
]


@pytest.mark.parametrize(("operation", "arguments"), ON_A_TICKET)
async def test_an_invisible_ticket_looks_like_one_that_is_not_there(
    desk: Desk, narrow: Desk, foreign: str, operation: str, arguments: Json
) -> None:
    hidden = await desk.make_ticket(workflow_id=foreign)
    absent = "ticket-99999999"
    refused = await outcome_of(narrow.call(operation, ticket_id=hidden, **arguments))
    missing = await outcome_of(narrow.call(operation, ticket_id=absent, **arguments))
    assert isinstance(refused, TicketNotFound)
    assert str(refused) == str(missing).replace(absent, hidden)
    assert await desk.status_of(hidden) == "backlog"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_board_config", {}),
        ("get_tickets", {}),
        ("create_ticket", {"title": "x"}),
        ("configure_board", {}),
    ],
)
async def test_an_invisible_workflow_looks_like_one_that_is_not_there(
    narrow: Desk, foreign: str, operation: str, arguments: Json
) -> None:
    absent = "nowhere"
    refused = await outcome_of(narrow.call(operation, workflow_id=foreign, **arguments))
    missing = await outcome_of(narrow.call(operation, workflow_id=absent, **arguments))
    assert isinstance(refused, WorkflowNotFound)
    assert str(refused) == str(missing).replace(absent, foreign)
    assert refused.known == (narrow.caller.default_workflow,)


async def test_an_invisible_ticket_cannot_be_named_as_a_blocker_or_parent(
    desk: Desk, narrow: Desk, foreign: str
) -> None:
    hidden = await desk.make_ticket(workflow_id=foreign)
    with pytest.raises(TicketNotFound):
        await narrow.create_ticket(title="x", blocked_by_ticket_ids=[hidden])
    with pytest.raises(TicketNotFound):
        await narrow.create_ticket(title="x", parent_ticket_id=hidden)


async def test_only_visible_workflows_are_listed(narrow: Desk, foreign: str) -> None:
    listed = await narrow.list_workflows()
    assert [workflow["workflow_id"] for workflow in listed["workflows"]] == [
        narrow.caller.default_workflow
    ]
    assert listed["total_count"] == 1


async def test_a_visible_ticket_is_read_and_written_as_ever(narrow: Desk) -> None:
    ticket = await narrow.make_ticket()
    await narrow.resolve_ticket(ticket_id=ticket)
    assert await narrow.status_of(ticket) == "done"


async def test_the_sessions_workflow_is_used_where_none_is_named(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    shown = (await desk.get_ticket(ticket_id=ticket))["ticket"]
    assert shown["workflow_id"] == desk.caller.default_workflow
    homeless = replace(desk, caller=replace(desk.caller, default_workflow=""))
    with pytest.raises(WorkflowRequired):
        await homeless.create_ticket(title="x")


def imported(sql: Sql, workflow_id: str, external_ref: str) -> str:
    number = sql.one(
        "INSERT INTO tickets "
        "(workflow_id, title, ticket_type, priority, status, created_by, external_ref) "
        "VALUES (:workflow_id, 'Imported', 'task', 1, 'backlog', 'import', :ref) RETURNING id",
        workflow_id=workflow_id,
        ref=external_ref,
    )
    return f"ticket-{number}"


async def test_a_ticket_is_found_by_its_original_id(desk: Desk, sql: Sql) -> None:
    ref = f"bd-{desk.caller.default_workflow}"
    ticket = imported(sql, desk.caller.default_workflow, ref)
    assert (await desk.get_ticket(ticket_id=ref))["ticket"]["ticket_id"] == ticket
    assert (await desk.add_comment(ticket_id=ref, comment_text="x"))["ticket_id"] == ticket
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[ref], parent_ticket_id=ref)
    details = await desk.get_ticket(ticket_id=waiting)
    assert details["blocked_by"][0]["ticket_id"] == ticket
    assert details["ticket"]["parent_ticket_id"] == ticket
    await desk.update_ticket(ticket_id=waiting, updates={"remove_blocked_by_ticket_ids": [ref]})
    await desk.resolve_ticket(ticket_id=ref)
    assert (await desk.get_tickets(filters={"parent_ticket_id": ref}))["total_count"] == 1


async def test_an_original_id_of_several_tickets_is_refused_with_the_candidates(
    desk: Desk, narrow: Desk, foreign: str, sql: Sql
) -> None:
    mine, ref = desk.caller.default_workflow, f"bd-{desk.caller.default_workflow}"
    candidates = [imported(sql, mine, ref), imported(sql, foreign, ref)]
    for call in (
        desk.get_ticket(ticket_id=ref),
        desk.get_ticket_history(ticket_id=ref),
        desk.resolve_ticket(ticket_id=ref),
    ):
        with pytest.raises(AmbiguousTicket) as refused:
            await call
        assert refused.value.candidates == tuple(zip(candidates, (mine, foreign), strict=True))
    shown = await narrow.get_ticket(ticket_id=ref)
    assert shown["ticket"]["ticket_id"] == candidates[0]
    waiting = await desk.make_ticket(blocked_by_ticket_ids=[ref])
    blocked_by = (await desk.get_ticket(ticket_id=waiting))["blocked_by"]
    assert blocked_by[0]["ticket_id"] == candidates[0]


async def test_a_tickets_own_id_wins_over_an_original_id_that_looks_like_it(
    desk: Desk, sql: Sql
) -> None:
    ticket = await desk.make_ticket()
    imported(sql, desk.caller.default_workflow, ticket)
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["ticket_id"] == ticket


@pytest.mark.parametrize("form", ["{0}", "#{0}", "TICKET-{0}", " ticket-{0} ", "ticket-000{0}"])
async def test_an_id_may_be_written_as_people_write_it(desk: Desk, form: str) -> None:
    ticket = await desk.make_ticket()
    written = form.format(ticket.removeprefix("ticket-"))
    assert (await desk.get_ticket(ticket_id=written))["ticket"]["ticket_id"] == ticket


async def test_who_acts_is_the_one_named_or_else_the_session(desk: Desk) -> None:
    ticket = await desk.make_ticket(agent_id="someone")
    await desk.update_ticket(ticket_id=ticket, updates={"title": "x"})
    await desk.assign_ticket(ticket_id=ticket, agent_id="taker")
    entries = (await desk.get_ticket_history(ticket_id=ticket))["entries"]
    assert [entry["agent_id"] for entry in entries] == ["someone", "tester", "taker"]
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["created_by"] == "someone"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        *[call for call in ON_A_TICKET if not call[0].startswith("get_")],
        ("record_status_transition", {"from_status": "a", "to_status": "b"}),
        ("record_commit_link", {"commit_sha": "abcdef1"}),
    ],
)
async def test_a_session_bound_to_an_agent_cannot_speak_as_another(
    desk: Desk, operation: str, arguments: Json
) -> None:
    bound = replace(desk, caller=replace(desk.caller, is_bound=True))
    ticket = await bound.make_ticket(agent_id="tester")
    before = await desk.get_ticket(ticket_id=ticket)
    with pytest.raises(AgentMismatch, match="belongs to the agent 'tester'"):
        await bound.call(operation, ticket_id=ticket, agent_id="other", **arguments)
    assert await desk.get_ticket(ticket_id=ticket) == before


async def test_a_bound_session_neither_files_nor_configures_as_another(desk: Desk) -> None:
    bound = replace(desk, caller=replace(desk.caller, is_bound=True))
    with pytest.raises(AgentMismatch):
        await bound.create_ticket(title="x", agent_id="other")
    with pytest.raises(AgentMismatch):
        await bound.configure_board(workflow_id=desk.caller.default_workflow, agent_id="other")


async def test_agents_are_registered_on_their_first_write_and_seen_again_at_most_once_a_minute(
    desk: Desk, sql: Sql
) -> None:
    name = f"agent-of-{desk.caller.default_workflow}"
    agent = desk.speaking_as(name)
    seen = "SELECT first_seen_at, last_seen_at FROM agents WHERE agent_id = :name"
    await agent.get_tickets()
    assert sql.rows(seen, name=name) == []
    await agent.make_ticket()
    ((first, last),) = sql.rows(seen, name=name)
    await agent.make_ticket()
    assert sql.rows(seen, name=name) == [(first, last)]


async def test_a_refused_call_registers_nobody(desk: Desk, sql: Sql) -> None:
    name = f"agent-of-{desk.caller.default_workflow}"
    with pytest.raises(TicketError):
        await desk.resolve_ticket(ticket_id="ticket-99999999", agent_id=name)
    assert sql.rows("SELECT 1 FROM agents WHERE agent_id = :name", name=name) == []


async def test_a_unit_of_work_that_fails_leaves_nothing_behind(desk: Desk) -> None:
    async def half(work: UnitOfWork) -> None:
        await TicketService(work).create_ticket(title="Half")
        raise LookupError

    with pytest.raises(LookupError):
        await desk.calls.units.run(desk.caller, half)
    assert (await desk.get_tickets())["total_count"] == 0
