"""`kill -9` in the middle of indexing: nothing acknowledged is lost, and all is found in the end.

`--rounds 50` kills more often; what each kill met is in the output (`-rP`).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from random import Random

import pytest
from acknowledged import Acknowledgements
from crowds import log_of, told
from hosts import Host, hosted
from servers import until
from victims import database_of, kill, moments, remains_of
from writers import Client, SessionEnded

from hephaestus_tickets.domain.indexing import embedded_text
from hephaestus_tickets.indexing.jobs import Text
from tests.services.actors import Sql

WRITING_S = 1.0  # how long at most is written before a kill: some 15 tickets
MEETING_S = 20.0  # until indexing is where it is to be killed; the model is loaded in it
STEP_S = 0.002  # how long at most it goes on between two looks at it
LEAVING_S = 10.0  # what a killed server started, on a busy machine
INDEXING_S = 30.0  # all that waits after the last kill; its claims would hold for 60
WORDS = """
    anchor bakery candle desert engine falcon garden hammer island jacket kitchen ladder magnet
    needle orchestra parachute quarry railway saddle teacher umbrella violin waterfall yacht
    astronaut bicycle carpet dentist elephant furnace glacier harbour insurance jungle kettle
    library mountain nurse oyster piano quilt rocket senator tractor uniform volcano wizard zebra
"""
WRONG = ["indexing failed", "indexing waits", "spoiled", "all again"]  # in the server's log
TICKETS = """
    SELECT t.id, t.title, t.description, t.tags, e.digest
    FROM tickets t
    LEFT JOIN embeddings e ON e.ticket_id = t.id
    LEFT JOIN index_jobs j ON j.ticket_id = t.id
"""
CLAIMED = f"{TICKETS} WHERE j.locked_until IS NOT NULL"
# The tickets that are being indexed, and of each whether its vector is kept already.
Look = list[bool]
# Whether it is time for a kill, by a look and the one before.
Meets = Callable[[Look, Look], bool]


def claimed(_: Look, now: Look) -> bool:
    return now != []


def embedded(_: Look, now: Look) -> bool:
    return any(now)


def finished(before: Look, now: Look) -> bool:
    return before != [] and now == []


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What the database has of one."""

    ticket_id: str
    title: str
    is_embedded: bool  # as it is now


@dataclass(frozen=True, kw_only=True)
class Kill:
    """After how many seconds of writing, and what was being indexed."""

    after: float
    before: Look
    now: Look


@dataclass
class Author:
    """Makes tickets and renames them, and keeps what titles each may have after what it was told.

    That is one, or several where a new one was never answered.
    """

    chance: Random
    titles: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def write_on(self, session: Client) -> None:
        try:
            while True:
                self._makes(session)
                self._makes(session)
                self._renames(session)
        except SessionEnded:
            return

    def _makes(self, session: Client) -> None:
        title = self._title()
        reply = session.call("create_ticket", title=title)
        assert not reply["isError"], reply
        self.titles[reply["structuredContent"]["ticket_id"]] = [title]

    def _renames(self, session: Client) -> None:
        ticket_id, title = self.chance.choice(list(self.titles)), self._title()
        self.titles[ticket_id].append(title)
        reply = session.call("update_ticket", ticket_id=ticket_id, updates={"title": title})
        assert not reply["isError"], reply
        self.titles[ticket_id] = [title]

    def _title(self) -> str:
        return " ".join(self.chance.sample(WORDS.split(), 8))


@dataclass
class Trial:
    host: Host
    author: Author
    kills: list[Kill] = field(default_factory=list[Kill])
    killed: set[int] = field(default_factory=set[int])  # the last server and its processes

    def round(self, moment: float, meets: Meets) -> None:
        """A server starts, is written to for so long, and is killed as soon as indexing meets."""
        with ThreadPoolExecutor(1) as threads, self.host.shim() as lines:
            session = self.greeted(Client(lines, Acknowledgements()))
            written = threads.submit(self.author.write_on, session)
            server = self.host.server()
            self.kills.append(_stopped_when(meets, self.host, server, moment))
            self.killed = _processes_of(self.host)
            kill(server)
            written.result(LEAVING_S)
        assert server in self.killed

    def greeted(self, session: Client) -> Client:
        """Nothing of the server before is left beside the one that serves it."""
        session.greet()
        until(lambda: not self.killed & _processes_of(self.host), LEAVING_S)
        return session

    def faults(self, sql: Sql, session: Client) -> list[str]:
        tickets = {ticket.ticket_id: ticket for ticket in _tickets(sql)}
        titles = self.author.titles
        return [
            *(f"{each} is gone" for each in titles.keys() - tickets.keys()),
            *(f"{each} lost its title" for each in tickets if not self._is_as_told(tickets[each])),
            *(f"{each} is not embedded" for each in tickets if not tickets[each].is_embedded),
            *(f"{each} is not found" for each in tickets if not _is_found(session, tickets[each])),
        ]

    def _is_as_told(self, ticket: Ticket) -> bool:
        """A ticket that its author was never told of may be there all the same."""
        return ticket.title in self.author.titles.get(ticket.ticket_id, [ticket.title])


