"""A tracker filled with texts of words as common as words are, and with random unit vectors."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import text

from hephaestus_tickets.adapters.embeddings import EmbeddingSettings, Space, Vector, open_embedder
from hephaestus_tickets.adapters.vectors import Point, VectorStore, open_edge
from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.keywords import term_weights
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.indexing.vectors import packed
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.keyword_index import Words, write_words
from hephaestus_tickets.services.semantic import Semantic
from hephaestus_tickets.services.unit_of_work import UnitOfWork

CALLER = Caller(agent_id="benchmark")
VOCABULARY, TITLE, BODY = 50_000, 8, 90
BATCH = 1_000
STATUSES = ("backlog", "in_progress", "review", "done")
SYLLABLES = (
    "ra",
    "to",
    "mi",
    "len",
    "sor",
    "ka",
    "vi",
    "ne",
    "dul",
    "per",
    "as",
    "on",
    "ti",
    "gra",
)


class Language:
    """Words that are as common as words are, made of syllables so that they look like some."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - to be repeated, not a secret
        self._words = [
            "".join(self._dice.choices(SYLLABLES, k=3)) + str(number % 97)
            for number in range(VOCABULARY)
        ]
        self._weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def text(self, words: int) -> str:
        return " ".join(self._dice.choices(self._words, cum_weights=self._weights, k=words))

    def vector(self, dimension: int) -> Vector:
        raw = [self._dice.gauss(0, 1) for _ in range(dimension)]
        length = sum(each * each for each in raw) ** 0.5
        return [each / length for each in raw]

    def status(self) -> str:
        return self._dice.choice(STATUSES)


@dataclass(frozen=True, slots=True)
class Tracker:
    calls: Calls
    store: VectorStore
    space: Space
    language: Language


@asynccontextmanager
async def open_tracker() -> AsyncGenerator[Tracker]:
    with (
        throwaway_home(lasting=True) as home,
        only_server(home, 0),
        running_postgres(home) as postgres,
    ):
        url = socket_url(postgres.socket)
        migrate(url)
        settings = EmbeddingSettings(provider="local")
        space = settings.space()
        assert space
        store = open_edge(home.vectors)
        semantic = Semantic(space, lambda each: open_embedder(settings, each), store)
        async with open_calls(url, semantic) as calls:
            yield Tracker(calls, store, space, Language(1))
        await semantic.aclose()


async def fill(tracker: Tracker, tickets: int) -> None:
    began = time.perf_counter()
    indexer = Indexer(tracker.calls.units, is_alone=True)
    await indexer.round()
    for start in range(0, tickets, BATCH):
        await _fill_some(tracker, min(BATCH, tickets - start))
    await _sql(tracker, "DELETE FROM index_jobs")
    await indexer.round()  # serves now, and knows how the vectors lie
    await _vacuum(tracker)
    print(f"    filled in {time.perf_counter() - began:.0f} s; {await _sizes(tracker)}", flush=True)


async def _fill_some(tracker: Tracker, count: int) -> None:
    language = tracker.language
    rows = [
        {
            "title": language.text(TITLE),
            "description": language.text(BODY),
            "status": language.status(),
            "words": 3 * TITLE + BODY,
        }
        for _ in range(count)
    ]

    async def insert(work: UnitOfWork) -> list[int]:
        statement = text(
            "INSERT INTO tickets (workflow_id, title, description, ticket_type, priority, status, "
            "created_by, is_resolved, completed_at, resolved_at, word_count) "
            "SELECT 'default', title, description, 'task', 1, status, 'x', status = 'done', "
            "CASE WHEN status = 'done' THEN now() END, CASE WHEN status = 'done' THEN now() END, "
            "words FROM json_to_recordset(CAST(:rows AS json)) "
            "AS given (title text, description text, status text, words int) RETURNING id"
        )
        given = {"rows": json.dumps(rows)}
        numbers = sorted(await work.session.scalars(statement, given))
        words = [
            Words(number, 0, term_weights(str(row["title"]), [str(row["description"])]))
            for number, row in zip(numbers, rows, strict=True)
        ]
        await write_words(work, words)
        return numbers

    numbers = await tracker.calls.units.run(CALLER, insert)
    vectors = [language.vector(tracker.space.dimension) for _ in numbers]
    points = [
        _point(number, vector, str(row["status"]))
        for number, vector, row in zip(numbers, vectors, rows, strict=True)
    ]
    await tracker.store.upsert(tracker.space, points)
    await _keep(tracker, numbers, vectors)


def _point(number: int, vector: Vector, status: str) -> Point:
    payload: dict[str, Any] = {  # Any: JSON
        "workflow_id": "default",
        "status": status,
        "priority": 1,
        "ticket_type": "task",
        "assigned_agent_id": "",
        "tags": [],
        "is_resolved": status == "done",
        "is_blocked": False,
    }
    return Point(ticket=number, vector=vector, payload=payload)


async def _keep(tracker: Tracker, numbers: Sequence[int], vectors: Sequence[Vector]) -> None:
    async def keep(work: UnitOfWork) -> None:
        statement = text(
            "INSERT INTO embeddings (space_id, ticket_id, digest, vector) "
            "SELECT id, :ticket, sha256(int8send(:ticket)), :vector FROM embedding_spaces"
        )
        rows = [
            {"ticket": number, "vector": packed(vector)}
            for number, vector in zip(numbers, vectors, strict=True)
        ]
        await work.session.execute(statement, rows)

    await tracker.calls.units.run(CALLER, keep)


async def _sql(tracker: Tracker, statement: str) -> None:
    await tracker.calls.units.run(CALLER, lambda work: work.session.execute(text(statement)))


async def _vacuum(tracker: Tracker) -> None:
    """As autovacuum does in its time."""
    engine = tracker.calls.units.database.engine
    async with engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))


async def _sizes(tracker: Tracker) -> str:
    async def sizes(work: UnitOfWork) -> str:
        told: list[str] = []
        for table in ("tickets", "keyword_postings", "embeddings"):
            size = text("SELECT pg_total_relation_size(to_regclass(:table)) / 1048576")
            told.append(f"{table} {await work.session.scalar(size, {'table': table})} MB")
        return ", ".join(told)

    return await tracker.calls.units.run(CALLER, sizes)
