"""Tickets and boards as resources that a client can attach to a conversation."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import NotFound, TicketError
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.server.calls import Calls, compact

_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def add_resources(server: MCPServer[None], calls: Calls, caller: Caller) -> None:
    async def read(operation: str, **arguments: str) -> str:
        try:
            return compact(await calls.run(_BY_NAME[operation], arguments, caller))
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
    async def ticket(ticket_id: str) -> str:
        return await read("get_ticket", ticket_id=ticket_id)

    @server.resource(
        "board://{workflow_id}",
        name="board",
        title="A workflow's board",
        description="Columns with their ticket counts, ticket types and rules.",
        mime_type="application/json",
    )
    async def board(workflow_id: str) -> str:
        return await read("get_board_config", workflow_id=workflow_id)

    # The decorators above register them; naming them here keeps that visible.
    _ = ticket, board
