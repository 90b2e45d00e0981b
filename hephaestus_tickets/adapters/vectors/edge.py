"""The embedded store: Qdrant's engine on a directory, a shard for each space.

Every search is exact: the engine compares 100,000 vectors in 10 ms, while to build its graph takes
it minutes.
"""

from __future__ import annotations

import logging
import shutil
from array import array
from asyncio import to_thread
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hephaestus_tickets.adapters.embeddings import Space, Vector
from hephaestus_tickets.adapters.vectors.discarding import discard
from hephaestus_tickets.adapters.vectors.filters import INDEXED, filter_of
from hephaestus_tickets.adapters.vectors.points import (
    CollectionGone,
    Narrowed,
    Near,
    Point,
    VectorsUnavailable,
    check_dimension,
    other_dimension,
)
from hephaestus_tickets.adapters.vectors.process import Ended, EngineProcess, Json

logger = logging.getLogger("hephaestus_tickets.vectors")

_MEGABYTE = 1024 * 1024
_FULL = "the disk that holds the vectors is full"


class EdgeStore:
    """The directory is made at the first call.

    A shard that cannot be read is removed and said to be gone: all of it can be made again. So much
    of the disk (`reserve`, bytes) must be free for a write; so long (`patience`, seconds) may the
    engine of a server before this one take to end.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seconds: float = 30.0,
        reserve: int = 64 * _MEGABYTE,
        patience: float = 10.0,
    ) -> None:
        self._directory, self._seconds, self._reserve = directory, seconds, reserve
        self._engine = EngineProcess(directory, patience)

    async def ensure(self, space: Space) -> bool:
        try:
            return bool(await self._ask(space, "ensure", indexed=INDEXED))
        except CollectionGone:  # it was spoiled, and is removed
            return bool(await self._ask(space, "ensure", indexed=INDEXED))

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        vectors = [point.vector for point in points]
        check_dimension(space, vectors)
        if points:
            told = [(point.ticket, point.payload) for point in points]
            await self._ask(space, "upsert", vectors, points=told)

    async def nearest(
        self, space: Space, vector: Vector, *, workflow_id: str, narrowed: Narrowed, limit: int
    ) -> list[Near]:
        check_dimension(space, [vector])
        if narrowed.only == ():
            return []
        wanted = filter_of(workflow_id, narrowed)
        found = await self._ask(space, "nearest", [vector], filter=wanted, limit=limit)
        return [Near(ticket=ticket, cosine=cosine) for ticket, cosine in found]

    async def count(self, space: Space) -> int:
        return int(await self._ask(space, "count"))

    async def serve(self, space: Space) -> None:
        """Nobody else looks into this store."""

    async def drop(self, space: Space) -> None:
        await self._ask(space, "drop")

    async def aclose(self) -> None:
        await self._engine.aclose()

    @property
    def pid(self) -> int | None:
        """The engine's process, if there is one now."""
        return self._engine.pid

    async def _ask(
        self, space: Space, what: str, vectors: Iterable[Vector] = (), **details: object
    ) -> Any:  # Any: JSON
        question = {"do": what, "key": space.key, "dimension": space.dimension, **details}
        question["reserve"] = self._reserve
        floats = array("f", [number for vector in vectors for number in vector])
        try:
            answer = await self._answer(question, floats)
        except Ended as ended:
            raise await to_thread(self._after, ended, space) from ended
        except TimeoutError as error:
            reason = f"the engine did not answer within {self._seconds:g} seconds"
            raise VectorsUnavailable(reason) from error
        except OSError as error:
            reason = f"the engine cannot be started ({error.strerror})"
            raise VectorsUnavailable(reason) from error
        if "refused" in answer:
            raise await to_thread(self._refusal, space, answer["refused"], answer["reason"])
        return answer["is"]

    async def _answer(self, question: Json, floats: array[float]) -> Json:
        """Whoever ended the engine, such as a kernel out of memory: it is started once more."""
        try:
            return await self._engine.ask(question, floats, self._seconds)
        except Ended as ended:
            if ended.is_crash or ended.is_taken:
                raise
            return await self._engine.ask(question, floats, self._seconds)

    def _after(self, ended: Ended, space: Space) -> VectorsUnavailable:
        """On a full disk the kernel ends who writes to a mapped file; else it is the shard's."""
        if ended.is_taken:
            return VectorsUnavailable("another process has the vectors of this home open")
        if not ended.is_crash:
            return VectorsUnavailable(f"its engine ends at once ({ended})")
        if _is_full(self._directory):
            return VectorsUnavailable(_FULL)
        return self._spoiled(space, str(ended))

    def _refusal(self, space: Space, kind: str, reason: str) -> VectorsUnavailable:
        if kind == "gone":
            return CollectionGone()
        if kind == "full" or (kind == "spoiled" and _is_full(self._directory)):
            return VectorsUnavailable(_FULL)
        if kind == "other_dimension":
            return other_dimension(space, reason)
        return self._spoiled(space, reason)

    def _spoiled(self, space: Space, reason: str) -> CollectionGone:
        logger.warning("the vectors of %s are spoiled and removed: %s", space.name, reason)
        discard(self._directory / space.key)
        return CollectionGone()


def _is_full(directory: Path) -> bool:
    return shutil.disk_usage(directory).free < _MEGABYTE
