"""What is on a server beside the catalogue."""

from __future__ import annotations

from mcp import Client
from mcp_types import CallToolResult, TextContent

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session


async def test_an_added_tool_is_everyones_and_opens_none_of_the_catalogue(calls: Calls) -> None:
    session = Session(Caller(agent_id="a"), frozenset({"core"}))
    server = build_server(calls, frozenset({"core", "admin"}), session)
    server.add_tool(lambda: "here", name="added", structured_output=False)
    async with Client(server) as client:
        assert text_of(await client.call_tool("added", {})) == "here"
        hidden = await client.call_tool("reindex_ticket", {"ticket_id": "ticket-1"})
        unknown = await client.call_tool("nonsense", {})
    assert text_of(hidden).startswith("unknown_tool: ")
    assert text_of(unknown).startswith("unknown_tool: ")


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text
