"""How well search finds the duplicates of real tickets.

    uv run python benchmarks/search_quality.py [--data ../shared/data/dev] [--set NAME …]

Each set is imported through the real services into a throw-away tracker (PostgreSQL, the
in-process vector store, the bundled model); each query is a ticket of the set, as its title alone
and with its description. A query's own ticket is left out of each leg before the legs are fused.
Embeddings are kept between runs in the directory that --cache names.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import importlib.util
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import text

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.ranking import KeywordScore, Ranking, fused
from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.writing import insert_tickets, new_numbers
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.indexing.jobs import Jobs
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.services.board_service import BoardService
from hephaestus_tickets.services.lookup import workflow_for_read
from hephaestus_tickets.services.searching import (
    LEG,
    Query,
    keyword_leg,
    parsed_query,
    semantic_leg,
    semantic_plan,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

SETS = ("apache-mapreduce-yarn", "eclipse-dup-pairs", "gitbugs-hadoop")
CALLER = Caller(agent_id="benchmark")
BATCH = 500
MODES = ("title", "full")
NAMES = ("ndcg@10", "mrr@10", "recall@10")
# What the guide asks for: PostgreSQL's own text search, its words joined by OR, and RRF.
GUIDE_DOCUMENTS = text(
    "CREATE TABLE guide_documents AS SELECT id, setweight(to_tsvector('english', title), 'A') "
    "|| to_tsvector('english', left(description, 20000)) AS document FROM tickets"
)
TS_RANK = text(
    """
    SELECT id, ts_rank(document, query) AS score FROM guide_documents, (
        SELECT replace(plainto_tsquery('english', :query)::text, '&', '|')::tsquery AS query
    ) AS queries
    WHERE document @@ query ORDER BY score DESC LIMIT :limit
    """
)
T = TypeVar("T")
# Scores of a leg by ticket number.
Leg = dict[int, float]
Json = Any


@dataclass(frozen=True, slots=True)
class Labelled:
    """A set as it lies in its folder."""

    name: str
    tickets: Sequence[Json]
    queries: Sequence[Json]
    relevant: Mapping[str, set[str]]

    @classmethod
    def at(cls, folder: Path, score: ModuleType) -> Labelled:
        tickets, queries, relevant = score.load(folder)
        return cls(folder.name, tickets, queries, relevant)


@dataclass(frozen=True, slots=True)
class Legs:
    """What each leg found for a query, its own ticket left out."""

    semantic: Leg
    keyword: dict[int, KeywordScore]
    ts_rank: Leg


def main() -> None:
    options = _options()
    data = Path(options.data)
    if not data.is_dir():
        raise SystemExit(f"There is no directory {data}: name one with --data.")
    score = _scorer(data / "score.py")
    for name in options.set or SETS:
        labelled = Labelled.at(data / name, score)
        asyncio.run(_measure(labelled, score, Path(options.cache), with_guide=options.guide))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(__file__).parents[1].parent / "shared/data/dev"
    parser.add_argument("--data", default=str(beside), help="where the labelled sets are")
    parser.add_argument("--set", action="append", help=f"one of {', '.join(SETS)}; default all")
    parser.add_argument(
        "--cache", default=str(Path(tempfile.gettempdir()) / "hephaestus-search-quality")
    )
    parser.add_argument("--guide", action="store_true", help="also the guide's algorithm (slow)")
    return parser.parse_args()


def _scorer(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _measure(labelled: Labelled, score: ModuleType, cache: Path, *, with_guide: bool) -> None:
    async with _tracker() as units:
        numbers = await _load(units, labelled)
        await _embed(units, labelled.name, cache)
        if with_guide:
            await units.run(CALLER, lambda work: work.session.execute(GUIDE_DOCUMENTS))
        print(f"\n{labelled.name}: {len(numbers)} tickets, {len(labelled.queries)} queries")
        for mode in MODES:
            legs = {
                query["id"]: await _legs(
                    units, _said(query, mode), numbers.get(query["id"], 0), with_guide=with_guide
                )
                for query in labelled.queries
            }
            _tell(labelled, score, mode, legs, numbers, with_guide=with_guide)


@asynccontextmanager
async def _tracker() -> AsyncGenerator[Units]:
    with throwaway_home() as home, only_server(home, 0), running_postgres(home) as postgres:
        url = socket_url(postgres.socket)
        migrate(url)
        async with open_semantic(home) as semantic, open_calls(url, semantic) as calls:
            yield calls.units


async def _load(units: Units, labelled: Labelled) -> dict[str, int]:
    """Numbers of the tickets by their original ids."""
    await units.run(CALLER, lambda work: BoardService(work).configure_board(workflow_id="set"))
    numbers: dict[str, int] = {}
    for start in range(0, len(labelled.tickets), BATCH):
        batch = [_record(each) for each in labelled.tickets[start : start + BATCH]]

        async def load(work: UnitOfWork, batch: list[TicketRecord] = batch) -> list[int]:
            new = await new_numbers(work, len(batch))
            await insert_tickets(work, "set", dict(zip(new, batch, strict=True)))
            return new

        for record, number in zip(batch, await units.run(CALLER, load), strict=True):
            numbers[record.key] = number
    return numbers


def _record(ticket: Json) -> TicketRecord:
    return TicketRecord.model_validate(
        {
            "key": ticket["id"],
            "title": " ".join(ticket["title"].split())[:500] or "(no title)",
            "description": (ticket["text"] or "").replace("\x00", "")[:100_000],
            "ticket_type": "task",
            "priority": "medium",
            "status": "backlog",
            "created_by": "benchmark",
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "external_ref": ticket["id"],
        }
    )


async def _embed(units: Units, name: str, cache: Path) -> None:
    """Indexes every ticket; vectors of an earlier run come from its file."""
    indexer, jobs = Indexer(units, is_alone=True), Jobs(Steps(units))
    file = cache / f"{name}.jsonl.gz"
    cache.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs
    await indexer.round()  # makes the space that the vectors belong to
    if file.exists():
        await units.run(CALLER, lambda work: _restore(work, file))
    began, total = time.perf_counter(), (await jobs.queue()).waiting
    while (await jobs.queue()).waiting:
        await indexer.round()
    seconds = time.perf_counter() - began
    print(f"{name}: {total} tickets indexed in {seconds:.1f} s", flush=True)
    await indexer.round()  # a quiet one
    await units.run(CALLER, lambda work: _save(work, file))


async def _restore(work: UnitOfWork, file: Path) -> None:
    with gzip.open(file, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    statement = text(
        "INSERT INTO embeddings (space_id, ticket_id, digest, vector) "
        "SELECT id, :ticket, decode(:digest, 'hex'), decode(:vector, 'hex') "
        "FROM embedding_spaces WHERE status <> 'retired' ON CONFLICT DO NOTHING"
    )
    await work.session.execute(statement, rows)


async def _save(work: UnitOfWork, file: Path) -> None:
    statement = text(
        "SELECT ticket_id, encode(digest, 'hex'), encode(vector, 'hex') FROM embeddings"
    )
    rows = (await work.session.execute(statement)).all()
    with gzip.open(file, "wt", compresslevel=1) as lines:
        for ticket, digest, vector in rows:
            kept = {"ticket": ticket, "digest": digest, "vector": vector}
            lines.write(f"{json.dumps(kept)}\n")


def _said(query: Json, mode: str) -> str:
    title, body = query["title"], query["text"] or ""
    return (title if mode == "title" else f"{title}\n{body}").replace("\x00", "")


async def _legs(units: Units, said: str, own: int, *, with_guide: bool) -> Legs:
    async def legs(work: UnitOfWork) -> Legs:
        workflow = await workflow_for_read(work, "set")
        parsed = await parsed_query(work, workflow, said, TicketFilters(), with_comments=True)
        keyword = await keyword_leg(work, parsed, LEG + 1)
        ranked = await _guide_leg(work, said) if with_guide else {}
        return Legs(await _semantic(work, parsed), keyword, ranked)

    found = await units.run(CALLER, legs)
    return Legs(
        _without(found.semantic, own), _without(found.keyword, own), _without(found.ts_rank, own)
    )


async def _semantic(work: UnitOfWork, query: Query) -> Leg:
    """Like a search, but one more, since a query finds itself."""
    plan = await semantic_plan(work, query)
    return dict((await semantic_leg(work, query, plan, LEG + 1)).scores)


async def _guide_leg(work: UnitOfWork, said: str) -> Leg:
    given = {"query": said[:4_000], "limit": LEG + 1}
    return dict((await work.session.execute(TS_RANK, given)).all())


def _without(leg: dict[int, T], own: int) -> dict[int, T]:
    others = {number: score for number, score in leg.items() if number != own}
    return dict(list(others.items())[:LEG])


def _tell(
    labelled: Labelled,
    score: ModuleType,
    mode: str,
    legs: Mapping[str, Legs],
    numbers: Mapping[str, int],
    *,
    with_guide: bool,
) -> None:
    keys = {number: key for key, number in numbers.items()}
    rankings: dict[str, Callable[[Legs], Iterable[int]]] = {
        "keyword": lambda each: each.keyword,
        "semantic": lambda each: each.semantic,
        "rrf": lambda each: _fused(each, "rrf"),
        "zscore": lambda each: _fused(each, "zscore"),
    }
    if with_guide:
        rankings = {
            "guide: ts_rank": lambda each: each.ts_rank,
            "guide: rrf": lambda each: fused(each.semantic, _plain(each.ts_rank), "rrf"),
            **rankings,
        }
    for label, rank in rankings.items():
        ranked = {key: [keys[number] for number in rank(each)] for key, each in legs.items()}
        scores = score.mean_scores(ranked, labelled.relevant)
        shown = "  ".join(f"{name} {scores[name]:.4f}" for name in NAMES)
        print(f"  {mode:6} {label:16} {shown}", flush=True)


def _plain(leg: Leg) -> dict[int, KeywordScore]:
    return {number: KeywordScore(score) for number, score in leg.items()}


def _fused(legs: Legs, ranking: Ranking) -> Iterable[int]:
    return fused(legs.semantic, legs.keyword, ranking)


if __name__ == "__main__":
    main()
