"""One database, one pool and one event loop for the folder; for each test a workflow."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import URL, create_engine

from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server.calls import Calls
from tests.adapters.git_repositories import new_repository
from tests.factories import Desk
from tests.services.actors import Sql, in_session
from tests.services.scenes import Scene

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Connecting anew for each test would take longer than most of them."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def shared_url(template_url: URL) -> URL:
    """A clone that tests share: each keeps to its workflow. It goes with its PostgreSQL."""
    name = f"shared_{uuid.uuid4().hex}"
    admin = create_engine(template_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE {name} TEMPLATE "{template_url.database}"')
    admin.dispose()
    return template_url.set(database=name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def calls(shared_url: URL) -> AsyncGenerator[Calls]:
    async with open_calls(shared_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def desk(calls: Calls) -> Desk:
    """The catalogue at hand, in a new workflow with the default board."""
    caller = Caller(agent_id="tester", default_workflow=f"w-{uuid.uuid4().hex}")
    desk = Desk(calls, caller)
    await desk.configure_board(workflow_id=caller.default_workflow)
    return desk


@pytest.fixture(scope="session")
def sql(shared_url: URL) -> Generator[Sql]:
    """Plain SQL on the shared database."""
    with Sql.on(shared_url) as opened:
        yield opened


@pytest.fixture
def ada(desk: Desk) -> Desk:
    return in_session(desk, "ada")


@pytest.fixture
def bob(desk: Desk) -> Desk:
    return in_session(desk, "bob")


@pytest_asyncio.fixture(loop_scope="session")
async def repositories(tmp_path: Path) -> AsyncGenerator[Repositories]:
    with open_repositories(GitSettings(roots=str(tmp_path))) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def scene(
    shared_url: URL, desk: Desk, tmp_path: Path, repositories: Repositories
) -> AsyncGenerator[Scene]:
    repo = new_repository(tmp_path / "repo")
    repo.commit(message="Begin")
    async with open_calls(shared_url, repositories=repositories) as calls:
        opened = Scene(replace(desk, calls=calls), repo)
        await opened.settings(repository=str(repo.path))
        yield opened
