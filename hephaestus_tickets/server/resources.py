"""Tickets and boards as resources that a client can attach to a conversation."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from hephaestus_tickets.domain.errors import NotFound, TicketError
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.server.calls import Calls, Session, compact

# Any: nothing is known of the request but its session.
SessionContext = Context[Session, Any]
_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def add_resources(server: MCPServer[Session], calls: Calls) -> None:
    async def read(context: SessionContext, operation: str, **arguments: str) -> str:
        session = context.request_context.lifespan_context
        try:
            return compact(await calls.run_for(session, _BY_NAME[operation], arguments))
        except NotFound as refusal:
            raise ResourceNotFoundError(f"{refusal.code}: {refusal}") from refusal
        except TicketError as refusal:
            raise ResourceError(f"{refusal.code}: {refusal}") from refusal

    @server.resource(
        "ticket://{ticket_id}",
        name="ticket",
        title="A ticket",
        description="One ticket with its blockers, comments, commits and latest changes.",
        mime_type="application/json",
    )
    async def ticket(ticket_id: str, context: SessionContext) -> str:
        return await read(context, "get_ticket", ticket_id=ticket_id)

    @server.resource(
        "board://{workflow_id}",
        name="board",
        title="A workflow's board",
        description="Columns with their ticket counts, ticket types and rules.",
        mime_type="application/json",
    )
    async def board(workflow_id: str, context: SessionContext) -> str:
        return await read(context, "get_board_config", workflow_id=workflow_id)

    # The decorators above register them; naming them here keeps that visible.
    _ = ticket, board
