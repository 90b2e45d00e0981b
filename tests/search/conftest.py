"""A tracker with the real engine for vectors and a small model, in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from sqlalchemy import URL

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.server.calls import Calls
from tests.factories import Desk
from tests.fakes import FakeEmbedder, open_searching
from tests.services.actors import Sql


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
async def calls(database_url: URL, tmp_path: Path, embedder: FakeEmbedder) -> AsyncGenerator[Calls]:
    async with open_searching(database_url, tmp_path / "vectors", embedder) as opened:
        yield opened


@pytest.fixture
def desk(calls: Calls) -> Desk:
    return Desk(calls, Caller(agent_id="tester"))


@pytest.fixture
def sql(database_url: URL) -> Generator[Sql]:
    with Sql.on(database_url) as opened:
        yield opened


@pytest.fixture
def indexer(calls: Calls) -> Indexer:
    return Indexer(calls.units, is_alone=True)
