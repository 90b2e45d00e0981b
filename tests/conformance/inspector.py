"""MCP Inspector's command line against the tracker as it is installed, through each door."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio

from hephaestus_tickets.local.ending import throwaway_tracker
from hephaestus_tickets.operations import operations_of
from tests.conformance.node import Node

# A result: JSON.
Json = Any
_COMMAND = Path(sys.executable).with_name("hephaestus-tickets")
_CORE = [operation.name for operation in operations_of(frozenset({"core"}))]
_STARTING_S = 20


@dataclass(frozen=True, slots=True)
class Door:
    name: str
    era: str
    target: tuple[str, ...]


class Refused(Exception):
    """What Inspector printed when it failed."""


async def faults(node: Node) -> list[str]:
    """Where a door does not do as it should; all of them lead to one tracker."""
    found: list[str] = []
    async with _serving() as doors:
        for count, door in enumerate(doors, start=1):
            try:
                fault = await _fault(node, door, count)
            except Refused as refusal:
                fault = str(refusal)
            print(f"Inspector, {door.name}, {door.era}: {fault or 'as it should'}", flush=True)
            found += [f"Inspector, {door.name}, {door.era}: {fault}"] if fault else []
    return found


async def _fault(node: Node, door: Door, count: int) -> str:
    """Empty where the tools are those of the catalogue, and a ticket is made and found."""
    listed = await _asked(node, door, "tools/list", "--strict")
    tools = [tool["name"] for tool in listed["tools"]]
    if tools != _CORE:
        return f"tools/list has {tools}"
    title = f"Filed over {door.name}, {door.era}"
    made = await _called(node, door, "create_ticket", title=title)
    if made != {**made, "ticket_id": f"ticket-{count}", "status": "backlog"}:
        return f"create_ticket answers {made}"
    found = await _called(node, door, "get_tickets")
    titles = [ticket["title"] for ticket in found["tickets"]]
    if found["total_count"] != count or title not in titles:
        return f"get_tickets answers {found}"
    return ""


async def _called(node: Node, door: Door, tool: str, **arguments: Json) -> Json:
    given = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
    result = await _asked(node, door, "tools/call", *given)
    [content] = result["content"]
    if result.get("isError") or json.loads(content["text"]) != result["structuredContent"]:
        raise Refused(f"{tool} answers {result}")
    return result["structuredContent"]


async def _asked(node: Node, door: Door, method: str, *options: str) -> Json:
    ran = await node.run(
        "mcp-inspector", "--cli", *door.target,
        "--protocol-era", door.era,
        "--format", "json",
        "--method", method, *options,
    )  # fmt: skip
    if ran.status:
        raise Refused(f"{method} ends with {ran.status}: {ran.err}")
    return json.loads(ran.out)["result"]


@asynccontextmanager
async def _serving() -> AsyncGenerator[list[Door]]:
    """`hephaestus-tickets serve` on a home of its own, with HTTP."""
    with throwaway_tracker() as home:
        port = _free_port()
        settings = {"HEPHAESTUS_HOME": str(home.root), "EMBEDDING_PROVIDER": "none"}
        environment = {**os.environ, **settings, "HTTP_PORT": str(port)}
        async with await anyio.open_process(
            [str(_COMMAND), "serve"], env=environment, stdout=DEVNULL, stderr=DEVNULL
        ) as process:
            try:
                await _listens(port)
                yield _doors(f"http://127.0.0.1:{port}", settings)
            finally:
                process.terminate()


def _doors(address: str, settings: dict[str, str]) -> list[Door]:
    given = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    stdio, http = (*given, str(_COMMAND)), (f"{address}/mcp", "--transport", "http")
    return [
        Door("stdio", "legacy", stdio),
        Door("stdio", "modern", stdio),
        Door("sse", "legacy", (f"{address}/sse", "--transport", "sse")),
        Door("http", "legacy", http),
        Door("http", "modern", http),
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def _listens(port: int) -> None:
    with anyio.fail_after(_STARTING_S):
        while True:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.sleep(0.1)
