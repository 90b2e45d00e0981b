"""A tracker with very many tickets, their edges and their stories, copied into its tables.

The indexes that are no constraint's are made after the rows, and the rows of a COPY are not
checked against the tables they refer to: both would take longer than all the rest.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import cast

from psycopg import AsyncConnection
from synthetic import SYLLABLES, Language

from hephaestus_tickets.db import Database
from hephaestus_tickets.services.keyword_index import title_digest

BIG = "default"
SMALL = [f"side-{number}" for number in range(1, 20)]
ENDED = "ended"  # has the oldest tickets, one in a hundred, and none since
HUBS, DEPENDENTS = 16, 100
TOPICS = [f"{first}{second}" for first in SYLLABLES[:8] for second in SYLLABLES[6:11]]
COLUMNS = {
    "tickets": "id, workflow_id, title, description, ticket_type, priority, status, created_by, "
    "assigned_agent_id, tags, is_resolved, open_blockers, created_at, updated_at, started_at, "
    "completed_at, resolved_at, version, word_count, title_digest",
    "ticket_blockers": "blocked_id, blocker_id, workflow_id, created_by, created_at",
    "ticket_history": "ticket_id, agent_id, change_type, field_name, old_value, new_value, "
    "change_description, metadata, changed_at",
    "ticket_comments": "ticket_id, agent_id, comment_text, comment_type, created_at",
}
_TYPES = ("task", "task", "bug", "feature", "improvement", "spike")
_PRIORITIES, _PRIORITY_SHARES = (3, 2, 1, 0), (10, 30, 80, 100)
_BLOCKERS, _BLOCKER_SHARES = (0, 1, 2, 3, 4), (25, 53, 78, 94, 100)  # 1.5 on average
_OLD = 0.6  # of the tickets; nearly all of those are resolved, few of the others
_NEAR = 1_000  # a blocker is one of so many before it
_CHUNK = 10_000
_BEGINNING, _STEP_S = datetime(2023, 1, 1, tzinfo=UTC), 90
_WITHOUT_CHECKS = (
    "SET statement_timeout = 0",
    "SET session_replication_role = replica",
    "SET maintenance_work_mem = '256MB'",
    "SET synchronous_commit = off",
)
_WORKFLOWS = """
    WITH made AS (
        INSERT INTO workflows (workflow_id, name) SELECT name, name
        FROM unnest(CAST(%(names)s AS text[])) AS name
        RETURNING workflow_id
    )
    INSERT INTO board_configs (workflow_id, name, columns, ticket_types, default_ticket_type,
                               initial_status, settings)
    SELECT made.workflow_id, name, columns, ticket_types, default_ticket_type, initial_status,
           settings
    FROM made CROSS JOIN board_configs WHERE board_configs.workflow_id = %(like)s
"""
_PLAIN_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY(CAST(%s AS regclass[]))
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY indexrelid
"""
_SIZES = """
    SELECT format('%%s %%s + %%s of indexes', name, pg_size_pretty(pg_table_size(name)),
                  pg_size_pretty(pg_indexes_size(name)))
    FROM unnest(CAST(%s AS regclass[])) AS name
"""


@dataclass(slots=True)
class Pool:
    """The tickets of a workflow by how they stand; hubs are those that block many."""

    all: list[int] = field(default_factory=list[int])
    resolved: list[int] = field(default_factory=list[int])
    backlog: list[int] = field(default_factory=list[int])
    blocked: list[int] = field(default_factory=list[int])
    low_in_progress: list[int] = field(default_factory=list[int])
    hubs: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class _Event:
    agent: str
    kind: str
    at: datetime
    field_name: str | None = None
    old: str | None = None
    new: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    number: int
    workflow: str
    priority: int
    status: str
    blockers: Sequence[int]
    open_blockers: int

    @property
    def is_resolved(self) -> bool:
        return self.status in ("done", "cancelled")


def moment(number: int) -> datetime:
    """When a ticket was created."""
    return _BEGINNING + timedelta(seconds=number * _STEP_S)


