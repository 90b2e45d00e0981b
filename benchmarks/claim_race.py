"""Many agents race for the same ready tickets, and each ticket is won exactly once.

    uv run python benchmarks/claim_race.py [--clients 64] [--tickets 1000]

Every client calls claim_ticket, without naming a ticket, until nothing is ready: once over the
socket of one local server, each through a shim of its own; once in two processes with DB_HOST set,
on one PostgreSQL, each shared by half of the clients, whose calls do not wait for each other. Both
on throw-away homes, fsync on. What they were told is then compared with what the database holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import Any

from sessions import OURS, Lines, Reply, new_home, session
from sqlalchemy import URL, NullPool, create_engine, text

from hephaestus_tickets.app import database_url, migrate, socket_url
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres

PROCESSES = 2
NO_MODEL = {"EMBEDDING_PROVIDER": "none"}
PRIORITIES = ("low", "medium", "high", "critical")
NOTHING = "nothing_ready"
# Who won which ticket by which token.
Win = tuple[str, str, int]
HELD = """
    SELECT claim_holder, 'ticket-' || id, claim_token FROM tickets WHERE claim_holder IS NOT NULL
"""
CLAIMED = """
    SELECT t.id, count(h.id) FROM tickets t
    LEFT JOIN ticket_history h ON h.ticket_id = t.id AND h.change_type = 'claimed'
    GROUP BY t.id
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64, help="who race (64)")
    parser.add_argument("--tickets", type=int, default=1000, help="for so many tickets (1000)")
    options = parser.parse_args()
    faults: list[str] = []
    for name, opened in (
        ("one local server, a shim for each client", by_shims),
        (f"{PROCESSES} processes with DB_HOST, shared", by_processes),
    ):
        print(f"\n{name}: {options.clients} clients, {options.tickets} tickets", flush=True)
        with opened(options.clients) as (clients, url):
            prepare(clients, options.tickets)
            seconds = race(clients)
            faults += tell(clients, seconds, faults_of(clients, url, options.tickets))
    sys.exit(1 if faults else 0)


