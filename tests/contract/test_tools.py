"""What a client is shown: small, in one vocabulary, and changed only on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool
from sqlalchemy import URL

from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.db import Database
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.operations import OPERATIONS, Operation, Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.services.unit_of_work import Units
from tests.contract.conftest import SNAPSHOTS, Keeps

# JSON of a schema.
Json = Any

operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)

COLOR = "^#[0-9a-fA-F]{6}$"
# The words of the house's vocabulary that are never said, with the one to say instead.
NEVER = {
    **dict.fromkeys(("issue", "issues", "item", "items", "task", "tasks"), "ticket"),
    **dict.fromkeys(("project", "projects", "space", "spaces"), "workflow"),
    **dict.fromkeys(("config", "kanban"), "board"),
    **dict.fromkeys(("state", "states", "stage", "stages"), "status"),
    **dict.fromkeys(("user", "users", "actor", "actors"), "agent"),
    **dict.fromkeys(("dependency", "dependencies"), "blocker"),
    **dict.fromkeys(("child", "children", "epic", "epics"), "sub-ticket"),
    **dict.fromkeys(("note", "notes", "message", "messages"), "comment"),
    **dict.fromkeys(("changeset", "changesets"), "commit link"),
    **dict.fromkeys(("log", "logs"), "history"),
    **dict.fromkeys(("feed", "feeds"), "timeline"),
    "closed": "resolved",
    **dict.fromkeys(("lock", "locks", "checkout"), "claim"),
    **dict.fromkeys(("daemon", "proxy"), "local server, shim"),
    **dict.fromkeys(("released", "cascade", "cascades"), "unblocked"),
    **dict.fromkeys(("match", "matches", "row", "rows"), "search hit"),
    **dict.fromkeys(("vector", "fulltext"), "semantic, keyword"),
    **dict.fromkeys(("event", "events"), "index job"),
    **dict.fromkeys(("endpoint", "endpoints", "action", "actions"), "tool, route"),
}
# Names that were fixed before the vocabulary, and tell a caller what it expects.
ALLOWED = frozenset(
    {
        "get_board_config",
        "related_task_ids",
        "commit_message",
        "record_commit_link.message",
        "get_ticket.commits.message",
        "claim_ticket.commits.message",
        "get_ticket_history.entries.message",
        "get_commit_diff.commit.message",
    }
)


@pytest.fixture
async def tools() -> dict[str, Tool]:
    """Every tool as a client receives it; listing them needs no database."""
    return await listed(frozenset({"core", "plan", "admin"}))


async def listed(toolsets: frozenset[Toolset]) -> dict[str, Tool]:
    calls = Calls(Units(Database(URL.create("postgresql+psycopg"))))
    session = Session(Caller(agent_id="a"), toolsets)
    async with Client(build_server(calls, toolsets, session), mode="legacy") as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


@operations
def test_a_tool_is_what_its_snapshot_says(
    operation: Operation, tools: dict[str, Tool], keeps: Keeps
) -> None:
    shown = tools[operation.name].model_dump(mode="json", by_alias=True, exclude_none=True)
    keeps(f"{operation.name}.json", json.dumps(shown, indent=2, ensure_ascii=False) + "\n")


def test_there_is_no_snapshot_of_a_tool_that_is_gone() -> None:
    kept = {path.stem for path in SNAPSHOTS.glob("*.json")}
    assert kept == {operation.name for operation in OPERATIONS}


async def test_the_default_tools_cost_less_than_4000_tokens() -> None:
    default = await listed(SessionSettings().toolsets)
    shown = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in default.values()
    ]
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    assert len(text) / 4 < 4_000


async def test_tools_for_administrators_are_hidden_by_default() -> None:
    hidden = {operation.name for operation in OPERATIONS if operation.toolset == "admin"}
    assert hidden == {
        "configure_board",
        "record_change",
        "record_status_transition",
        "record_commit_link",
        "index_ticket",
        "reindex_ticket",
        "force_release",
    }
    assert not hidden & set(await listed(SessionSettings().toolsets))


async def test_tools_keep_the_order_of_the_catalogue(tools: dict[str, Tool]) -> None:
    assert list(tools) == [operation.name for operation in OPERATIONS]


@operations
def test_a_tool_says_how_it_behaves(operation: Operation, tools: dict[str, Tool]) -> None:
    tool = tools[operation.name]
    assert tool.annotations
    hints = tool.annotations.model_dump(exclude={"title"})
    assert None not in hints.values()
    assert hints["read_only_hint"] == (operation.kind == "read")
    assert hints["open_world_hint"] is False
    assert tool.output_schema
    assert tool.output_schema["type"] == "object"
    assert tool.description
    assert tool.title is None


@operations
def test_an_input_schema_is_one_that_every_client_reads(operation: Operation) -> None:
    schema = operation.input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert not {"anyOf", "oneOf", "allOf"} & set(schema)
    assert "$" not in json.dumps(schema).replace(COLOR, "")
    assert "$" not in json.dumps(operation.output_schema)


@operations
def test_a_tool_speaks_with_one_word_for_one_thing(
    operation: Operation, tools: dict[str, Tool]
) -> None:
    said = {
        f"{place}: '{word}', say {NEVER[word]}"
        for place, text in texts_of(tools[operation.name])
        if place not in ALLOWED
        for word in re.findall("[a-z]+", without_allowed(text).lower())
        if word in NEVER
    }
    assert said == set()


def texts_of(tool: Tool) -> Iterator[tuple[str, str]]:
    """Each name and description that a model reads, with where it stands."""
    yield tool.name, tool.name
    yield f"{tool.name} (description)", tool.description or ""
    for schema in (tool.input_schema, tool.output_schema or {}):
        for path, part in properties_of(schema):
            yield f"{tool.name}.{path}", path.rsplit(".", 1)[-1]
            yield f"{tool.name}.{path} (description)", part.get("description", "")


def properties_of(schema: Json, above: str = "") -> Iterator[tuple[str, Json]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{above}{name}", part
        for inner in (part, part.get("items", {}), *part.get("anyOf", ())):
            yield from properties_of(inner, f"{above}{name}.")


def without_allowed(text: str) -> str:
    for name in ALLOWED:
        text = text.replace(name, "")
    return text


@operations
def test_no_argument_is_a_bare_id_but_that_of_a_column(operation: Operation) -> None:
    bare = [path for path, _ in properties_of(operation.input_schema) if "id" in path.split(".")]
    assert bare == (["columns.id"] if operation.name == "configure_board" else [])
