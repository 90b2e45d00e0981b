"""`demo`: two agents work on tickets, each a real MCP client with a session of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from hephaestus_tickets.local.ending import throwaway_tracker
from hephaestus_tickets.local.home import Home

_STYLES = {"planner": "cyan", "builder": "magenta"}
# A tool's structured content: JSON.
Json = dict[str, Any]


def demo() -> None:
    """Watch two agents work on tickets through real MCP, on a throw-away tracker.

    Takes seconds and leaves nothing behind.
    """
    console = Console(highlight=False)
    console.print("Starting a tracker of its own for two MCP clients …", style="dim")
    with throwaway_tracker() as home:
        anyio.run(_play, console, home)
    console.print("The database is gone again. To keep one: see 'Add it to your client'.")


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent at its MCP client; every call and its answer are told on the console."""

    name: str
    client: Client
    console: Console

    async def call(self, tool: str, /, **arguments: object) -> Json:
        result = await self.client.call_tool(tool, arguments)
        [content] = result.content
        answer = content.text if isinstance(content, TextContent) else ""
        self._tell(tool, arguments, answer, refused=bool(result.is_error))
        return result.structured_content or {}

    async def read(self, tool: str, /, **arguments: object) -> Json:
        """Call a tool whose answer is shown in another form."""
        return (await self.client.call_tool(tool, arguments)).structured_content or {}

    def _tell(self, tool: str, arguments: dict[str, object], answer: str, *, refused: bool) -> None:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        style = _STYLES[self.name]
        self.console.print(f"\n[{style}]{self.name}[/] [bold]{tool}[/]({escape(given)})")
        mark, colour = ("✗", "red") if refused else ("→", "green")
        self.console.print(f"  [{colour}]{mark}[/] {escape(answer)}")


async def _play(console: Console, home: Home) -> None:
    async with (
        _agent("planner", console, home) as planner,
        _agent("builder", console, home) as builder,
    ):
        table, login = await _plan(planner)
        await _build(planner, builder, table, login)
        _show_history(console, await planner.read("get_ticket_history", ticket_id=login))
        board = await planner.read("get_board_config")
        tickets = await planner.read("get_tickets", include_completed=True, sort_order="asc")
        _show_board(console, board, tickets)


async def _plan(planner: Agent) -> tuple[str, str]:
    _say(planner, "plans a login as three tickets, each blocked by the one before")
    table = await planner.call("create_ticket", title="Add the users table", priority="high")
    login = await planner.call(
        "create_ticket",
        title="Check a password",
        blocked_by_ticket_ids=[table["ticket_id"]],
        tags=["auth"],
    )
    await planner.call(
        "create_ticket",
        title="Write the login page",
        ticket_type="feature",
        blocked_by_ticket_ids=[login["ticket_id"]],
    )
    return table["ticket_id"], login["ticket_id"]


async def _build(planner: Agent, builder: Agent, table: str, login: str) -> None:
    _say(builder, "asks for the wrong one, and is told why not")
    await builder.call("claim_ticket", ticket_id=login)
    _say(builder, "claims what can be started: nobody else can write to it now")
    await builder.call("claim_ticket")
    await planner.call("update_ticket", ticket_id=table, updates={"priority": "low"})
    _say(builder, "resolves it, which unblocks the next")
    await builder.call(
        "resolve_ticket",
        ticket_id=table,
        resolution_comment="Table users with a unique e-mail.",
        commit_sha="4f2d9c1",
    )
    await builder.call("claim_ticket")
    await builder.call(
        "add_comment", ticket_id=login, comment_text="argon2id, parameters in settings."
    )
    await builder.call("resolve_ticket", ticket_id=login, resolution_comment="Tested.")
    _say(builder, "claims the last one, and gives it back with what the next agent must know")
    last = await builder.call("claim_ticket")
    await builder.call(
        "release_claim",
        ticket_id=last["ticket_id"],
        hand_over={"done": ["the form"], "left": ["its errors"], "next_step": "Show them"},
    )


def _say(agent: Agent, what: str) -> None:
    agent.console.rule(f"{agent.name} {what}", style="dim")


def _show_history(console: Console, timeline: Json) -> None:
    console.rule(f"the history of {timeline['ticket_id']}", style="dim")
    for entry in timeline["entries"]:
        what = entry.get("change_type") or f"{entry['comment_type']} comment"
        told = entry.get("comment_text") or entry.get("change_description") or _change(entry)
        style = _STYLES[entry["agent_id"]]
        console.print(f"{entry['at']}  [{style}]{entry['agent_id']}[/]  {what}: {escape(told)}")


def _change(entry: Json) -> str:
    return f"{entry['field_name']} {entry.get('old_value', '-')} → {entry.get('new_value', '-')}"


def _show_board(console: Console, board: Json, tickets: Json) -> None:
    console.rule("the board", style="dim")
    panels: list[Panel] = []
    for column in board["columns"]:
        here = [each for each in tickets["tickets"] if each["status"] == column["id"]]
        lines = [f"{each['ticket_id']} {each['title']}" for each in here] or ["-"]
        panels.append(
            Panel(escape("\n".join(lines)), title=column["name"], border_style=column["color"])
        )
    console.print(Columns(panels))


@asynccontextmanager
async def _agent(name: str, console: Console, home: Home) -> AsyncGenerator[Agent]:
    """A client of the home's local server, which the first one starts."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "hephaestus_tickets"],
        env={
            "AGENT_ID": name,
            "HEPHAESTUS_HOME": str(home.root),
            "HEPHAESTUS_IDLE_SECONDS": "10",  # should we be killed, it goes by itself
        },
    )
    async with Client(server) as client:
        yield Agent(name, client, console)
