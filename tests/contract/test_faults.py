"""A fault of ours: of what went wrong inside, nothing reaches the caller."""

from __future__ import annotations

import pytest
from mcp import Client, MCPError
from mcp_types import TextContent
from sqlalchemy import URL, create_engine

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session

eras = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@pytest.fixture
def broken(calls: Calls, database_url: URL) -> Calls:
    """A database in which somebody renamed a table."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tickets RENAME TO things")
    engine.dispose()
    return calls


@eras
async def test_a_fault_is_told_without_its_inside_and_logged_with_it(
    broken: Calls, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(Caller(agent_id="a"), frozenset({"core"}))
    server = build_server(broken, session.toolsets, session)
    async with Client(server, mode=mode) as client:
        result = await client.call_tool("get_ticket", {"ticket_id": "ticket-1"})
        with pytest.raises(MCPError) as refused:
            await client.read_resource("ticket://ticket-1")
    [content] = result.content
    assert isinstance(content, TextContent)
    assert result.is_error
    assert content.text == (
        "internal_error: get_ticket failed inside the tracker. Look with get_ticket or "
        "get_tickets at what was saved before you try again."
    )
    assert "tickets" not in str(refused.value)
    assert 'relation "tickets" does not exist' in caplog.text
