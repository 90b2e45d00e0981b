"""Agents that race for ready tickets, what each was told, and what the database holds of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from acknowledged import Acknowledgements
from crowds import told
from hosts import Host
from lines import Lines, call_of
from writers import Client, SessionEnded

from tests.services.actors import Sql
from tests.services.invariants import violations
from tests.services.rows import insert_tickets

# JSON of a message.
Json = Any
# Who holds which ticket by which token.
Win = tuple[str, str, int]

WORKFLOW = "default"
NOTHING = "nothing_ready"
_PAUSE_S = 0.05  # before who found nothing looks again


@dataclass
class Racer:
    agent_id: str
    lease: dict[str, int] = field(default_factory=dict[str, int])
    wins: list[Win] = field(default_factory=list[Win])
    refusals: list[str] = field(default_factory=list[str])

    def hear(self, result: Json) -> None:
        if result["isError"]:
            self.refusals.append(result["content"][0]["text"].partition(":")[0])
            return
        won = result["structuredContent"]
        self.wins.append((self.agent_id, won["ticket_id"], won["claim_token"]))


@dataclass
class Session:
    """A racer in a session of its own."""

    racer: Racer
    client: Client

    @property
    def pid(self) -> int:
        return self.client.lines.process.pid

    def has_ended(self) -> bool:
        return self.client.lines.process.poll() is not None

    def claim(self) -> None:
        self.racer.hear(self.client.call("claim_ticket", **self.racer.lease))

    def claim_all(self) -> None:
        while not self.racer.refusals:
            self.claim()

    def claim_on(self, over: threading.Event) -> None:
        """Until it is over or the session ends; what others lose is taken too."""
        try:
            while not over.is_set():
                before = len(self.racer.refusals)
                self.claim()
                if len(self.racer.refusals) > before:
                    over.wait(_PAUSE_S)
        except SessionEnded:
            return


@contextmanager
def sessions(host: Host, racers: Iterable[Racer]) -> Generator[list[Session]]:
    """Each through a shim of its own, and served."""
    with ExitStack() as stack:
        opened: list[Session] = []
        for racer in racers:
            lines = stack.enter_context(told(host, AGENT_ID=racer.agent_id).shim())
            opened.append(Session(racer, Client(lines, Acknowledgements())))
            opened[-1].client.greet()
        yield opened


@contextmanager
def claiming(racing: Sequence[Session]) -> Generator[threading.Event]:
    """All claim on in the background until the event is set, which the block's end does."""
    over = threading.Event()
    with ThreadPoolExecutor(len(racing)) as threads:
        running = [threads.submit(each.claim_on, over) for each in racing]
        try:
            yield over
        finally:
            over.set()
        for each in running:
            each.result()


def at_once(*runs: Callable[[], None]) -> None:
    """All begin at the same moment."""
    start = threading.Barrier(len(runs))

    def run(each: Callable[[], None]) -> None:
        start.wait()
        each()

    with ThreadPoolExecutor(len(runs)) as threads:
        list(threads.map(run, runs))


def claim_all_in_one(lines: Lines, racers: Sequence[Racer]) -> None:
    """In one session that belongs to no agent: each has a claim under way until it is refused."""
    numbers = dict(enumerate(racers, start=1000))
    for number, racer in numbers.items():
        lines.send(call_of(number, "claim_ticket", agent_id=racer.agent_id))
    while numbers:
        message = lines.receive()
        racer = numbers.pop(message["id"])
        racer.hear(message["result"])
        if not racer.refusals:
            number = message["id"] + 1000
            numbers[number] = racer
            lines.send(call_of(number, "claim_ticket", agent_id=racer.agent_id))


def insert_ready(sql: Sql, count: int) -> list[str]:
    """Tickets that anybody may claim."""
    made = insert_tickets(sql, WORKFLOW, count)
    sql.run("UPDATE tickets SET assigned_agent_id = NULL WHERE claim_holder IS NULL")
    return made


def held(sql: Sql) -> set[Win]:
    rows = sql.rows(
        "SELECT claim_holder, 'ticket-' || id, claim_token FROM tickets "
        "WHERE claim_holder IS NOT NULL"
    )
    return {(holder, ticket, token) for holder, ticket, token in rows}


def claims_in_history(sql: Sql) -> Counter[tuple[str, str]]:
    """How often an agent has claimed a ticket."""
    rows = sql.rows(
        "SELECT agent_id, 'ticket-' || ticket_id FROM ticket_history WHERE change_type = 'claimed'"
    )
    return Counter((agent, ticket) for agent, ticket in rows)


def faults(sql: Sql, racers: Sequence[Racer], tickets: Sequence[str]) -> list[str]:
    """What contradicts that each ticket was won once, by the one who was told so."""
    told_of = [win for racer in racers for win in racer.wins]
    won = Counter(ticket for _, ticket, _ in told_of)
    claimed = claims_in_history(sql)
    kept = held(sql)
    return [
        *(f"{ticket} was won {won[ticket]} times" for ticket in tickets if won[ticket] != 1),
        *(f"{win} was told and is not so" for win in sorted(set(told_of) - kept)),
        *(f"{win} is so and was not told" for win in sorted(kept - set(told_of))),
        *(
            f"{claim} is {count} times in the history"
            for claim, count in claimed.items()
            if count != 1
        ),
        *(f"{claim} was never won" for claim in claimed - Counter((a, t) for a, t, _ in told_of)),
        *violations(sql, WORKFLOW),
    ]
