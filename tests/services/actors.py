"""Several clients at once: each with connections of its own, on one database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from sqlalchemy import URL, Connection, NullPool, create_engine, text

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from tests.factories import BY_NAME, Desk, Json

SECONDS = 20.0
# A reply, or the TicketError that a call was refused with.
Outcome = Any


@dataclass(frozen=True)
class Sql:
    """Plain SQL, each statement committed by itself."""

    connection: Connection

    @classmethod
    @contextmanager
    def on(cls, url: URL) -> Generator[Sql]:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield cls(connection)

    def rows(self, statement: str, **values: Json) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(text(statement), values)]

    def run(self, statement: str, **values: Json) -> None:
        self.connection.execute(text(statement), values)

    def one(self, statement: str, **values: Json) -> Json:
        return self.connection.execute(text(statement), values).scalar_one()


@asynccontextmanager
async def open_desks(url: URL, like: Desk, count: int) -> AsyncGenerator[list[Desk]]:
    """`count` clients in one workflow, each with a pool of its own: agent-0, agent-1, …"""
    async with AsyncExitStack() as stack:
        yield [
            Desk(
                await stack.enter_async_context(open_calls(url)),
                replace(like.caller, agent_id=f"agent-{number}"),
            )
            for number in range(count)
        ]


async def together(*calls: Awaitable[Json]) -> list[Outcome]:
    """The outcomes of calls started at the same moment; any error but a TicketError fails."""
    with anyio.fail_after(SECONDS):
        return await asyncio.gather(*[outcome_of(call) for call in calls])


async def outcome_of(call: Awaitable[Json]) -> Outcome:
    try:
        return await call
    except TicketError as refusal:
        return refusal


def refusals(outcomes: list[Outcome]) -> list[TicketError]:
    return [outcome for outcome in outcomes if isinstance(outcome, TicketError)]


def replies(outcomes: list[Outcome]) -> list[Json]:
    return [outcome for outcome in outcomes if not isinstance(outcome, TicketError)]


async def meeting(
    sql: Sql, first: tuple[Desk, str, Json], second: Awaitable[Json]
) -> tuple[Json, Outcome]:
    """`first` is done but not committed when `second` starts; it commits once `second` waits."""
    desk, operation, arguments = first
    is_done, may_commit = anyio.Event(), anyio.Event()

    async def work(unit: UnitOfWork) -> Json:
        reply = await BY_NAME[operation].call(unit, BY_NAME[operation].parse(arguments))
        is_done.set()
        await may_commit.wait()
        return reply.model_dump(mode="json")

    with anyio.fail_after(SECONDS):
        async with asyncio.TaskGroup() as group:
            leading = group.create_task(desk.calls.units.run(desk.caller, work))
            await is_done.wait()
            following = group.create_task(outcome_of(second))
            await until_someone_waits(sql)
            may_commit.set()
    return leading.result(), following.result()


async def until_someone_waits(sql: Sql) -> None:
    """Until some session of this database waits for a lock."""
    deadline = time.monotonic() + SECONDS / 2
    statement = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while sql.one(statement) == 0:
        assert time.monotonic() < deadline, "nobody waited for a lock"
        await anyio.sleep(0.002)


def in_session(desk: Desk, agent: str, session: str = "") -> Desk:
    """One session of an agent; without a name, the one that is usual for it."""
    caller = replace(desk.caller, agent_id=agent, session=session or agent)
    return replace(desk, caller=caller)


async def shown(desk: Desk, ticket: str) -> Json:
    return (await desk.get_ticket(ticket_id=ticket))["ticket"]


async def changes(desk: Desk, ticket: str) -> list[str]:
    entries = (await desk.get_ticket_history(ticket_id=ticket))["entries"]
    return [entry["change_type"] for entry in entries if "change_type" in entry]


async def ready(desk: Desk, **arguments: Json) -> list[str]:
    return [
        each["ticket_id"] for each in (await desk.get_ready_tickets(**arguments)).get("tickets", [])
    ]