@dataclass(kw_only=True)
class Client:
    """An agent with its way to a server, and what it was told."""

    agent_id: str
    ask: Callable[..., Reply]
    wins: list[Win] = field(default_factory=list[Win])
    seconds: list[float] = field(default_factory=list[float])
    refusals: list[str] = field(default_factory=list[str])

    def create(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            priority = PRIORITIES[number % len(PRIORITIES)]
            reply = self.ask("create_ticket", title=f"Ticket {number}", priority=priority)
            assert not reply.result.get("isError"), reply.result

    def claim_all(self) -> None:
        """One after the other, until one is refused."""
        while not self.refusals:
            self._claim()

    def _claim(self) -> None:
        reply = self.ask("claim_ticket")
        if reply.result.get("isError"):
            self.refusals.append(reply.result["content"][0]["text"].partition(":")[0])
            return
        told = reply.result["structuredContent"]
        self.wins.append((self.agent_id, told["ticket_id"], told["claim_token"]))
        self.seconds.append(reply.seconds)


Opened = Generator[tuple[list[Client], URL]]


@contextmanager
def by_shims(count: int) -> Opened:
    with new_home() as home, ExitStack() as stack:
        clients: list[Client] = []
        for number in range(count):
            agent_id = f"agent-{number}"
            lines = stack.enter_context(session(OURS, home, AGENT_ID=agent_id, **NO_MODEL))
            lines.greet()
            clients.append(Client(agent_id=agent_id, ask=lines.ask))
        with database_url(home.root) as url:
            yield clients, url


@contextmanager
def by_processes(count: int) -> Opened:
    with (
        throwaway_home(lasting=True) as home,
        only_server(home, 0),
        running_postgres(home) as postgres,
        ExitStack() as stack,
    ):
        url = socket_url(postgres.socket)
        migrate(url)
        place = {
            "DB_HOST": str(url.host),
            "DB_PORT": str(url.port),
            "DB_USER": str(url.username),
            "DB_NAME": str(url.database),
        }
        shared: list[Shared] = []
        for _ in range(PROCESSES):
            lines = stack.enter_context(session(OURS, home, **place, **NO_MODEL))
            lines.greet()
            shared.append(Shared(lines))
            stack.callback(shared[-1].close)
        yield (
            [_sharing(shared[number % PROCESSES], f"agent-{number}") for number in range(count)],
            url,
        )


def _sharing(shared: Shared, agent_id: str) -> Client:
    return Client(agent_id=agent_id, ask=partial(shared.ask, agent_id=agent_id))


class Shared:
    """One session for many threads: nobody waits for the others' replies."""

    def __init__(self, lines: Lines) -> None:
        self._process = lines.process
        self._numbers = iter(range(lines.calls + 1, sys.maxsize))
        self._asked: dict[int, Future[Any]] = {}  # Any: JSON
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def close(self) -> None:
        """The end of input; the process ends, and with it what is read."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.stdin = None
        self._reader.join()

    def ask(self, tool: str, **arguments: str) -> Reply:
        began = time.perf_counter()
        answer: Future[Any] = Future()
        with self._writing:
            number = next(self._numbers)
            self._asked[number] = answer
            self._send(number, {"name": tool, "arguments": arguments})
        result = answer.result()
        return Reply(seconds=time.perf_counter() - began, result=result)

    def _send(self, number: int, params: object) -> None:
        assert self._process.stdin
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            message = json.loads(line)
            self._asked.pop(message["id"]).set_result(message["result"])
        for answer in self._asked.values():
            answer.set_exception(EOFError("the session ended without a reply"))


def prepare(clients: Sequence[Client], tickets: int) -> None:
    with ThreadPoolExecutor(len(clients)) as threads:
        shares = [range(number, tickets, len(clients)) for number in range(len(clients))]
        list(threads.map(Client.create, clients, shares))


def race(clients: Sequence[Client]) -> float:
    """Seconds from the common start until the last client is told that nothing is left."""
    start = threading.Barrier(len(clients) + 1)

    def run(client: Client) -> None:
        start.wait()
        client.claim_all()

    with ThreadPoolExecutor(len(clients)) as threads:
        running = [threads.submit(run, client) for client in clients]
        start.wait()
        began = time.perf_counter()
        for each in running:
            each.result()
        return time.perf_counter() - began


def faults_of(clients: Sequence[Client], url: URL, tickets: int) -> list[str]:
    """What contradicts that each ticket was won once, by who was told so."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        held = {tuple(row) for row in connection.execute(text(HELD))}
        claimed = Counter(count for _, count in connection.execute(text(CLAIMED)))
    told = [win for client in clients for win in client.wins]
    checks = {
        f"{len(held)} of {tickets} tickets are held": len(held) == tickets,
        "a token was given twice": len({token for _, _, token in held}) == len(held),
        f"claims per ticket in the history: {dict(claimed)}": claimed == {1: tickets},
        f"{len(told)} wins were told for {tickets} tickets": len(told) == tickets,
        f"{len(held ^ set(told))} wins are not as they were told": held == set(told),
    }
    return [fault for fault, is_well in checks.items() if not is_well]


def tell(clients: Sequence[Client], seconds: float, faults: list[str]) -> list[str]:
    """Prints what came of it; returns what is wrong."""
    taken = [each * 1000 for client in clients for each in client.seconds]
    refusals = Counter(code for client in clients for code in client.refusals)
    others = {code: count for code, count in refusals.items() if code != NOTHING}
    shares = sorted(len(client.wins) for client in clients)
    figure("claims per second", f"{len(taken) / seconds:.0f}")
    figure("a claim", f"p50 {median(taken):.1f} ms   p95 {quantiles(taken, n=20)[-1]:.1f} ms")
    figure("wins of one client", f"{shares[0]} to {shares[-1]}")
    figure(
        "refusals", f"{refusals[NOTHING]} {NOTHING}, {sum(others.values())} others {others or ''}"
    )
    figure("each ticket won exactly once", "no: " + "; ".join(faults) if faults else "yes")
    return [*faults, *others]


def figure(label: str, shown: str) -> None:
    print(f"  {label:30} {shown}", flush=True)


if __name__ == "__main__":
    main()
