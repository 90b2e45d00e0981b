"""One throw-away PostgreSQL per run, one template database, a clone for each test that asks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import URL, create_engine

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.server.calls import Calls
from tests.factories import Desk


@pytest.fixture(scope="session", autouse=True)
def no_model() -> Generator[None]:
    """Servers that tests start embed nothing, unless a test is about that: it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDDING_PROVIDER", "none")
        yield


@pytest.fixture(scope="session")
def template_url() -> Generator[URL]:
    """A migrated database that nothing but clones is ever made of."""
    with throwaway_home() as home, only_server(home, 0), running_postgres(home) as postgres:
        url = socket_url(postgres.socket)
        migrate(url)
        yield url


@pytest.fixture
def database_url(template_url: URL) -> Generator[URL]:
    """A database of the test's own, in its first state."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(template_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {name} TEMPLATE "{template_url.database}"')
    yield template_url.set(database=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
async def calls(database_url: URL) -> AsyncGenerator[Calls]:
    async with open_calls(database_url) as opened:
        yield opened


@pytest.fixture
def desk(calls: Calls) -> Desk:
    """The catalogue at hand: `await desk.create_ticket(title="…")`."""
    return Desk(calls, Caller(agent_id="tester"))
