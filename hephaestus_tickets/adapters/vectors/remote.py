"""A Qdrant server: a collection for each space, workflows as its tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from hephaestus_tickets.adapters.embeddings import Space, Vector
from hephaestus_tickets.adapters.vectors.filters import filter_of
from hephaestus_tickets.adapters.vectors.points import Narrowed, Near, Point, check_dimension

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

    from hephaestus_tickets.adapters.vectors.qdrant import Collections

T = TypeVar("T")

# Of a request: points, and numbers in all of them, each 20 bytes of JSON.
_POINTS, _NUMBERS = 256, 400_000


class RemoteStore:
    """Connects at the first call; none takes more than so many seconds, an upsert for each batch.

    `client` makes what speaks to the server; else it is qdrant-client with the URL.
    """

    def __init__(
        self,
        url: str,
        api_key: str = "",
        *,
        seconds: float,
        client: Callable[[], AsyncQdrantClient] | None = None,
    ) -> None:
        self._url, self._api_key, self._seconds = url, api_key, seconds
        self._client = client
        self._collections: Collections | None = None
        self._opening = asyncio.Lock()

    async def ensure(self, space: Space) -> bool:
        return await self._ask(lambda there: there.ensure(space))

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        check_dimension(space, [point.vector for point in points])
        size = max(1, min(_POINTS, _NUMBERS // space.dimension))
        for start in range(0, len(points), size):
            part = points[start : start + size]
            await self._ask(lambda there, part=part: there.upsert(space, part))

    async def nearest(
        self, space: Space, vector: Vector, *, workflow_id: str, narrowed: Narrowed, limit: int
    ) -> list[Near]:
        check_dimension(space, [vector])
        if narrowed.only == ():
            return []
        condition, is_exact = filter_of(workflow_id, narrowed), narrowed.only is not None
        return await self._ask(
            lambda there: there.nearest(space, vector, condition, limit=limit, is_exact=is_exact)
        )

    async def count(self, space: Space) -> int:
        return await self._ask(lambda there: there.count(space))

    async def serve(self, space: Space) -> None:
        await self._ask(lambda there: there.serve(space))

    async def drop(self, space: Space) -> None:
        await self._ask(lambda there: there.drop(space))

    async def aclose(self) -> None:
        if self._collections is not None:
            await self._collections.aclose()

    async def _ask(self, call: Callable[[Collections], Awaitable[T]]) -> T:
        async with self._opening:
            if self._collections is None:  # a second's work, of which the loop must not hear
                self._collections = await asyncio.to_thread(self._connect)
        from hephaestus_tickets.adapters.vectors.qdrant import explained  # noqa: PLC0415 - is loaded

        with explained(self._seconds):
            async with asyncio.timeout(self._seconds):
                return await call(self._collections)

    def _connect(self) -> Collections:
        from hephaestus_tickets.adapters.vectors import qdrant  # noqa: PLC0415 - slow to load

        client = self._client or (lambda: qdrant.connect(self._url, self._api_key, self._seconds))
        return qdrant.Collections(client())
