"""PostgreSQL that goes away in the middle of calls: what is done again, and never twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import anyio
import pytest
import pytest_asyncio
from anyio import to_thread
from sqlalchemy import URL, text

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.retry import Effect
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import Postgres, running_postgres
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.services.violations import DatabaseUnavailable, OutcomeUnknown
from tests.factories import Desk
from tests.services.actors import Sql, outcome_of
from tests.services.rows import number_of

SECONDS = 20
EndBackend = Callable[[URL, int], None]


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    """One that may be killed: no other test is on it."""
    with throwaway_home() as home, only_server(home, 0), running_postgres(home) as postgres:
        migrate(socket_url(postgres.socket))
        yield postgres


@pytest.fixture
def url(postgres: Postgres) -> URL:
    return socket_url(postgres.socket)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(url: URL) -> AsyncGenerator[Desk]:
    async with open_calls(url) as calls:
        yield Desk(calls, Caller(agent_id="tester"))


def terminate(url: URL, pid: int) -> None:
    with Sql.on(url) as sql:
        sql.run("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)


def kill(_url: URL, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(SECONDS / 2):
        while not condition():  # noqa: ASYNC110 - another process is waited for
            await anyio.sleep(0.005)


async def backend(unit: UnitOfWork) -> int:
    return (await unit.session.scalars(text("SELECT pg_backend_pid()"))).one()


async def insert_agent(unit: UnitOfWork, name: str) -> None:
    await unit.session.execute(text("INSERT INTO agents (agent_id) VALUES (:name)"), {"name": name})


async def agents(desk: Desk, name: str) -> int:
    statement = text("SELECT count(*) FROM agents WHERE agent_id = :name")

    async def work(unit: UnitOfWork) -> int:
        return (await unit.session.scalars(statement, {"name": name})).one()

    return await desk.calls.units.run(desk.caller, work)


def cut_off(
    url: URL, name: str, how: EndBackend, *, times: int
) -> tuple[Callable[[UnitOfWork], Awaitable[str]], list[int]]:
    """A unit that loses its connection between two statements so often; and its attempts."""
    attempts: list[int] = []

    async def work(unit: UnitOfWork) -> str:
        attempts.append(len(attempts))
        await insert_agent(unit, name)
        if len(attempts) <= times:
            how(url, await backend(unit))
        await backend(unit)
        return "done"

    return work, attempts


@pytest.mark.parametrize("how", [terminate, kill])
async def test_a_unit_that_is_cut_off_is_done_again_and_exactly_once(
    desk: Desk, url: URL, how: EndBackend
) -> None:
    name = f"cut off by {how.__name__}"
    work, attempts = cut_off(url, name, how, times=1)
    with anyio.fail_after(SECONDS):
        assert await desk.calls.units.run(desk.caller, work) == "done"
    assert len(attempts) in (2, 3)  # a connection made too soon after a kill is ended as well
    assert await agents(desk, name) == 1


async def test_a_connection_that_was_lost_while_idle_meets_no_unit(desk: Desk, url: URL) -> None:
    async def work(unit: UnitOfWork) -> int:
        attempts.append(len(attempts))
        return await backend(unit)

    attempts: list[int] = []
    lost = await desk.calls.units.run(desk.caller, work)
    terminate(url, lost)
    run = desk.calls.units.run(desk.caller, work, effect=Effect.OUTPUT)
    assert await run != lost
    assert len(attempts) == 2


async def test_a_unit_that_is_cut_off_each_time_is_given_up(desk: Desk, url: URL) -> None:
    work, attempts = cut_off(url, "cut off for ever", terminate, times=9)
    refusal = await outcome_of(desk.calls.units.run(desk.caller, work))
    assert isinstance(refusal, DatabaseUnavailable)
    assert len(attempts) == 4
    assert await agents(desk, "cut off for ever") == 0


async def test_a_unit_whose_output_is_out_is_not_done_again(desk: Desk, url: URL) -> None:
    work, attempts = cut_off(url, "printed", terminate, times=9)
    run = desk.calls.units.run(desk.caller, work, effect=Effect.OUTPUT)
    assert isinstance(await outcome_of(run), DatabaseUnavailable)
    assert len(attempts) == 1


@pytest.fixture
def slow_commit(url: URL) -> Generator[None]:
    """A COMMIT of new agents takes longer than any test."""
    with Sql.on(url) as sql:
        sql.run(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$"
        )
        sql.run(
            "CREATE CONSTRAINT TRIGGER lingering AFTER INSERT ON agents "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION linger()"
        )
        yield
        sql.run("DROP FUNCTION linger() CASCADE")


async def cut_commits_off(url: URL, *, times: int) -> None:
    """Ends so many backends while they commit."""
    statement = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
    )
    with Sql.on(url) as sql:
        for _ in range(times):
            await until(lambda: sql.rows(statement) != [])


async def test_a_commit_that_is_cut_off_is_never_done_again_but_said(
    desk: Desk, url: URL, slow_commit: None
) -> None:
    attempts: list[int] = []

    async def work(unit: UnitOfWork) -> None:
        attempts.append(len(attempts))
        await insert_agent(unit, "in doubt")

    with anyio.fail_after(SECONDS):
        refusal, _ = await asyncio.gather(
            outcome_of(desk.calls.units.run(desk.caller, work)), cut_commits_off(url, times=1)
        )
    assert isinstance(refusal, OutcomeUnknown)
    assert str(refusal) == (
        "The connection to the database was lost while the change was being saved: it may or may "
        "not have been saved. Look with get_ticket, get_tickets or get_ticket_history before you "
        "try again."
    )
    assert len(attempts) == 1


async def test_a_read_whose_commit_is_cut_off_is_simply_done_again(
    desk: Desk, url: URL, slow_commit: None
) -> None:
    attempts: list[int] = []

    async def work(unit: UnitOfWork) -> str:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            await insert_agent(unit, "no reader would")  # only its COMMIT can be made to wait
        await backend(unit)
        return "read"

    run = desk.calls.units.run(desk.caller, work, effect=Effect.NOTHING)
    with anyio.fail_after(SECONDS):
        outcome, _ = await asyncio.gather(run, cut_commits_off(url, times=1))
    assert outcome == "read"
    assert len(attempts) == 2


async def test_calls_wait_for_a_postgresql_that_is_brought_back(
    desk: Desk, postgres: Postgres, url: URL
) -> None:
    before = await desk.make_ticket()
    os.kill(postgres.pid, signal.SIGKILL)
    with anyio.fail_after(SECONDS):
        await until(lambda: not postgres.is_running())
        calls = [asyncio.create_task(desk.make_ticket(title="Brought back")) for _ in range(20)]
        reading = asyncio.create_task(desk.status_of(before))
        await asyncio.sleep(0.1)
        assert not any(call.done() for call in [*calls, reading])
        postgres.relaunch()
        await to_thread.run_sync(postgres.wait_until_accepting)
        made = await asyncio.gather(*calls)
        assert await reading == "backlog"
    with Sql.on(url) as sql:
        there = sql.rows("SELECT id FROM tickets WHERE title = 'Brought back' ORDER BY id")
    assert sorted(number_of(ticket) for ticket in made) == [number for (number,) in there]


async def test_calls_do_not_wait_for_ever_for_a_postgresql_that_stays_away(
    desk: Desk, postgres: Postgres
) -> None:
    os.kill(postgres.pid, signal.SIGKILL)
    began = time.monotonic()
    refusal = await outcome_of(desk.get_tickets())
    assert isinstance(refusal, DatabaseUnavailable)
    assert 5 <= time.monotonic() - began < 7
    postgres.relaunch()
    await to_thread.run_sync(postgres.wait_until_accepting)
    await desk.get_tickets()
