"""Vectors of texts: each is paid for once in a space."""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import Mapping, Sequence

from sqlalchemy.dialects.postgresql import insert

from hephaestus_tickets.adapters.embeddings import Vector, Whitening
from hephaestus_tickets.adapters.vectors import Point
from hephaestus_tickets.indexing.jobs import Text
from hephaestus_tickets.indexing.spaces import LiveSpace
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.models import EmbeddingRow
from hephaestus_tickets.queries import index_jobs
from hephaestus_tickets.services.unit_of_work import UnitOfWork


class Vectors:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def points(self, live: LiveSpace, texts: Sequence[Text]) -> list[Point]:
        """Raises EmbeddingUnavailable."""
        by_digest = {text.digest: text.text for text in texts}
        known, kept = await self._cached(live, list(by_digest))
        missing = [digest for digest in by_digest if digest not in known]
        if missing:
            wanted = [by_digest[digest] for digest in missing]
            made = await self._steps.semantic.embed(live.space, wanted)
            known |= dict(zip(missing, made, strict=True))
        fresh = [text for text in texts if (text.ticket, text.digest) not in kept]
        await self._keep(live, fresh, known)
        return [
            Point(ticket=text.ticket, vector=known[text.digest], payload=text.payload)
            for text in texts
        ]

    async def fit(self, live: LiveSpace) -> None:
        """How the vectors lie: once there are enough, and again when they are twice as many."""
        known = self._steps.semantic.whitenings.get(live.space.key)

        async def some(work: UnitOfWork) -> tuple[int, list[bytes]]:
            count = (await work.session.scalars(index_jobs.vector_count(live.id))).one()
            if count < (2 * known.fitted_on if known else Whitening.FEWEST):
                return count, []
            chosen = index_jobs.some_vectors(live.id, Whitening.MOST)
            return count, list(await work.session.scalars(chosen))

        count, vectors = await self._steps.run(some)
        if vectors:
            fitted = await asyncio.to_thread(
                Whitening.fit, b"".join(vectors), live.space.dimension, count
            )
            self._steps.semantic.whitenings[live.space.key] = fitted

    async def _cached(
        self, live: LiveSpace, digests: Sequence[bytes]
    ) -> tuple[dict[bytes, Vector], set[tuple[int, bytes]]]:
        """Vectors by digest, and which tickets have which of them."""

        async def cached(work: UnitOfWork) -> list[tuple[int, bytes, bytes]]:
            rows = await work.session.execute(index_jobs.cached(live.id, digests))
            return [(ticket, bytes(digest), vector) for ticket, digest, vector in rows]

        rows = await self._steps.run(cached)
        known = {digest: unpacked(vector) for _, digest, vector in rows}
        return known, {(ticket, digest) for ticket, digest, _ in rows}

    async def _keep(
        self, live: LiveSpace, texts: Sequence[Text], vectors: Mapping[bytes, Vector]
    ) -> None:
        if not texts:
            return
        rows = [
            {
                "space_id": live.id,
                "ticket_id": text.ticket,
                "digest": text.digest,
                "vector": packed(vectors[text.digest]),
            }
            for text in sorted(texts, key=lambda text: text.ticket)
        ]
        statement = insert(EmbeddingRow)
        statement = statement.on_conflict_do_update(
            constraint="pk_embeddings",
            set_={"digest": statement.excluded.digest, "vector": statement.excluded.vector},
        )

        async def keep(work: UnitOfWork) -> None:
            await work.session.execute(statement, rows)

        await self._steps.run(keep)


def packed(vector: Vector) -> bytes:
    """32-bit floats, little-endian."""
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def unpacked(raw: bytes) -> Vector:
    floats = array("f", bytes(raw))
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()
