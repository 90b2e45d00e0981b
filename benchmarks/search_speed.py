"""How long searches take, and what indexing costs.

    uv run python benchmarks/search_speed.py [--tickets 1000 10000 100000] [--queries 200]

On a throw-away tracker with fsync on: seeded random unit vectors, and texts of words that are as
common as words are (Zipf). The parts of a search are then timed one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles

from sqlalchemy import text
from synthetic import BODY, CALLER, TITLE, Tracker, fill, open_tracker

from hephaestus_tickets.adapters.embeddings import Vector
from hephaestus_tickets.domain.keywords import term_weights
from hephaestus_tickets.domain.ranking import fused
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.services.keyword_index import Words, write_words
from hephaestus_tickets.services.lookup import workflow_for_read
from hephaestus_tickets.services.searching import (
    NEAREST,
    keyword_leg,
    parsed_query,
    ranked_by_meaning,
    semantic_plan,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork

BY_NAME = {operation.name: operation for operation in OPERATIONS}
AIMS = {"hybrid": 40.0, "keyword": 15.0}
AIMS_AT, FACTOR = 10_000, 4
WARM_UP = 10
EXPLAINING = (
    "LOAD 'auto_explain'",
    "SET LOCAL auto_explain.log_min_duration = 0",
    "SET LOCAL auto_explain.log_analyze = on",
    "SET LOCAL client_min_messages = log",
)


def main() -> None:
    options = _options()
    for tickets in options.tickets:
        asyncio.run(_measure(tickets, options.queries))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tickets", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=200)
    return parser.parse_args()


@dataclass(slots=True)
class Times:
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    async def take(self, name: str, call: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await call()
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)

    def tell(self, tickets: int) -> None:
        for name, taken in self.seconds.items():
            cuts = quantiles(taken, n=20)
            p95 = cuts[-1] * 1_000
            middle, verdict = median(taken) * 1_000, _verdict(name, tickets, p95)
            print(f"    {name:28} p50 {middle:8.2f} ms   p95 {p95:8.2f} ms{verdict}", flush=True)


def _verdict(name: str, tickets: int, p95: float) -> str:
    aim = AIMS.get(name)
    if aim is None or tickets < AIMS_AT:
        return ""
    aim *= FACTOR if tickets > AIMS_AT else 1
    return f"   {'within' if p95 <= aim else 'MISSES'} the aim of {aim:g} ms"


async def _measure(tickets: int, queries: int) -> None:
    async with open_tracker() as tracker:
        print(f"\n{tickets:,} tickets")
        await fill(tracker, tickets)
        await _tell_searches(tracker, tickets, queries)
        await _tell_stalls(tracker)
        await _tell_writes(tracker)
        await _tell_indexing(tracker)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"    memory of this process          {peak:8.0f} MB at most")
        if tickets >= AIMS_AT:
            await _explain(tracker)


async def _call(tracker: Tracker, operation: str, **arguments: object) -> None:
    await tracker.calls.run(BY_NAME[operation], arguments, CALLER)


async def _tell_searches(tracker: Tracker, tickets: int, queries: int) -> None:
    times = Times()
    searches = {"hybrid": "hybrid_search", "semantic": "semantic_search"}
    for number in range(WARM_UP + queries):
        if number == WARM_UP:
            times = Times()  # the first ones load and connect
        for name, operation in searches.items():
            await _take_search(tracker, times, name, operation, "query_text")
        await _take_search(tracker, times, "keyword", "search_by_keywords", "keywords")
        await _take_parts(tracker, times, tracker.language.text(TITLE))
    times.tell(tickets)


async def _take_search(
    tracker: Tracker, times: Times, name: str, operation: str, argument: str
) -> None:
    """With and without a filter that leaves a quarter."""
    for label, more in ((name, {}), (f"{name}, filtered", {"filters": {"status": "review"}})):
        given = {argument: tracker.language.text(TITLE), **more}
        await times.take(label, partial(_call, tracker, operation, **given))


async def _take_parts(tracker: Tracker, times: Times, asked: str) -> None:
    semantic, vectors = tracker.calls.units.semantic, list[Vector]()

    async def embed() -> None:
        vectors.extend(await semantic.embed(tracker.space, [asked]))

    await times.take("  part: embed", embed)

    async def parts(work: UnitOfWork) -> None:
        workflow = await workflow_for_read(work, "default")
        query = await parsed_query(work, workflow, asked, TicketFilters(), with_comments=True)
        await times.take("  part: keyword SQL", lambda: keyword_leg(work, query))
        keyword = await keyword_leg(work, query)
        plan = await semantic_plan(work, query)
        found = dict[int, float]()

        async def nearest() -> None:
            near = await tracker.store.nearest(
                tracker.space,
                vectors[0],
                workflow_id="default",
                narrowed=plan.narrowed,
                limit=NEAREST,
            )
            found.update({each.ticket: each.cosine for each in near})

        await times.take("  part: vectors", nearest)
        await semantic.near(
            tracker.space, asked, workflow_id="default", narrowed=plan.narrowed, limit=1, seconds=9
        )
        await times.take("  part: ranked by whitening", lambda: ranked_by_meaning(
            work, tracker.space, asked, found, 100))  # fmt: skip
        hits = await ranked_by_meaning(work, tracker.space, asked, found, 100)

        async def fusion() -> None:
            fused(hits.scores, keyword, "zscore")

        await times.take("  part: fusion", fusion)

    await tracker.calls.units.run(CALLER, parts)


async def _tell_stalls(tracker: Tracker) -> None:
    """Another call, alone and while four clients search without a pause."""
    alone, beside = Times(), Times()
    for _ in range(100):
        await alone.take("get_board_config, alone", lambda: _call(tracker, "get_board_config"))
    over = asyncio.Event()

    async def search() -> None:
        while not over.is_set():
            await _call(tracker, "hybrid_search", query_text=tracker.language.text(TITLE))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(search())
        for _ in range(100):
            await beside.take(
                "  the same beside 4 searchers", lambda: _call(tracker, "get_board_config")
            )
            await asyncio.sleep(0.02)
        over.set()
    alone.tell(0)
    beside.tell(0)


async def _tell_writes(tracker: Tracker) -> None:
    """A creation, and what of it the postings are."""
    times = Times()
    for _ in range(100):
        title, body = tracker.language.text(TITLE), tracker.language.text(BODY)
        given = {"title": title, "description": body}
        await times.take("create_ticket", partial(_call, tracker, "create_ticket", **given))
        await _take_postings(tracker, times, title, body)
    times.tell(0)


async def _take_postings(tracker: Tracker, times: Times, title: str, body: str) -> None:
    async def postings(work: UnitOfWork) -> None:
        number = await work.session.scalar(text("SELECT max(id) FROM tickets"))
        words = Words(number, -1, term_weights(title, [body]))
        await times.take("  part: its postings", lambda: write_words(work, [words]))
        await work.rest()  # they are there already

    await tracker.calls.units.run(CALLER, postings)


async def _tell_indexing(tracker: Tracker) -> None:
    """With the bundled model, what create_ticket left waiting."""
    indexer = Indexer(tracker.calls.units, is_alone=True)
    began, tickets = time.perf_counter(), 100
    while await indexer.round():
        pass
    rate = tickets / (time.perf_counter() - began)
    print(f"    indexed                         {rate:8.1f} tickets a second")


async def _explain(tracker: Tracker) -> None:
    """As PostgreSQL tells it in its log, here sent to us."""
    plans: list[str] = []

    async def explain(work: UnitOfWork) -> None:
        workflow = await workflow_for_read(work, "default")
        asked = tracker.language.text(TITLE)
        query = await parsed_query(work, workflow, asked, TicketFilters(), with_comments=True)
        connection = await (await work.session.connection()).get_raw_connection()
        assert connection.driver_connection
        connection.driver_connection.add_notice_handler(
            lambda notice: plans.append(str(notice.message_primary))  # pyright: ignore[reportUnknownLambdaType, reportUnknownMemberType, reportUnknownArgumentType] - the driver's, untyped here
        )
        for statement in EXPLAINING:
            await work.session.execute(text(statement))
        await keyword_leg(work, query)

    await tracker.calls.units.run(CALLER, explain)
    longest = max((plan for plan in plans if "keyword_postings" in plan), key=len, default="")
    print("    the keyword statement's plan:")
    print("\n".join(f"      {line}" for line in longest[longest.find("Limit") :].splitlines()))


if __name__ == "__main__":
    main()