@pytest.fixture
def trial() -> Iterator[Trial]:
    with hosted("") as host:
        author = Author(Random(2))  # noqa: S311 - it guards no secret
        trial = Trial(told(host, EMBEDDING_PROVIDER="local"), author)
        yield trial
        print(*trial.kills, sep="\n")  # noqa: T201 - for pytest -rP


@pytest.mark.parametrize("meets", [claimed, embedded, finished])
def test_wherever_a_server_is_killed_in_indexing_nothing_is_lost_and_all_is_found(
    trial: Trial, rounds: int, meets: Meets
) -> None:
    for moment in islice(moments(WRITING_S), rounds):
        trial.round(moment, meets)
    with trial.host.shim() as lines:
        session = trial.greeted(Client(lines, Acknowledgements()))
        with Sql.on(database_of(trial.host.paths)) as sql:
            until(lambda: sql.one("SELECT count(*) FROM index_jobs") == 0, INDEXING_S)
            assert trial.faults(sql, session) == [], trial.kills
            assert sql.one("SELECT count(*) FROM embeddings") == sql.one(
                "SELECT count(*) FROM tickets"
            )
        assert _index_of(trial.host) == {"waiting": 0, "oldest_seconds": None, "last_error": None}
    assert [line for word in WRONG for line in log_of(trial.host, word)] == [], trial.kills


def _stopped_when(meets: Meets, host: Host, server: int, moment: float) -> Kill:
    """What a kill of the server meets: it stands still from then on."""
    with Sql.on(database_of(host.paths)) as sql:
        time.sleep(moment)
        looks = pairwise(_looks(server, sql))
        before, now = next(look for look in looks if meets(*look))
    return Kill(after=round(moment, 2), before=before, now=now)


def _looks(server: int, sql: Sql) -> Iterator[Look]:
    """Each while the server stands still; between two of them it runs for a random instant.

    So it is caught also where it is only for a millisecond, such as when it was not yet told that
    what it wrote is committed.
    """
    deadline = time.monotonic() + MEETING_S
    for step in moments(STEP_S):
        os.kill(server, signal.SIGSTOP)
        yield _claimed(sql)
        assert time.monotonic() < deadline, "indexing never came so far"
        os.kill(server, signal.SIGCONT)
        time.sleep(step)


def _claimed(sql: Sql) -> Look:
    return [ticket.is_embedded for ticket in _tickets(sql, CLAIMED)]


def _tickets(sql: Sql, statement: str = TICKETS) -> Iterator[Ticket]:
    for number, title, description, tags, digest in sql.rows(statement):
        text = embedded_text(title, description, tags, [])
        yield Ticket(
            ticket_id=f"ticket-{number}",
            title=title,
            is_embedded=digest == Text(number, text, {}).digest,
        )


def _is_found(session: Client, ticket: Ticket) -> bool:
    """As the nearest: a ticket of a title alone has the very vector of the title."""
    reply = session.call("semantic_search", query_text=ticket.title)
    assert not reply["isError"], reply
    nearest = reply["structuredContent"]["results"][:1]
    return [hit["ticket_id"] for hit in nearest] == [ticket.ticket_id]


def _processes_of(host: Host) -> set[int]:
    """The server, PostgreSQL and the engine."""
    words = [line.partition(" ")[0] for line in remains_of(host.paths)]
    return {int(word) for word in words if word.isdecimal()}


def _index_of(host: Host) -> dict[str, object]:
    return json.loads(host.said("status", "--json").out)["index"]