def agents(tickets: int) -> int:
    return max(20, tickets // 500)


def rare_tags(tickets: int) -> int:
    return max(20, tickets // 200)


class Story:
    """Makes the tickets; those of the biggest workflow can be asked for afterwards."""

    def __init__(self, tickets: int) -> None:
        self.tickets = tickets
        self.pools = {workflow: Pool() for workflow in (BIG, ENDED, *SMALL)}
        self.lines: dict[str, list[str]] = {table: [] for table in COLUMNS}
        self._dice = random.Random(tickets)  # noqa: S311 - to be repeated, not a secret
        language = Language(1)
        self._titles = [language.text(7) for _ in range(5_000)]
        self._phrases = [language.text(16) for _ in range(5_000)]

    def chunks(self) -> Generator[int]:
        """Fills `lines` again and again, until all tickets are told."""
        first_hub = self.tickets - HUBS * (DEPENDENTS + 1) + 1
        for number in range(1, self.tickets + 1):
            if number < first_hub:
                ticket = self._any_ticket(number)
                self._remember(ticket)
                self._tell(ticket)
            else:
                self._tell(self._around_hub(number, (number - first_hub) % (DEPENDENTS + 1)))
            if number % _CHUNK == 0 or number == self.tickets:
                yield number
                self.lines = {table: [] for table in COLUMNS}

    def _any_ticket(self, number: int) -> _Ticket:
        dice = self._dice
        workflow = BIG if dice.random() < 0.8 else dice.choice(SMALL)
        workflow = ENDED if number <= self.tickets // 100 else workflow
        pool, status = self.pools[workflow], self._status(number)
        wanted, finished = self._one_of(_BLOCKERS, _BLOCKER_SHARES), pool.resolved[-_NEAR:]
        blockers = set[int]()
        if status == "backlog" and pool.backlog and dice.random() < 2 / 3:
            blockers.update(dice.choices(pool.backlog[-_NEAR:], k=dice.randint(1, wanted or 1)))
        waiting = len(blockers)
        if finished and wanted > waiting:
            blockers.update(dice.choices(finished, k=wanted - waiting))
        return _Ticket(
            number=number,
            workflow=workflow,
            priority=self._one_of(_PRIORITIES, _PRIORITY_SHARES),
            status=status,
            blockers=sorted(blockers),
            open_blockers=waiting,
        )

    def _remember(self, ticket: _Ticket) -> None:
        pool = self.pools[ticket.workflow]
        pool.all.append(ticket.number)
        if ticket.is_resolved:
            pool.resolved.append(ticket.number)
        if ticket.status == "backlog":
            pool.backlog.append(ticket.number)
        if ticket.open_blockers:
            pool.blocked.append(ticket.number)
        if ticket.status == "in_progress" and ticket.priority == 0:
            pool.low_in_progress.append(ticket.number)

    def _around_hub(self, number: int, place: int) -> _Ticket:
        """A ticket of the lowest priority, then those that it alone blocks."""
        pool = self.pools[BIG]
        if place == 0:
            pool.hubs.append(number)
        return _Ticket(
            number=number,
            workflow=BIG,
            priority=0,
            status="backlog",
            blockers=pool.hubs[-1:] if place else [],
            open_blockers=min(place, 1),
        )

    def _status(self, number: int) -> str:
        chance = self._dice.random()
        resolved = 0.9 if number < _OLD * self.tickets else 0.15
        if chance < resolved:
            return "done" if chance < 0.95 * resolved else "cancelled"
        left = (chance - resolved) / (1 - resolved)
        return "backlog" if left < 0.75 else "in_progress" if left < 0.875 else "review"

    def _one_of(self, values: Sequence[int], shares: Sequence[int]) -> int:
        chance = self._dice.random() * 100
        return next(value for value, share in zip(values, shares, strict=True) if chance < share)

    def _agent(self) -> str:
        return f"agent-{self._dice.randrange(agents(self.tickets))}"

    def _tell(self, ticket: _Ticket) -> None:
        at, creator = moment(ticket.number), self._agent()
        assignee = None if ticket.status == "backlog" else self._agent()
        events = list(self._events(ticket, at, creator, assignee))
        for version, event in enumerate(events, 1):
            self._add(
                "ticket_history",
                *(ticket.number, event.agent, event.kind, event.field_name),
                *(_json(event.old), _json(event.new), event.description),
                *(json.dumps({"version": version}), event.at),
            )
        for blocker in ticket.blockers:
            self._add("ticket_blockers", ticket.number, blocker, ticket.workflow, creator, at)
        if self._dice.random() < 0.4:
            comment = self._dice.choice(self._phrases)
            self._add("ticket_comments", ticket.number, creator, comment, "general", events[-1].at)
        self._add_ticket(ticket, creator, assignee, events)

    def _events(
        self, ticket: _Ticket, at: datetime, creator: str, assignee: str | None
    ) -> Generator[_Event]:
        pauses = accumulate(100 * self._dice.random() for _ in range(4))
        later = (at + timedelta(hours=hours) for hours in pauses)
        yield _Event(creator, "created", at, description="created in backlog")
        if assignee is None:
            yield _Event(creator, "field_changed", next(later), "title", "before", "after")
            return
        yield _Event(assignee, "assigned", next(later), "assigned_agent_id", None, assignee)
        yield _Event(assignee, "status_changed", next(later), "status", "backlog", "in_progress")
        if ticket.status == "review":
            yield _Event(assignee, "status_changed", next(later), "status", "in_progress", "review")
        if ticket.is_resolved:
            yield _Event(assignee, "resolved", next(later), "status", "in_progress", ticket.status)

    def _add_ticket(
        self, ticket: _Ticket, creator: str, assignee: str | None, events: Sequence[_Event]
    ) -> None:
        dice = self._dice
        title = f"{dice.choice(self._titles)} {ticket.number}"
        tags = [dice.choice(TOPICS), f"part-{dice.randrange(rare_tags(self.tickets))}"]
        latest = events[-1].at
        ended = latest if ticket.is_resolved else None
        self._add(
            "tickets",
            *(ticket.number, ticket.workflow, title, " ".join(dice.choices(self._phrases, k=2))),
            *(dice.choice(_TYPES), ticket.priority, ticket.status, creator, assignee),
            *(json.dumps(tags[: dice.randrange(3)]), ticket.is_resolved, ticket.open_blockers),
            *(events[0].at, latest, None if assignee is None else events[2].at, ended, ended),
            *(len(events), 56, rf"\\x{title_digest(title).hex()}"),
        )

    def _add(self, table: str, *values: object) -> None:
        told = [r"\N" if value is None else str(value) for value in values]
        self.lines[table].append("\t".join(told))


def _json(value: str | None) -> str | None:
    return None if value is None else f'"{value}"'


async def fill(database: Database, tickets: int) -> Story:
    began, story = time.perf_counter(), Story(tickets)
    async with _loading(database) as connection:
        await connection.execute(_WORKFLOWS, {"names": [ENDED, *SMALL], "like": BIG})
        found = await connection.execute(_PLAIN_INDEXES, [list(COLUMNS)])
        indexes = await found.fetchall()
        for name, _ in indexes:
            await _run(connection, f"DROP INDEX {name}")
        for _ in story.chunks():
            for table, columns in COLUMNS.items():
                await _copy(connection, f"COPY {table} ({columns}) FROM STDIN", story.lines[table])
        copied = time.perf_counter() - began
        for _, definition in indexes:
            await _run(connection, definition)
        await _run(connection, "SELECT setval(pg_get_serial_sequence('tickets', 'id'), max(id))"
                   " FROM tickets")  # fmt: skip
        for statement in ("VACUUM (FREEZE, ANALYZE)", "CHECKPOINT", "SELECT pg_stat_reset()"):
            await _run(connection, statement)
        found = await connection.execute(_SIZES, [list(COLUMNS)])
        sizes = "\n      ".join(str(row[0]) for row in await found.fetchall())
    took = time.perf_counter() - began
    print(f"    loaded in {took:.0f} s, {copied:.0f} s of them COPY\n      {sizes}", flush=True)
    return story


@asynccontextmanager
async def _loading(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection of the pool as psycopg has it, each statement a transaction; then closed."""
    async with database.engine.connect() as pooled:
        driver = (await pooled.get_raw_connection()).driver_connection
        raw = cast("AsyncConnection", driver)  # the driver's, untyped here
        await raw.set_autocommit(True)
        for statement in _WITHOUT_CHECKS:
            await _run(raw, statement)
        yield raw
        await pooled.invalidate()


async def _run(connection: AsyncConnection, statement: str) -> None:
    await connection.execute(statement.encode())


async def _copy(connection: AsyncConnection, statement: str, lines: Sequence[str]) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:
        await copying.write("\n".join([*lines, ""]))
