"""What an operator alone is told, what is told of refusals, how much one client may ask."""

from __future__ import annotations

import asyncio
import json
import logging

import anyio
import httpx
import pytest
from mcp import Client
from prometheus_client.parser import text_string_to_metric_families

from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.server.calls import TURNS
from tests.http.test_rest import filed
from tests.http.test_tokens import BOTH
from tests.http.web import Web, refusal
from tests.server.wires import board_locked, until, waiting_for_a_lock

SECONDS = 20
SECRET = "a word of the body"  # noqa: S105 - no password


async def counted(web: Web, secret: str) -> dict[tuple[str, str], float]:
    """Calls by operation and outcome."""
    async with web.rest(secret) as rest:
        shown = await rest.get("/metrics")
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(shown.text)
        for sample in family.samples
        if sample.name == "hephaestus_calls_total"
    }


async def test_what_is_refused_before_it_is_a_call_is_counted_and_logged(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hephaestus_tickets")
    secret = await web.token("operator", Access.ADMIN)
    reader = await web.token("reader", Access.READ)
    too_long = b" " * (4 * 1024 * 1024 + 1)
    async with web.rest("ht_unknown") as nobody, web.rest(secret) as rest, web.rest(reader) as low:
        await nobody.get("/workflows")
        await low.post("/tickets/create", json={"title": SECRET})
        await rest.post("/tickets/create", content=SECRET)
        await rest.post("/tickets/create", content=too_long)
        await rest.post("/mcp", headers=BOTH, content=too_long)
        await rest.get("/nowhere")
        await rest.get("/workflows", headers={"Host": "evil.example"})
        await rest.get("/tickets/ticket-99")
    assert await counted(web, secret) == {
        ("http", "token_refused"): 1,
        ("create_ticket", "access_denied"): 1,
        ("http", "not_json"): 1,
        ("http", "body_too_large"): 1,
        ("http", "http_413"): 1,
        ("http", "no_such_route"): 1,
        ("http", "address_refused"): 1,
        ("get_ticket", "ticket_not_found"): 1,
    }
    lines = [each.message for each in caplog.records if each.name.endswith(".calls")]
    assert len(lines) == 8
    assert all(json.loads(line)["request"] for line in lines)
    for hidden in (SECRET, "ht_unknown", secret, reader, "evil", "nowhere"):
        assert hidden not in "\n".join(lines)


async def test_metrics_are_for_who_may_see_all_workflows(web: Web) -> None:
    async with web.rest() as anybody:
        assert (await anybody.get("/metrics")).status_code == 200  # while it is open to anybody
    async with web.rest(await web.token("of one", Access.ADMIN, workflows=["default"])) as rest:
        assert refusal(await rest.get("/metrics")) == (403, "metrics_denied")
    async with web.rest(await web.token("prometheus", Access.READ)) as rest:
        assert (await rest.get("/metrics")).status_code == 200


async def test_only_an_administrator_is_told_why_a_check_fails(web: Web) -> None:
    async with web.calls.units.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        await connection.exec_driver_sql(
            "INSERT INTO tickets (workflow_id, title, ticket_type, priority, status, created_by) "
            "VALUES ('default', 'x', 'task', 2, 'backlog', 'x')"
        )
        await connection.exec_driver_sql(
            "INSERT INTO index_jobs (ticket_id, attempts, last_error) SELECT id, 1, 'no such host' "
            "FROM tickets"
        )
    operator = await web.token("operator", Access.ADMIN)
    async with web.rest(operator) as rest:
        told = (await rest.get("/readyz")).json()["checks"]
    assert told["migrations"] == "at revision 0001: run init-db"
    assert "no such host" in told["index_queue"]
    for secret in ("", "ht_unknown", await web.token("writer")):
        async with web.rest(secret) as rest:
            ready = await rest.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {
            "status": "not ready",
            "checks": {
                "database": "ok",
                "migrations": "failed",
                "index_queue": "failed",
                "vector_store": "off",
                "embedder": "off",
            },
        }


async def test_a_hidden_tool_is_shown_by_what_the_address_asks_for(web: Web) -> None:
    async with web.mcp() as client:
        told = await outcome(client, "create_tickets")
    assert "?toolsets=core,plan" in told
    assert "TOOLSETS" not in told
    async with web.mcp(query="?toolsets=core,plan") as client:
        assert "unknown_tool" not in await outcome(client, "create_tickets")


async def outcome(client: Client, tool: str) -> str:
    result = await client.call_tool(tool, {})
    assert result.is_error
    return str(result.content[0])


async def test_one_client_does_not_fill_the_pool_however_many_requests_it_has(web: Web) -> None:
    many, other = await web.token("many"), await web.token("other")
    with board_locked(web.calls.units.database.url) as connection, anyio.fail_after(SECONDS):
        async with web.rest(many) as greedy, web.rest(other) as rest:
            calls = [
                asyncio.create_task(greedy.post("/tickets/create", json={"title": f"{number}"}))
                for number in range(3 * TURNS)
            ]
            await until(lambda: waiting_for_a_lock(connection) == TURNS)
            more = asyncio.create_task(rest.post("/tickets/create", json={"title": "More"}))
            await until(lambda: waiting_for_a_lock(connection) == TURNS + 1)
            assert (await rest.get("/workflows")).status_code == 200
            connection.rollback()
            answers = [await call for call in (*calls, more)]
    assert [answer.status_code for answer in answers] == [201] * len(answers)


async def test_who_waits_for_a_ticket_takes_no_turn_meanwhile(web: Web) -> None:
    secret = await web.token("many")
    async with web.rest(secret) as rest:
        waiting = [
            asyncio.create_task(claim(rest, f"agent-{number}")) for number in range(2 * TURNS)
        ]
        with anyio.fail_after(SECONDS / 2):
            for number in range(len(waiting)):
                await filed(rest, title=f"Ready {number}")
            answers = [await each for each in waiting]
    assert [answer.status_code for answer in answers] == [200] * len(answers)


async def claim(rest: httpx.AsyncClient, agent: str) -> httpx.Response:
    wanted = {"agent_id": agent, "wait_seconds": SECONDS}
    return await rest.post("/tickets/claim", json=wanted)
