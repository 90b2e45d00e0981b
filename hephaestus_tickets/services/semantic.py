"""The semantic leg: a text becomes a vector, the vector the nearest tickets, in bounded time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from hephaestus_tickets.adapters.embeddings import (
    Embedder,
    EmbeddingUnavailable,
    Space,
    Vector,
    Whitening,
)
from hephaestus_tickets.adapters.vectors import (
    CollectionGone,
    Narrowed,
    Point,
    VectorStore,
    VectorsUnavailable,
)
from hephaestus_tickets.domain.errors import Unavailable
from hephaestus_tickets.domain.ranking import Ranking

_REMEMBERED = 256


class SearchUnavailable(Unavailable):
    """No semantic search now. `reason` is what is so."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"Search by meaning is not available: {reason}. Use hybrid_search or "
            "search_by_keywords, which answer without it."
        )


class Semantic:
    """The embedders and the vector store of a process; whatever is away is said as one reason.

    `space` is what new vectors are made in, None where there are to be none. `open_embedder` makes
    an embedder for a space, or None where these settings cannot have one.
    """

    def __init__(
        self,
        space: Space | None,
        open_embedder: Callable[[Space], Embedder | None],
        store: VectorStore | None,
        absent: str = "",
        ranking: Ranking = "zscore",
    ) -> None:
        self.space = space
        self.ranking: Ranking = ranking
        self.absent = absent or "it is switched off (EMBEDDING_PROVIDER is none)"
        # What searches of this process last used, for who cannot wait to look.
        self.serving: Space | None = None
        # Of each space whose vectors are enough, by its key.
        self.whitenings: dict[str, Whitening] = {}
        self._open_embedder = open_embedder
        self._store = store
        self._embedders: dict[str, Embedder | None] = {}
        self._queries: OrderedDict[tuple[str, str], Vector] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Future[Vector]] = {}
        self._ensured: set[str] = set()

    @classmethod
    def off(cls, reason: str) -> Semantic:
        return cls(None, lambda _: None, None, reason)

    @property
    def is_on(self) -> bool:
        return self.space is not None and self._store is not None

    @property
    def store(self) -> VectorStore:
        """Raises SearchUnavailable where there is none."""
        if self._store is None:
            raise SearchUnavailable(self.absent)
        return self._store

    def can_embed(self, space: Space) -> bool:
        return self._embedder(space) is not None

    async def embed(self, space: Space, texts: Sequence[str]) -> list[Vector]:
        """Raises EmbeddingUnavailable, or SearchUnavailable where none can be had at all."""
        embedder = self._embedder(space)
        if embedder is None:
            raise SearchUnavailable(f"nothing makes vectors of {space.name} any more")
        return await embedder.embed(texts)

    async def ensure(self, space: Space) -> bool:
        """Whether the store had to make the space's collection, which is empty then."""
        if space.key in self._ensured:
            return False
        is_new = await self.store.ensure(space)
        self._ensured.add(space.key)
        return is_new

    def forget(self) -> None:
        """Nothing is known of the store's collections any more: they are looked at again."""
        self._ensured.clear()

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        await self.store.upsert(space, points)

    async def near(
        self,
        space: Space,
        text: str,
        *,
        workflow_id: str,
        narrowed: Narrowed,
        limit: int,
        seconds: float,
    ) -> dict[int, float]:
        """Cosines by ticket number, the best first. Raises SearchUnavailable, in time."""
        try:
            async with asyncio.timeout(seconds):
                vector = await self._query(space, text)
                found = await self.store.nearest(
                    space, vector, workflow_id=workflow_id, narrowed=narrowed, limit=limit
                )
        except TimeoutError as error:
            raise SearchUnavailable(f"it did not answer within {seconds:g} seconds") from error
        except (EmbeddingUnavailable, VectorsUnavailable) as error:
            if isinstance(error, CollectionGone):
                self.forget()
            raise SearchUnavailable(error.reason) from error
        return {each.ticket: each.cosine for each in found}

    def known_query(self, space: Space, text: str) -> Vector | None:
        """The vector of a text that was just looked for."""
        return self._queries.get((space.key, text))

    def expect(self, text: str) -> None:
        """The text is looked for soon: its vector is made while the words are."""
        if self.serving is not None:
            self._asked(self.serving, text)

    async def _query(self, space: Space, text: str) -> Vector:
        return await asyncio.shield(self._asked(space, text))

    def _asked(self, space: Space, text: str) -> asyncio.Future[Vector]:
        """Who asks for the same at once shares the answer."""
        key = (space.key, text)
        if key not in self._asking:
            self._asking[key] = asyncio.ensure_future(self._vector(space, text))
            self._asking[key].add_done_callback(lambda done: self._answered(key, done))
        return self._asking[key]

    def _answered(self, key: tuple[str, str], done: asyncio.Future[Vector]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # told to whoever waits for it; perhaps nobody does any more

    async def _vector(self, space: Space, text: str) -> Vector:
        key = (space.key, text)
        if key not in self._queries:
            [self._queries[key]] = await self.embed(space, [text])
            while len(self._queries) > _REMEMBERED:
                self._queries.popitem(last=False)
        self._queries.move_to_end(key)
        return self._queries[key]

    def _embedder(self, space: Space) -> Embedder | None:
        if space.key not in self._embedders:
            self._embedders[space.key] = self._open_embedder(space)
        return self._embedders[space.key]

    async def aclose(self) -> None:
        for asked in self._asking.values():
            asked.cancel()
        for embedder in self._embedders.values():
            if embedder is not None:
                await embedder.aclose()
        if self._store is not None:
            await self._store.aclose()
