"""How long calls take in a small and in a very large tracker.

    uv run python benchmarks/scale.py [--tickets 10000 100000 1000000] [--calls 200] [--explain]

On throw-away trackers with fsync on and without search by meaning. Clients are tasks of this one
process: what 16 of them wait for is its processor, too. "in SQL" is what a call's statements take,
its commit aside, with one client.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import cycle
from statistics import median, quantiles

from scale_filling import BIG, ENDED, HUBS, TOPICS, Story, agents, fill, moment, rare_tags
from scale_plans import BY_NAME, Arguments, Step, tell_plans, tell_unused_indexes
from sqlalchemy import URL, Connection, event, text
from synthetic import CALLER, Language

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.domain.cursor import encode_cursor
from hephaestus_tickets.domain.errors import Unavailable
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.server.calls import Calls

WARM_UP = 12  # calls on a connection; after so many PostgreSQL has settled on a plan
LONGEST_S = 20.0  # what takes longer is called less often
AIMS = {"claim": 10.0, "ready": 10.0}
GROWS = 3.0
ONE, MANY, SQL = "1 client", f"{HUBS} clients", "in SQL"
SPENT: ContextVar[list[float] | None] = ContextVar("SPENT", default=None)

# Of each call by its name and measure, in milliseconds: p50, p95.
Figures = Mapping[tuple[str, str], tuple[float, float]]


def main() -> None:
    options = _options()
    told: dict[int, Figures] = {}
    for tickets in sorted(options.tickets):
        explains = options.explain and tickets == max(options.tickets)
        told[tickets] = _measured(tickets, options.calls, explains=explains)
    _tell_growth(told)
    _tell_verdicts(told[max(told)])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickets", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--explain", action="store_true", help="plans, at the largest size")
    return parser.parse_args()


def _measured(tickets: int, calls: int, *, explains: bool) -> Figures:
    with (
        throwaway_home(lasting=True) as home,
        only_server(home, 0),
        running_postgres(home) as postgres,
    ):
        url = socket_url(postgres.socket)
        migrate(url)
        return asyncio.run(_measure(url, tickets, calls, explains=explains))


async def _measure(url: URL, tickets: int, calls: int, *, explains: bool) -> Figures:
    async with open_calls(url) as tracker:
        print(f"\n{tickets:,} tickets")
        story = await fill(tracker.units.database, tickets)
        scenarios = list(_those_there(_scenarios(story)))
        bench = Bench(tracker)
        for clients in (1, HUBS):  # the first ones on one connection, which knows its plans then
            for scenario in scenarios:
                await bench.measure(scenario, clients, calls)
        figures = bench.figures()
        _tell(figures)
        if explains:
            await tell_plans(tracker, [scenario[0] for scenario in scenarios])
        await tell_unused_indexes(tracker)
        return figures


def _those_there(scenarios: Iterator[tuple[Step, ...]]) -> Iterator[tuple[Step, ...]]:
    for scenario in scenarios:
        for step in scenario:
            if step.operation not in BY_NAME:
                print(f"    {step.name}: {step.operation} is not there yet")
        if all(step.operation in BY_NAME for step in scenario):
            yield scenario


def _scenarios(story: Story) -> Iterator[tuple[Step, ...]]:
    """What each client does again and again; what cannot be repeated is undone in between."""
    hubs = story.pools[BIG].hubs
    yield from _reads(story)
    yield from _writes(story)
    yield (
        Step(
            "claim",
            "claim_ticket",
            lambda client: {"workflow_id": BIG, "agent_id": f"claimer-{client}"},
        ),
    )
    yield (
        Step(
            "resolve 100 dependents",
            "resolve_ticket",
            lambda client: {"ticket_id": f"ticket-{hubs[client]}"},
        ),
        Step(
            "reopen 100 dependents",
            "change_status",
            lambda client: {"ticket_id": f"ticket-{hubs[client]}", "new_status": "backlog"},
        ),
    )


def _reads(story: Story) -> Iterator[tuple[Step, ...]]:
    dice = random.Random(2)  # noqa: S311 - to be repeated, not a secret
    pool, tickets = story.pools[BIG], story.tickets
    middle = pool.all[len(pool.all) // 2]
    cursor = encode_cursor("tickets:created_at:desc", [moment(middle).isoformat(), middle])
    rare = rare_tags(tickets)

    def listed(name: str, arguments: Callable[[int], Arguments]) -> tuple[Step, ...]:
        return (Step(f"list {name}", "get_tickets", arguments),)

    yield (Step("ready", "get_ready_tickets", lambda _: {"workflow_id": BIG, "limit": 20}),)
    yield listed("newest", lambda _: {})
    yield listed(
        "newest, old workflow", lambda _: {"workflow_id": ENDED, "include_completed": True}
    )
    yield listed(
        "status, priority", lambda _: {"filters": {"status": "backlog", "priority": "high"}}
    )
    yield listed(
        "assignee",
        lambda _: {"filters": {"assigned_agent_id": f"agent-{dice.randrange(agents(tickets))}"}},
    )
    yield listed("common tag", lambda _: {"filters": {"tags": dice.choice(TOPICS)}})
    yield listed("rare tag", lambda _: {"filters": {"tags": f"part-{dice.randrange(rare)}"}})
    yield listed("by priority", lambda _: {"sort_by": "priority"})
    yield listed("by update", lambda _: {"sort_by": "updated_at"})
    yield listed("by status", lambda _: {"sort_by": "status"})
    yield listed("deep cursor", lambda _: {"cursor": cursor, "include_completed": True})
    yield (Step("get", "get_ticket", lambda _: {"ticket_id": f"ticket-{dice.choice(pool.all)}"}),)
    yield (Step("board", "get_board_config", lambda _: {}),)


def _writes(story: Story) -> Iterator[tuple[Step, ...]]:
    dice, language = random.Random(3), Language(3)  # noqa: S311 - to be repeated, not a secret
    pool = story.pools[BIG]

    def new(blockers: int) -> Arguments:
        found = [f"ticket-{number}" for number in dice.sample(pool.backlog, blockers)]
        body = {"title": language.text(8), "description": language.text(36)}
        return {**body, "blocked_by_ticket_ids": found}

    def one_more() -> Arguments:
        blocked = dice.choice(pool.blocked)
        older = bisect_left(pool.backlog, blocked)  # those close no cycle
        blocker = pool.backlog[dice.randrange(older)]
        updates = {"add_blocked_by_ticket_ids": [f"ticket-{blocker}"]}
        return {"ticket_id": f"ticket-{blocked}", "updates": updates}

    moves = cycle(
        {"ticket_id": f"ticket-{number}", "new_status": status}
        for status in ("review", "in_progress")
        for number in pool.low_in_progress[:1_000]
    )
    yield (Step("create", "create_ticket", lambda _: new(0)),)
    yield (Step("create with 2 blockers", "create_ticket", lambda _: new(2)),)
    yield (Step("status", "change_status", lambda _: next(moves)),)
    yield (Step("add a blocker", "update_ticket", lambda _: one_more()),)


class Bench:
    """Calls and how long they took."""

    def __init__(self, tracker: Calls) -> None:
        self._tracker = tracker
        self._seconds = defaultdict[tuple[str, str], list[float]](list)
        engine = tracker.units.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", _statement_begins)
        event.listen(engine, "after_cursor_execute", _statement_ends)

    async def measure(self, scenario: Sequence[Step], clients: int, calls: int) -> None:
        await self._work(scenario, clients, WARM_UP if clients == 1 else 3)
        await _analyze(self._tracker)
        for step in scenario:
            for measure in (ONE, SQL) if clients == 1 else (MANY,):
                self._seconds.pop((step.name, measure), None)
        await self._work(scenario, clients, -(-calls // clients))

    async def _work(self, scenario: Sequence[Step], clients: int, rounds: int) -> None:
        latest = time.perf_counter() + LONGEST_S

        async def client(number: int) -> None:
            for _ in range(rounds):
                for step in scenario:
                    await self._take(step, number, clients)
                if time.perf_counter() > latest:
                    return

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))

    async def _take(self, step: Step, client: int, clients: int) -> None:
        arguments, spent = step.arguments(client), list[float]()
        SPENT.set(spent)
        began = time.perf_counter()
        try:
            await self._tracker.run(BY_NAME[step.operation], arguments, CALLER)
        except Unavailable as refusal:  # it waited for as long as a call may, and that counts
            print(f"    {step.name}: {refusal}", flush=True)
        took = time.perf_counter() - began
        self._seconds[step.name, ONE if clients == 1 else MANY].append(took)
        if clients == 1:  # among many it is mostly the wait for this process
            self._seconds[step.name, SQL].append(sum(spent))

    def figures(self) -> Figures:
        return {
            name: (median(taken) * 1_000, quantiles(taken, n=20)[-1] * 1_000)
            for name, taken in self._seconds.items()
            if len(taken) > 1
        }


async def _analyze(tracker: Calls) -> None:
    """As autovacuum does in its time: of what the calls alone have filled nothing is known yet."""
    async with tracker.units.database.engine.begin() as connection:
        await connection.execute(text("ANALYZE keyword_postings, index_jobs"))


def _statement_begins(connection: Connection, *_: object) -> None:
    connection.info["began"] = time.perf_counter()


def _statement_ends(connection: Connection, *_: object) -> None:
    spent = SPENT.get()
    if spent is not None:
        spent.append(time.perf_counter() - connection.info["began"])


def _tell(figures: Figures) -> None:
    print(f"    {'p50 and p95 in ms':26}" + "".join(f"{each:>22}" for each in (ONE, SQL, MANY)))
    for name in dict.fromkeys(name for name, _ in figures):
        told = (figures.get((name, measure)) for measure in (ONE, SQL, MANY))
        cells = (f"{each[0]:11.2f}{each[1]:11.2f}" if each else " " * 22 for each in told)
        print(f"    {name:26}{''.join(cells)}", flush=True)


def _tell_growth(told: Mapping[int, Figures]) -> None:
    sizes = list(told)
    print(
        f"\n    {'p95 in ms by number of tickets':41} " + "".join(f"{each:>12,}" for each in sizes)
    )
    for name, measure in told[sizes[-1]]:
        taken = [told[size].get((name, measure), (0.0, 0.0))[1] for size in sizes]
        ratio = taken[-1] / taken[0] if taken[0] else 0.0
        cells = "".join(f"{each:12.2f}" for each in taken)
        note = "  GROWS" if ratio >= GROWS else ""
        print(f"    {name:26} {measure:14} {cells}   x {ratio:.1f}{note}")


def _tell_verdicts(figures: Figures) -> None:
    for name, aim in AIMS.items():
        found = figures.get((name, SQL))
        if found is None:
            print(f"{name}: not there yet")
            continue
        verdict = "within" if found[1] <= aim else "MISSES"
        print(f"{name}: p95 {found[1]:.2f} ms in SQL, {verdict} the aim of {aim:g} ms")


if __name__ == "__main__":
    main()
