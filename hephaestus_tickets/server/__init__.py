"""The catalogue as MCP: tools, resources and prompts of one session."""

from __future__ import annotations

from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
)

from hephaestus_tickets import __version__
from hephaestus_tickets.operations import UnknownTool, operations_of
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.server.prompts import add_prompts
from hephaestus_tickets.server.resources import add_resources
from hephaestus_tickets.server.tools import OperationTool

INSTRUCTIONS = """\
Tickets for agents. A workflow has a board; its columns are the statuses.
Look with get_tickets before you file with create_ticket. Take work with assign_ticket, move it \
with change_status, finish it with resolve_ticket and say what was done. Open blockers stop a \
ticket from moving; resolving the last one unblocks those that wait. Fields that are absent from \
a reply are empty or false."""


class TicketServer(MCPServer[None]):
    """Refuses what is not there in our words, in every era alike."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:  # Any: JSON, and the SDK's signature
        shown = [tool.name for tool in await self.list_tools()]
        if name not in shown:
            unknown = UnknownTool(name, shown)
            raise ToolError(f"{unknown.code}: {unknown}")
        return await super().call_tool(name, arguments, context)

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,  # Any: JSON
        context: Context[None, Any] | None = None,  # Any: the SDK's signature
    ) -> GetPromptResult | InputRequiredResult:  # Any: as above
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as refusal:
            raise MCPError(code=INVALID_PARAMS, message=str(refusal)) from refusal


def build_server(calls: Calls, session: Session) -> MCPServer[None]:
    """The MCP server of one session, with the tools of its toolsets."""
    server = TicketServer(
        "hephaestus-tickets",
        title="Hephaestus Tickets",
        version=__version__,
        instructions=INSTRUCTIONS,
        log_level="WARNING",
        tools=[
            OperationTool.of(operation, calls, session.caller)
            for operation in operations_of(session.toolsets)
        ],
    )
    add_resources(server, calls, session.caller)
    add_prompts(server)
    return server
