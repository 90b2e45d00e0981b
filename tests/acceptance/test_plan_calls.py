"""A plan through an MCP client: filed in one call, finished in another."""

from __future__ import annotations

import json

from sqlalchemy import URL

from hephaestus_tickets.operations import Toolset
from tests.acceptance.clients import Json, connected, done, refused


async def test_a_plan_of_two_hundred_is_filed_changed_and_finished_in_three_calls(
    database_url: URL,
) -> None:
    title = "Move the parser of the second dialect to the streaming reader, whatever it takes to "
    plan: Json = [
        {
            "title": f"{title}{place}",
            "ref": f"the-parser-of-dialect-{place}",
            "blocked_by": [f"the-parser-of-dialect-{place - 1}"] if place else [],
        }
        for place in range(200)
    ]
    toolsets: frozenset[Toolset] = frozenset({"core", "plan"})
    async with connected("memory", database_url, mode="2026-07-28", toolsets=toolsets) as client:
        checked = await done(client, "create_tickets", tickets=plan, dry_run=True)
        assert checked["dry_run"] is True
        created = await done(client, "create_tickets", tickets=plan)
        tickets = [ticket["ticket_id"] for ticket in created["tickets"]]
        patches = [{"ticket_id": each, "updates": {"priority": "high"}} for each in tickets]
        updated = await done(client, "update_tickets", updates=patches)
        resolved = await done(client, "resolve_tickets", ticket_ids=tickets[::-1])
        assert [each["ticket_id"] for each in resolved["resolved"]] == tickets[::-1]
        told = await refused(client, "resolve_tickets", ticket_ids=tickets)
    assert told.startswith("plan_refused: 200 of 200 tickets are refused. ")
    for reply in (checked, created, updated, resolved, told):
        assert len(json.dumps(reply, ensure_ascii=False).encode()) < 60_000


async def test_the_tools_for_plans_are_hidden_where_nobody_asked_for_them(
    database_url: URL,
) -> None:
    async with connected("memory", database_url, mode="legacy") as client:
        told = await refused(client, "create_tickets", tickets=[{"title": "x"}])
    assert told.startswith("unknown_tool: ")
    assert "It belongs to the toolset 'plan'" in told
