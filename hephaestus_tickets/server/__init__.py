"""The catalogue as MCP: tools, resources and prompts of one session."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

from hephaestus_tickets import __version__
from hephaestus_tickets.operations import operations_of
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


def build_server(calls: Calls, session: Session) -> MCPServer[None]:
    """The MCP server of one session, with the tools of its toolsets."""
    server: MCPServer[None] = MCPServer(
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
