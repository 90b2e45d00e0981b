from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Generator

import pytest
from sqlalchemy import URL

from hephaestus_tickets.app import database_url as open_database_url
from hephaestus_tickets.app import migrate, open_calls
from hephaestus_tickets.db import CONNECT_SECONDS, check_database
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.services.violations import DatabaseUnavailable
from tests.factories import Desk, Json
from tests.services.actors import Sql, replies, together

POOLED = "datname = current_database() AND application_name = 'hephaestus-tickets'"


@pytest.fixture
def empty_url(template_url: URL) -> Generator[URL]:
    """A database without a schema."""
    name = f"empty_{uuid.uuid4().hex}"
    with Sql.on(template_url.set(database="postgres")) as admin:
        admin.run(f"CREATE DATABASE {name} TEMPLATE template0")
        yield template_url.set(database=name)
        admin.run(f"DROP DATABASE {name} WITH (FORCE)")


def environment_of(url: URL) -> dict[str, str]:
    """How a user names that database; a host may be a socket's directory."""
    return {
        "DB_HOST": url.host or "",
        "DB_PORT": str(url.port),
        "DB_NAME": url.database or "",
        "DB_USER": url.username or "",
    }


def use(monkeypatch: pytest.MonkeyPatch, url: URL) -> None:
    for name, value in environment_of(url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def deaf_port() -> Generator[int]:
    """A port where somebody listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def elsewhere(port: int) -> URL:
    return URL.create(
        "postgresql+psycopg",
        username="hephaestus",
        password="not-to-be-told",  # noqa: S106 - the test looks for it in the message
        host="127.0.0.1",
        port=port,
        database="tracker",
    )


def test_a_database_of_ones_own_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, database_url: URL
) -> None:
    use(monkeypatch, database_url)
    with open_database_url() as url:
        assert (url.host, url.database) == (database_url.host, database_url.database)


def test_a_database_that_is_away_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    use(monkeypatch, elsewhere(port))
    started = time.monotonic()
    with pytest.raises(SetupError) as refused, open_database_url():
        pass
    assert time.monotonic() - started < CONNECT_SECONDS
    assert str(refused.value).startswith(
        f"Cannot reach the database 'tracker' at 127.0.0.1:{port}: "
    )
    assert "\n" not in str(refused.value)


def test_a_database_that_never_answers_is_said_within_the_time_to_connect(
    deaf_port: int,
) -> None:
    started = time.monotonic()
    with pytest.raises(SetupError) as refused:
        check_database(elsewhere(deaf_port))
    assert time.monotonic() - started < CONNECT_SECONDS + 2
    assert "not-to-be-told" not in str(refused.value)


def test_a_database_without_a_schema_is_not_migrated_but_said_to_be_behind(
    monkeypatch: pytest.MonkeyPatch, empty_url: URL
) -> None:
    use(monkeypatch, empty_url)
    with pytest.raises(SetupError) as refused, open_database_url():
        pass
    assert "is at schema revision none" in str(refused.value)
    assert "run `hephaestus-tickets init-db`" in str(refused.value)
    with Sql.on(empty_url) as sql:
        assert sql.one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_a_newer_database_is_neither_used_nor_migrated(database_url: URL) -> None:
    with Sql.on(database_url) as sql:
        sql.run("UPDATE alembic_version SET version_num = '9999'")
    for step in (check_database, migrate):
        with pytest.raises(SetupError, match=r"9999, which this version .* upgrade"):
            step(database_url)


def test_a_database_is_made_ready_by_several_processes_at_once(empty_url: URL) -> None:
    command = [sys.executable, "-m", "hephaestus_tickets.scripts.init_db"]
    environment = {**os.environ, **environment_of(empty_url)}
    running = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0], said
    check_database(empty_url)
    assert migrate(empty_url) is False
    with Sql.on(empty_url) as sql:
        assert sql.one("SELECT count(*) FROM workflows") == 1


async def test_connections_lost_while_idle_are_replaced_before_a_call_meets_them(
    desk: Desk, sql: Sql
) -> None:
    await together(*[desk.make_ticket() for _ in range(5)])
    ended = sql.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {POOLED}")
    assert len(ended) > 1
    outcomes = await together(*[desk.make_ticket() for _ in range(5)])
    assert len(replies(outcomes)) == 5


async def test_a_database_that_goes_away_later_is_said_to_each_caller(desk: Desk) -> None:
    async with open_calls(elsewhere(closed_port())) as calls:
        nowhere = Desk(calls, desk.caller)
        outcomes: list[Json] = await together(
            nowhere.get_tickets(), nowhere.create_ticket(title="x"), nowhere.list_workflows()
        )
    assert {type(outcome) for outcome in outcomes} == {DatabaseUnavailable}
