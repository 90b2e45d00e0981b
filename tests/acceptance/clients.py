"""MCP clients of either era, in memory or of a started process, and what they ask."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent, TextResourceContents
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Session

# How `mode=` of the SDK's client names an era, and the version it then speaks.
ERAS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
Door = Literal["memory", "stdio"]
# A tool's structured content: JSON.
Json = Any


@asynccontextmanager
async def connected(
    door: Door,
    url: URL,
    *,
    mode: str,
    agent_id: str = "builder",
    toolsets: frozenset[Toolset] = frozenset({"core"}),
) -> AsyncGenerator[Client]:
    """A client of a server on that database, bound to the agent."""
    if door == "stdio":
        async with Client(_process(url, agent_id, toolsets), mode=mode) as client:
            yield client
        return
    session = Session(Caller(agent_id=agent_id, is_bound=True), toolsets)
    async with (
        open_calls(url) as calls,
        Client(build_server(calls, toolsets, session), mode=mode) as client,
    ):
        yield client


def _process(url: URL, agent_id: str, toolsets: frozenset[Toolset]) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "hephaestus_tickets"],
        env={
            "AGENT_ID": agent_id,
            "TOOLSETS": ",".join(toolsets),
            "DB_HOST": str(url.host),
            "DB_PORT": str(url.port),
            "DB_USER": str(url.username),
            "DB_NAME": str(url.database),
        },
    )


async def done(client: Client, tool: str, /, **arguments: Json) -> Json:
    """The structured content of a call that is not refused; its text is the same object."""
    result = await client.call_tool(tool, arguments)
    text = text_of(result)
    assert not result.is_error, text
    assert text == json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
    return result.structured_content


async def refused(client: Client, tool: str, /, **arguments: Json) -> str:
    """The text of a call that is refused."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def resource(client: Client, uri: str) -> Json:
    """The JSON that a resource holds."""
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def refused_resource(client: Client, uri: str) -> str:
    try:
        await client.read_resource(uri)
    except MCPError as refusal:
        return str(refusal)
    raise AssertionError(f"{uri} was read")


async def prompt(client: Client, name: str, **arguments: str) -> str:
    """The one message of a prompt."""
    [message] = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text
