"""MCP clients of either era, in memory or of a started process, and what they ask."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Literal

import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, TextResourceContents
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Session
from tests.http.processes import replica
from tests.http.web import Web, serving

# How `mode=` of the SDK's client names an era, and the version it then speaks.
ERAS = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
Door = Literal["memory", "stdio", "http", "sse", "replicas"]
# What the SDK's client connects to.
Server = Any
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
    async with open_calls(url) as calls:
        if door == "memory":
            session = Session(Caller(agent_id=agent_id, is_bound=True), toolsets)
            served = nullcontext[Server](build_server(calls, toolsets, session))
        else:
            secret = await Web("", calls).token("it", agent_id=agent_id)
            served = _over_http(door, url, secret, f"?toolsets={','.join(toolsets)}")
        async with served as server, Client(server, mode=mode) as client:
            yield client


@asynccontextmanager
async def _over_http(door: Door, url: URL, secret: str, query: str) -> AsyncGenerator[Server]:
    headers = {"Authorization": f"Bearer {secret}"}
    if door == "sse":
        async with serving(url) as web:
            yield sse_client(f"{web.address}/sse{query}", headers=headers)
    elif door == "http":
        async with serving(url) as web, httpx2.AsyncClient(headers=headers) as http:
            yield streamable_http_client(f"{web.address}/mcp{query}", http_client=http)
    else:
        async with replica(url) as one, replica(url) as other:
            both = InTurn([one.port, other.port])
            async with httpx2.AsyncClient(headers=headers, transport=both) as http:
                yield streamable_http_client(f"{one.address}/mcp{query}", http_client=http)
            assert min(both.sent) > 10


class InTurn(httpx2.AsyncBaseTransport):
    """Sends each request to the next of the servers, as a balancer would."""

    def __init__(self, ports: list[int]) -> None:
        self._ports, self._own = ports, httpx2.AsyncHTTPTransport()
        self.sent = [0] * len(ports)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        turn = sum(self.sent) % len(self._ports)
        self.sent[turn] += 1
        request.url = request.url.copy_with(port=self._ports[turn])
        return await self._own.handle_async_request(request)

    async def aclose(self) -> None:
        await self._own.aclose()


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
