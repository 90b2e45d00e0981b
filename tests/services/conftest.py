"""One database for the whole folder, a workflow of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import URL, create_engine

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server.calls import Calls
from tests.factories import Desk
from tests.services.actors import Sql


@pytest.fixture(scope="session")
def shared_url(template_url: URL) -> URL:
    """A clone that tests share: each keeps to its workflow. It goes with its PostgreSQL."""
    name = f"shared_{uuid.uuid4().hex}"
    admin = create_engine(template_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {name} TEMPLATE "{template_url.database}"')
    admin.dispose()
    return template_url.set(database=name)


@pytest.fixture
async def calls(shared_url: URL) -> AsyncGenerator[Calls]:
    async with open_calls(shared_url) as opened:
        yield opened


@pytest.fixture
async def desk(calls: Calls) -> Desk:
    """The catalogue at hand, in a new workflow with the default board."""
    caller = Caller(agent_id="tester", default_workflow=f"w-{uuid.uuid4().hex}")
    desk = Desk(calls, caller)
    await desk.configure_board(workflow_id=caller.default_workflow)
    return desk


@pytest.fixture
def sql(shared_url: URL) -> Generator[Sql]:
    """Plain SQL on the shared database."""
    with Sql.on(shared_url) as opened:
        yield opened
