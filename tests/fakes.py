"""What costs money or minutes, made small: against the same Protocols."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from math import sqrt
from pathlib import Path
from zlib import crc32

import anyio
from sqlalchemy import URL

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable, Space, Vector
from hephaestus_tickets.adapters.vectors import VectorStore, open_edge
from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.keywords import terms_of
from hephaestus_tickets.domain.ranking import Ranking
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.semantic import Semantic

SPACE = Space(provider="fake", model="words", dimension=32)
# Words that mean the same to the fake model.
_ALIKE = {"sign": "log", "automobil": "car", "colour": "color"}


@dataclass
class FakeEmbedder:
    """Texts that share words, or words that mean the same, are near. Counts what it embeds."""

    space: Space = SPACE
    texts: list[str] = field(default_factory=list[str])
    fault: EmbeddingUnavailable | None = None
    refused: str = "\x00"  # a text that has this is refused
    waits_for: anyio.Event | None = None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self.waits_for is not None:
            await self.waits_for.wait()
        if self.fault is not None:
            raise self.fault
        if any(self.refused in text for text in texts):
            raise EmbeddingUnavailable("a text is refused", is_misconfigured=True)
        self.texts += texts
        return [self._vector(text) for text in texts]

    async def aclose(self) -> None:
        """Holds nothing."""

    def _vector(self, text: str) -> Vector:
        vector = [0.01] * self.space.dimension
        for term in terms_of(text):
            vector[crc32(_ALIKE.get(term, term).encode()) % self.space.dimension] += 1.0
        length = sqrt(sum(each * each for each in vector))
        return [each / length for each in vector]


def semantic_of(
    embedder: FakeEmbedder, store: VectorStore | None, ranking: Ranking = "zscore"
) -> Semantic:
    """With whatever model a space asks for."""
    return Semantic(
        embedder.space,
        lambda space: embedder if space == embedder.space else replace(embedder, space=space),
        store,
        ranking=ranking,
    )


@asynccontextmanager
async def open_searching(
    url: URL, directory: Path, embedder: FakeEmbedder
) -> AsyncGenerator[Calls]:
    """Calls whose searches by meaning use the real engine and the fake model."""
    semantic = semantic_of(embedder, open_edge(directory))
    async with open_calls(url, semantic) as calls:
        try:
            yield calls
        finally:
            await semantic.aclose()
