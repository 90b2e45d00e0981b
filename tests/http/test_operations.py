"""What an operator sees and does: health, metrics, a stop, a crowd, what is left behind."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL, create_engine, text

from hephaestus_tickets import db
from hephaestus_tickets.app.http import serving_http
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.lookup import WORKFLOW_LOCK
from hephaestus_tickets.services.unit_of_work import Units
from tests.http.processes import replica
from tests.http.test_rest import filed
from tests.http.test_tokens import BOTH, INITIALIZE, LIST
from tests.http.web import Json, Web, refusal, reply, serving

SECONDS = 20.0


async def test_a_server_that_can_serve_says_what_it_needs_and_how_that_is(web: Web) -> None:
    async with web.rest() as rest:
        alive = await rest.get("/healthz")
        ready = await rest.get("/readyz")
    assert (alive.status_code, alive.text) == (200, "alive\n")
    assert ready.status_code == 200
    told = ready.json()
    assert told["status"] == "ready"
    assert list(told["checks"]) == [
        "database", "migrations", "index_queue", "vector_store", "embedder",
    ]  # fmt: skip
    assert [told["checks"][name] for name in ("database", "migrations", "index_queue")] == [
        "ok"
    ] * 3
    assert told["checks"]["embedder"].startswith("off: ")


async def test_a_server_at_another_revision_is_not_ready(web: Web) -> None:
    async with web.calls.units.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    async with web.rest() as rest:
        ready = await rest.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["migrations"] == "at revision 0001: run init-db"


@contextmanager
def away(url: URL) -> Generator[None]:
    """Nobody can connect to the database, and nobody is."""
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": url.database},
        )
        yield
        connection.exec_driver_sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
    admin.dispose()


async def test_without_its_database_a_server_is_alive_and_not_ready(
    web: Web, rest: httpx.AsyncClient
) -> None:
    await filed(rest)
    with away(web.calls.units.database.url):
        began = time.monotonic()
        alive, ready, metrics = await asyncio.gather(
            rest.get("/healthz"), rest.get("/readyz"), rest.get("/metrics")
        )
        elapsed = time.monotonic() - began
    assert alive.status_code == 200
    assert ready.status_code == 503
    told = ready.json()
    assert told["status"] == "not ready"
    assert told["checks"]["database"] != "ok"
    assert len(told["checks"]) == 5
    assert elapsed < 8
    assert metrics.status_code in {200, 503}
    assert (await rest.get("/readyz")).status_code == 200


async def test_metrics_count_calls_by_operation_and_outcome(
    web: Web, rest: httpx.AsyncClient
) -> None:
    ticket = await filed(rest)
    await rest.get("/tickets/ticket-99")
    await rest.get(f"/tickets/{ticket}?nonsense=1")
    async with web.mcp() as client:
        for _ in range(2):
            await client.call_tool("get_ticket", {"ticket_id": ticket})
    shown = await rest.get("/metrics")
    samples: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(shown.text):
        for sample in family.samples:
            samples[sample.name, *sample.labels.values()] = sample.value
    counted = {key[1:]: value for key, value in samples.items() if key[0].endswith("calls_total")}
    assert counted == {
        ("create_ticket", "ok"): 1,
        ("get_ticket", "ok"): 2,
        ("get_ticket", "ticket_not_found"): 1,
        ("get_ticket", "unknown_argument"): 1,
    }
    assert samples["hephaestus_call_seconds_count", "get_ticket"] == 4
    assert samples[("hephaestus_index_queue_length",)] >= 0
    assert not math.isnan(samples[("hephaestus_index_queue_age_seconds",)])
    assert samples[("hephaestus_database_connections_limit",)] == 16


@contextmanager
def held_workflow(url: URL) -> Generator[None]:
    """Whoever resolves a ticket meanwhile waits."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_advisory_lock(:kind, id::int) FROM workflows "
                "WHERE workflow_id = 'default'"
            ),
            {"kind": WORKFLOW_LOCK},
        )
        yield
    engine.dispose()


async def until_waiting(url: URL, count: int) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect() as connection, anyio.fail_after(SECONDS):
        while connection.execute(waiting).scalar_one() < count:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await anyio.sleep(0.02)
    engine.dispose()


async def until_refused(port: int) -> None:
    with anyio.fail_after(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            writer.close()
            await anyio.sleep(0.02)


async def test_what_is_under_way_when_a_server_is_stopped_is_done_and_answered(
    database_url: URL, calls: Calls
) -> None:
    """Over REST, MCP and SSE; an idle stream holds nobody up."""
    async with replica(database_url) as served:
        web = Web(served.address, calls)
        async with web.rest() as rest, web.mcp() as client, web.sse() as stream:
            tickets = [await filed(rest, title=f"Ticket {number}") for number in range(3)]
            ends = [{"ticket_id": ticket} for ticket in tickets]
            for each in (client, stream):
                await each.list_tools()  # what it would ask for after its first call
            with held_workflow(database_url):
                under_way = (
                    asyncio.create_task(rest.post("/tickets/resolve", json=ends[0])),
                    asyncio.create_task(client.call_tool("resolve_ticket", ends[1])),
                    asyncio.create_task(stream.call_tool("resolve_ticket", ends[2])),
                )
                await until_waiting(database_url, 3)
                served.process.send_signal(signal.SIGTERM)
                await until_refused(served.port)
            began = time.monotonic()
            with anyio.fail_after(SECONDS):
                answer, over_mcp, over_sse = await asyncio.gather(*under_way)
                assert await served.process.wait() == 0
        assert time.monotonic() - began < 10
    assert reply(answer)["status"] == "done"
    assert not over_mcp.is_error
    assert not over_sse.is_error


async def test_a_full_pool_is_a_refusal_for_now(
    database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_SECONDS", 1)
    async with (
        db.open_database(database_url, pool_size=2) as database,
        serving_http(Calls(Units(database)), HttpSettings()) as address,
    ):
        web = Web(address, Calls(Units(database)))
        async with web.rest() as rest, web.mcp() as client:
            async with database.engine.connect(), database.engine.connect():
                began = time.monotonic()
                answer, result = await asyncio.gather(
                    rest.get("/workflows"), client.call_tool("list_workflows", {}),
                    return_exceptions=True,
                )  # fmt: skip
                elapsed = time.monotonic() - began
            assert isinstance(answer, httpx.Response)
            assert refusal(answer) == (503, "database_busy")
            assert answer.headers["retry-after"] == "5"
            assert isinstance(result, Exception)  # refused before MCP: by its 503
            assert elapsed < 5
            assert reply(await rest.get("/workflows"))["total_count"] == 1


async def test_a_session_that_nobody_uses_is_ended(database_url: URL) -> None:
    async with (
        serving(database_url, stateful=True, session_idle_seconds=1) as web,
        web.rest() as it,
    ):
        opened = await it.post("/mcp", json=INITIALIZE, headers=BOTH)
        session: Json = {**BOTH, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
        assert (await it.post("/mcp", json=LIST, headers=session)).status_code == 200
        await anyio.sleep(1.5)  # to ask would be to use it
        assert (await it.post("/mcp", json=LIST, headers=session)).status_code == 404
