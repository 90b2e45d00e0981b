"""Both servers over real HTTP, failing in every way a server does: what a tracker does then."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import anyio
import pytest
from finding import by_meaning, indexed
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import Unavailable
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.services import duplicates, searching
from tests.adapters import openai_stub as openai
from tests.adapters import qdrant_stub as qdrant
from tests.factories import Desk
from tests.services.actors import Sql

DIMENSION = 16
DEADLINE_S = 4.0


@dataclass(frozen=True)
class Servers:
    """The stubs, and a tracker that uses them."""

    openai: openai.Stub
    qdrant: qdrant.Stub
    desk: Desk
    indexer: Indexer


@pytest.fixture
async def servers(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Servers]:
    with openai.openai_stub(dimension=DIMENSION) as embedder, qdrant.qdrant_stub() as store:
        for name, value in {
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_MODEL": "words",
            "EMBEDDING_DIM": str(DIMENSION),
            "EMBEDDING_BASE_URL": embedder.base_url,
            "OPENAI_API_KEY": "a-secret",
            "QDRANT_URL": store.url,
            "QDRANT_API_KEY": "another-secret",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(searching, "SECONDS", 1.0)
        monkeypatch.setattr(duplicates, "SECONDS", 0.5)
        async with open_semantic(None) as semantic, open_calls(database_url, semantic) as calls:
            desk = Desk(calls, Caller(agent_id="tester"))
            yield Servers(embedder, store, desk, Indexer(calls.units, is_alone=True))


Fault = Callable[[Servers], AbstractContextManager[None]]


def embedder_that(behaviour: openai.Behaviour) -> Fault:
    @contextmanager
    def fault(servers: Servers) -> Generator[None]:
        servers.openai.always(behaviour)
        yield
        servers.openai.always(openai.FINE)

    return fault


def store_that(behaviour: qdrant.Behaviour) -> Fault:
    @contextmanager
    def fault(servers: Servers) -> Generator[None]:
        servers.qdrant.always(behaviour)
        yield
        servers.qdrant.always(qdrant.FINE)

    return fault


FAULTS: dict[str, Fault] = {
    "embedder refused": lambda servers: servers.openai.away(),
    "embedder 401": embedder_that(openai.failing(401)),
    "embedder 429": embedder_that(openai.limited("60")),
    "embedder 500": embedder_that(openai.failing(500)),
    "embedder slow": embedder_that(openai.Behaviour(seconds=2)),
    "embedder wrong dimension": embedder_that(openai.Behaviour(dimension=DIMENSION + 1)),
    "embedder garbage": embedder_that(openai.GARBAGE),
    "Qdrant down": lambda servers: servers.qdrant.away(),
    "Qdrant slow": store_that(qdrant.Behaviour(seconds=2)),
    "Qdrant 500": store_that(qdrant.failing(500)),
    "Qdrant 401": store_that(qdrant.failing(401)),
    "Qdrant garbage": store_that(qdrant.GARBAGE),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_whatever_fails_words_answer_writes_go_on_and_all_heals(
    servers: Servers, fault: Fault, sql: Sql
) -> None:
    desk = servers.desk
    before = await desk.make_ticket(title="zebra before")
    await indexed(servers.indexer)
    with fault(servers), anyio.fail_after(30):
        began = time.monotonic()
        reply = await desk.hybrid_search(query_text="zebra while it is broken")
        during = await desk.make_ticket(title="zebra during")
        assert time.monotonic() - began < DEADLINE_S
        assert [hit["ticket_id"] for hit in reply["results"]] == [before]
        assert reply["degraded"].startswith("by words alone: ")
        assert "secret" not in str(reply)
    sql.run("UPDATE index_jobs SET next_attempt_at = clock_timestamp()")
    await indexed(servers.indexer)
    healed = await desk.hybrid_search(query_text="zebra once more")
    assert "degraded" not in healed
    assert {hit["ticket_id"] for hit in healed["results"]} == {before, during}
    assert set(await by_meaning(desk, "zebra again")) == {before, during}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (embedder_that(openai.failing(401)), "OPENAI_API_KEY"),
        (embedder_that(openai.failing(404)), "EMBEDDING_MODEL"),
        (embedder_that(openai.Behaviour(dimension=DIMENSION + 1)), "EMBEDDING_DIM"),
        (store_that(qdrant.failing(401)), "QDRANT_API_KEY"),
    ],
    ids=["key", "model", "dimension", "Qdrant's key"],
)
async def test_a_wrong_setting_is_named_with_the_job_that_waits(
    servers: Servers, fault: Fault, reason: str, sql: Sql
) -> None:
    await indexed(servers.indexer)
    await servers.desk.make_ticket(title="zebra")
    with fault(servers), anyio.fail_after(30), pytest.raises(Unavailable):
        await servers.indexer.round()
    assert reason in sql.one("SELECT last_error FROM index_jobs")


async def test_a_wiped_qdrant_is_filled_again_without_paying_twice(servers: Servers) -> None:
    tickets = {await servers.desk.make_ticket(title=f"zebra {number}") for number in range(3)}
    await indexed(servers.indexer)
    embedded = len(servers.openai.requests)
    servers.qdrant.wipe()
    reply = await servers.desk.hybrid_search(query_text="zebra")
    assert reply["degraded"].startswith("by words alone: ")
    await indexed(servers.indexer)
    assert set(await by_meaning(servers.desk, "zebra")) == tickets
    assert len(servers.openai.requests) == embedded + 1  # the query's


async def test_qdrant_is_asked_as_a_tracker_of_many_workflows_should(servers: Servers) -> None:
    await servers.desk.make_ticket(title="zebra")
    await indexed(servers.indexer)
    await by_meaning(servers.desk, "zebra", filters={"status": "backlog"})
    indexes = servers.qdrant.asked("PUT /collections/[^/]+/index")
    tenants = [each.body["field_name"] for each in indexes if "is_tenant" in str(each.body)]
    assert tenants == ["workflow_id"]
    assert {each.key for each in indexes} == {"another-secret"}
    [upserted] = servers.qdrant.asked("PUT /collections/[^/]+/points")
    assert "wait=true" in upserted.query
    assert servers.qdrant.asked("POST /collections/aliases")
