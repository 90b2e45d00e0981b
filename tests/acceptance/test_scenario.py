from __future__ import annotations

import pytest
from sqlalchemy import URL

from tests.acceptance.clients import ERAS, Door, connected, done, text_of
from tests.acceptance.scenario import be_told_what_is_wrong, use_prompts, work_on_tickets

doors = pytest.mark.parametrize("door", ["memory", "stdio", "http", "sse", "replicas"])
eras = pytest.mark.parametrize("mode", ERAS, ids=list(ERAS.values()))
TITLES = (
    "The importer drops the last line of a file without newline",
    "Search for `auth-token` finds nothing where it should",
    "A retry after a timeout files the same ticket a second time",
    "Show who moved a ticket, and when, in the board's side panel",
    "Upgrade the connection pool and measure waits under load now",
)


@doors
@eras
async def test_a_client_of_either_era_is_served(database_url: URL, door: Door, mode: str) -> None:
    async with connected(door, database_url, mode=mode) as client:
        assert client.protocol_version == ERAS[mode]
        await use_prompts(client)
        await work_on_tickets(client)
        await be_told_what_is_wrong(client, door)


async def test_a_client_that_asks_for_the_newest_era_gets_it(database_url: URL) -> None:
    async with connected("memory", database_url, mode="auto") as client:
        assert client.protocol_version == "2026-07-28"


@eras
async def test_history_writers_are_there_only_for_a_session_that_asks(
    database_url: URL, mode: str
) -> None:
    async with connected("memory", database_url, mode=mode) as client:
        advertised = {tool.name for tool in (await client.list_tools()).tools}
        assert "record_change" not in advertised
    both = connected("memory", database_url, mode=mode, toolsets=frozenset({"core", "admin"}))
    async with both as client:
        assert {tool.name for tool in (await client.list_tools()).tools} > advertised
        await done(client, "create_ticket", title="A ticket")
        recorded = await done(
            client, "record_change", ticket_id="ticket-1", change_type="external.deployed"
        )
        assert recorded["ticket_id"] == "ticket-1"


async def test_twenty_tickets_listed_cost_less_than_2000_tokens(database_url: URL) -> None:
    async with connected("memory", database_url, mode="2026-07-28") as client:
        for number in range(25):
            await done(
                client,
                "create_ticket",
                title=f"{TITLES[number % len(TITLES)]} {number}",
                assigned_agent_id=f"builder-{number % 3}",
            )
        result = await client.call_tool("get_tickets", {})
    assert '"total_count":25,"returned":20' in text_of(result)
    assert len(text_of(result)) / 4 < 2_000
