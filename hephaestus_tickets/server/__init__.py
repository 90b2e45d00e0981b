"""The catalogue as MCP: tools, resources and prompts, for any number of sessions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp import MCPError
from mcp.server.context import ServerMiddleware
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
)

from hephaestus_tickets import __version__
from hephaestus_tickets.operations import Toolset, UnknownTool, operations_of
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.server.prompts import add_prompts
from hephaestus_tickets.server.resources import add_resources
from hephaestus_tickets.server.tools import OperationTool

INSTRUCTIONS = """\
Tickets for agents. A workflow has a board; its columns are the statuses.
Look with hybrid_search before you file with create_ticket. Take work with claim_ticket (no other \
agent can then write to it), move it with change_status, finish it with resolve_ticket and say \
what was done, or give it back with release_claim. Open blockers stop a ticket from moving; \
resolving the last one unblocks those that wait. To be able to repeat a write whose answer was \
lost, send an idempotency_key with it: the same call with the same key is done once. Fields that \
are absent from a reply are empty or false."""


class TicketServer(MCPServer[Session]):
    """Refuses what is not there in our words, in every era alike."""

    def __init__(
        self,
        tools: list[Tool],
        own: Session | None,
        middleware: Sequence[ServerMiddleware[Session]],
        choose: str,
    ) -> None:
        self._choose = choose
        super().__init__(
            "hephaestus-tickets",
            title="Hephaestus Tickets",
            version=__version__,
            instructions=INSTRUCTIONS,
            log_level="WARNING",
            tools=tools,
            lifespan=lambda _: _state(own),
            middleware=middleware,
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Session, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:  # Any: JSON, and the SDK's signature
        session = _session(context) if context else None
        there = [each.name for each in operations_of(session.toolsets)] if session else []
        if name not in there and not self._is_beside_the_catalogue(name):
            unknown = UnknownTool(name, there, self._choose)
            raise ToolError(f"{unknown.code}: {unknown}")
        return await super().call_tool(name, arguments, context)

    def _is_beside_the_catalogue(self, name: str) -> bool:
        """Whether it was added to the server: what a session may see says nothing about it."""
        tool = self._tool_manager.get_tool(name)
        return tool is not None and not isinstance(tool, OperationTool)

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,  # Any: JSON
        context: Context[Session, Any] | None = None,  # Any: the SDK's signature
    ) -> GetPromptResult | InputRequiredResult:  # Any: as above
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as refusal:
            raise MCPError(code=INVALID_PARAMS, message=str(refusal)) from refusal


@asynccontextmanager
async def _state(own: Session | None) -> AsyncGenerator[Session]:
    if own is None:
        raise RuntimeError("this server has no session of its own: run_session gives it one")
    yield own


def _session(context: Context[Session, Any]) -> Session:  # Any: as above
    return context.request_context.lifespan_context


def build_server(
    calls: Calls,
    toolsets: frozenset[Toolset],
    session: Session | None = None,
    *,
    middleware: Sequence[ServerMiddleware[Session]] = (),
    choose: str = "set TOOLSETS",
) -> MCPServer[Session]:
    """A server with the tools of those toolsets, for every session that `run_session` runs on it.

    A session given here is that of the SDK's own ways to run a server, as `Client(server)`.
    `choose` tells how another session chooses other toolsets.
    """
    server = TicketServer(
        [OperationTool.of(operation, calls) for operation in operations_of(toolsets)],
        session,
        middleware,
        choose,
    )
    add_resources(server, calls)
    add_prompts(server)
    return server
