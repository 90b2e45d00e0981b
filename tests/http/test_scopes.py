"""A token of some workflows: the others are not there for it, whatever it asks and wherever."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
from mcp import Client, MCPError
from sqlalchemy import event

from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.caller import Caller
from tests.factories import BY_NAME, Desk
from tests.http.web import Json, Web, in_a_task

HIDDEN, SHA = "zzhidden", "abcdef1234"
ABSENT = ("ticket-99999999", "nowhere")
T, W = "<ticket>", "<workflow>"

# Every operation, on a ticket or a workflow that is foreign or that is nowhere.
CALLS: list[tuple[str, Json]] = [
    ("create_ticket", {"title": "x", "workflow_id": W}),
    ("create_ticket", {"title": "x", "workflow_id": "mine", "blocked_by_ticket_ids": [T]}),
    ("create_ticket", {"title": "x", "workflow_id": "mine", "parent_ticket_id": T}),
    ("get_ticket", {"ticket_id": T}),
    ("get_tickets", {"workflow_id": W}),
    ("get_tickets", {"workflow_id": "mine", "filters": {"parent_ticket_id": T}}),
    ("update_ticket", {"ticket_id": T, "updates": {"title": "x"}}),
    ("update_ticket", {"ticket_id": "<mine>", "updates": {"add_blocked_by_ticket_ids": [T]}}),
    ("update_ticket", {"ticket_id": "<mine>", "updates": {"parent_ticket_id": T}}),
    ("change_status", {"ticket_id": T, "new_status": "review"}),
    ("assign_ticket", {"ticket_id": T}),
    ("add_comment", {"ticket_id": T, "comment_text": "x"}),
    ("link_commit", {"ticket_id": T, "commit_sha": SHA}),
    ("resolve_ticket", {"ticket_id": T}),
    ("get_ticket_history", {"ticket_id": T}),
    ("get_board_config", {"workflow_id": W}),
    ("configure_board", {"workflow_id": W, "name": "x"}),
    ("record_change", {"ticket_id": T, "change_type": "external.x"}),
    ("record_status_transition", {"ticket_id": T, "from_status": "a", "to_status": "b"}),
    ("record_commit_link", {"ticket_id": T, "commit_sha": SHA}),
    ("hybrid_search", {"query_text": HIDDEN, "workflow_id": W}),
    ("semantic_search", {"query_text": HIDDEN, "workflow_id": W}),
    ("search_by_keywords", {"keywords": HIDDEN, "workflow_id": W}),
    ("hybrid_search", {"query_text": "x", "workflow_id": "mine",
                       "filters": {"parent_ticket_id": T}}),
    ("index_ticket", {"ticket_id": T}),
    ("reindex_ticket", {"ticket_id": T}),
    ("get_ready_tickets", {"workflow_id": W}),
    ("get_ready_tickets", {"workflow_id": "mine", "filters": {"parent_ticket_id": T}}),
    ("explain_ticket", {"ticket_id": T}),
    ("claim_ticket", {"ticket_id": T}),
    ("claim_ticket", {"workflow_id": W}),
    ("renew_claim", {"ticket_id": T}),
    ("release_claim", {"ticket_id": T}),
    ("force_release", {"ticket_id": T, "reason": "x"}),
    ("create_tickets", {"tickets": [{"title": "x"}], "workflow_id": W}),
    ("create_tickets", {"tickets": [{"title": "x", "blocked_by": [T]}], "workflow_id": "mine"}),
    ("create_tickets", {"tickets": [{"title": "x", "parent": T}], "workflow_id": "mine"}),
    ("update_tickets", {"updates": [{"ticket_id": T, "updates": {"title": "x"}}]}),
    ("update_tickets", {"updates": [{"ticket_id": "<mine>", "updates": {"title": "y"}},
                                    {"ticket_id": T, "updates": {"title": "x"}}]}),
    ("resolve_tickets", {"ticket_ids": [T]}),
    ("resolve_tickets", {"ticket_ids": ["<mine>", T], "dry_run": True}),
    ("scan_commits", {"workflow_id": W}),
    ("get_commit_diff", {"commit_sha": SHA, "workflow_id": W}),
]  # fmt: skip


def test_every_operation_but_the_list_of_workflows_is_tried() -> None:
    assert {operation for operation, _ in CALLS} == set(BY_NAME) - {"list_workflows"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """The holder of a token, at both doors."""

    rest: httpx.AsyncClient
    client: Client

    async def over_rest(self, operation: str, arguments: Json) -> tuple[bool, str]:
        """Whether it was refused, and what was said."""
        called = BY_NAME[operation]
        given = dict(arguments)
        names = ("ticket_id", "workflow_id", "commit_sha")
        in_path = {name: given.pop(name, "mine") for name in names if f"{{{name}}}" in called.path}
        path = called.path.format(**in_path)
        if called.verb == "GET":
            told = {key: _as_text(value) for key, value in given.items()}
            answer = await self.rest.get(path, params=told)
        else:
            answer = await self.rest.post(path, json=given)
        shown = answer.json()
        is_refused = not answer.is_success
        return is_refused, f"{shown['code']}: {shown['detail']}" if is_refused else answer.text

    async def over_mcp(self, operation: str, arguments: Json) -> tuple[bool, str]:
        result = await self.client.call_tool(operation, arguments)
        return bool(result.is_error), result.model_dump(mode="json")["content"][0]["text"]


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Town:
    """Two workflows with tickets, and whoever may see one, both or neither of them."""

    web: Web
    desk: Desk
    mine: str
    hidden: str
    visitors: dict[str, Visitor]

    def filled(self, arguments: Json, ticket: str, workflow: str) -> Json:
        text = json.dumps(arguments).replace("<mine>", self.mine)
        return json.loads(text.replace(T, ticket).replace(W, workflow))


@pytest.fixture
async def town(web: Web) -> AsyncGenerator[Town]:
    async with in_a_task(settled(web)) as opened:
        yield opened


@asynccontextmanager
async def settled(web: Web) -> AsyncGenerator[Town]:
    desk = Desk(web.calls, Caller(agent_id="builder", default_workflow="mine"))
    for workflow in ("mine", "theirs", "third"):
        await desk.configure_board(workflow_id=workflow, name=f"{HIDDEN} {workflow}")
    await desk.configure_board(workflow_id="mine", name="Mine")
    mine = await desk.make_ticket(title="Visible")
    hidden = await desk.make_ticket(
        title=f"{HIDDEN} title", description=HIDDEN, tags=[HIDDEN], workflow_id="theirs"
    )
    await desk.add_comment(ticket_id=hidden, comment_text=HIDDEN)
    await desk.link_commit(ticket_id=hidden, commit_sha=SHA, commit_message=HIDDEN)
    await desk.make_ticket(title="Sub", parent_ticket_id=hidden, workflow_id="theirs")
    async with AsyncExitStack() as stack:
        visitors: dict[str, Visitor] = {}
        for name, seen in {
            "mine": ["mine"],
            "third": ["third"],
            "both": ["mine", "theirs"],
        }.items():
            secret = await web.token(name, Access.ADMIN, workflows=seen)
            rest = await stack.enter_async_context(web.rest(secret, X_Workflow_Id=seen[0]))
            client = web.mcp(secret, query="?toolsets=core,plan,admin", X_Workflow_Id=seen[0])
            visitors[name] = Visitor(rest, await stack.enter_async_context(client))
        yield Town(web, desk, mine, hidden, visitors)


@contextmanager
def counting(web: Web) -> Generator[list[str]]:
    """The statements that the server sends to PostgreSQL meanwhile."""
    engine, sent = web.calls.units.database.engine.sync_engine, list[str]()

    def note(_: Json, __: Json, statement: str, *___: Json) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


Way = Callable[[str, Json], Awaitable[tuple[bool, str]]]


def ways(town: Town) -> dict[str, Way]:
    mine, third = town.visitors["mine"], town.visitors["third"]
    return {"REST": mine.over_rest, "MCP": mine.over_mcp, "elsewhere": third.over_rest}


async def test_what_is_foreign_is_told_like_what_is_nowhere(town: Town) -> None:
    for door, call in ways(town).items():
        await call("list_workflows", {})  # its token is noted as used
        for operation, arguments in CALLS:
            foreign = town.filled(arguments, town.hidden, "theirs")
            with counting(town.web) as first:
                is_refused, told = await call(operation, foreign)
            with counting(town.web) as second:
                was_refused, expected = await call(operation, town.filled(arguments, *ABSENT))
            what = (door, operation, foreign, told, expected)
            assert (is_refused, was_refused) == (True, True), what
            modulo = told.replace(town.hidden, ABSENT[0]).replace("theirs", ABSENT[1])
            assert modulo == expected, what
            assert first == second, what
            assert HIDDEN not in told, what
    assert (await town.desk.get_ticket(ticket_id=town.hidden))["ticket"]["version"] == 1


async def test_with_a_token_of_both_the_same_calls_find_what_they_name(town: Town) -> None:
    call = town.visitors["both"].over_rest
    for operation, arguments in CALLS:
        _, told = await call(operation, town.filled(arguments, town.hidden, "theirs"))
        assert "_not_found: " not in told, (operation, told)


ANYWHERE: list[tuple[str, Json]] = [
    ("list_workflows", {}),
    ("get_tickets", {"include_completed": True}),
    ("get_tickets", {"filters": {"tags": [HIDDEN]}}),
    ("get_ready_tickets", {}),
    ("hybrid_search", {"query_text": HIDDEN}),
    ("hybrid_search", {"query_text": SHA}),
    ("hybrid_search", {"query_text": T}),
    ("search_by_keywords", {"keywords": f"{T} {HIDDEN} {SHA}"}),
    ("create_ticket", {"title": f"{HIDDEN} title", "on_duplicate": "refuse"}),
    ("create_tickets", {"tickets": [{"title": f"{HIDDEN} title"}]}),
    ("get_board_config", {}),
    ("claim_ticket", {}),
    ("claim_ticket", {"filters": {"tags": [HIDDEN]}}),
    ("get_ticket", {"ticket_id": "<mine>"}),
    ("get_ticket_history", {"ticket_id": "<mine>"}),
    ("explain_ticket", {"ticket_id": "<mine>"}),
    ("get_tickets", {"workflow_id": ""}),
    ("get_tickets", {"workflow_id": "*"}),
]  # fmt: skip


async def test_nothing_foreign_is_listed_found_claimed_or_told(town: Town) -> None:
    theirs = (town.hidden, "theirs", "zzhidden theirs", SHA[:7])
    for call in (town.visitors["mine"].over_rest, town.visitors["mine"].over_mcp):
        for operation, arguments in ANYWHERE:
            given = town.filled(arguments, town.hidden, "theirs")
            _, told = await call(operation, given)
            asked = json.dumps(given)
            shown = [word for word in theirs if word in told and word not in asked]
            assert shown == [], (operation, given, told)


async def test_a_foreign_ticket_or_board_is_no_resource(town: Town) -> None:
    client = town.visitors["mine"].client
    assert (await client.read_resource(f"ticket://{town.mine}")).contents
    for kind, foreign, absent in [
        ("ticket", town.hidden, ABSENT[0]), ("board", "theirs", ABSENT[1]),
    ]:  # fmt: skip
        told: list[str] = []
        for name in (foreign, absent):
            with pytest.raises(MCPError) as refused:
                await client.read_resource(f"{kind}://{name}")
            told.append(str(refused.value).replace(name, "it"))
        assert told[0] == told[1]


async def test_a_key_is_that_of_its_token_alone(town: Town) -> None:
    once = {"title": "Once", "idempotency_key": "k"}
    both, mine = town.visitors["both"], town.visitors["mine"]
    _, theirs = await both.over_rest("create_ticket", {**once, "workflow_id": "theirs"})
    again = await both.over_mcp("create_ticket", {**once, "workflow_id": "theirs"})
    assert json.loads(again[1]) == {**json.loads(theirs), "replayed": True}
    is_refused, own = await mine.over_rest("create_ticket", once)
    assert not is_refused
    assert "replayed" not in own
    assert json.loads(own)["ticket_id"] != json.loads(theirs)["ticket_id"]


async def test_a_token_of_one_workflow_means_that_one_and_makes_no_other(town: Town) -> None:
    secret = await town.web.token("narrow", Access.ADMIN, workflows=["mine"])
    async with town.web.rest(secret) as rest:
        made = await rest.post("/tickets/create", json={"title": "Somewhere"})
        seen = await rest.get(f"/tickets/{made.json()['ticket_id']}")
        assert seen.json()["ticket"]["workflow_id"] == "mine"
        configure = partial(rest.post, "/tickets/board-config")
        assert (await configure(json={"workflow_id": "mine", "name": "x"})).status_code == 200
        assert (await configure(json={"workflow_id": "new"})).status_code == 404
    listed = await town.desk.list_workflows()
    assert [each["workflow_id"] for each in listed["workflows"]] == [
        "default", "mine", "theirs", "third",
    ]  # fmt: skip
