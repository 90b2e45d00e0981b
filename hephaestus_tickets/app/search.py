"""What searches by meaning need: embeddings, a vector store, and who keeps them up to date."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from hephaestus_tickets.adapters.embeddings import EmbeddingSettings, open_embedder
from hephaestus_tickets.adapters.vectors import QdrantSettings, VectorStore, open_edge, open_remote
from hephaestus_tickets.domain.ranking import Ranking
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.services.semantic import Semantic


class SearchSettings(BaseSettings):
    """`SEARCH_…`: how searches rank."""

    model_config = SettingsConfigDict(env_prefix="SEARCH_", env_ignore_empty=True)

    ranking: Ranking = Field(
        default="zscore",
        description=(
            "How hybrid search orders what its two legs found: `zscore` (half and half) or `rrf` "
            "(reciprocal ranks, 0.7 by meaning and 0.3 by words)"
        ),
    )


@asynccontextmanager
async def open_semantic(home: Home | None) -> AsyncGenerator[Semantic]:
    """As the environment has it; without QDRANT_URL the vectors are the home's, if there is one.

    Loads nothing and connects to nothing yet. Raises SetupError where settings contradict.
    """
    embeddings = EmbeddingSettings()
    semantic = Semantic(
        embeddings.space(),
        partial(open_embedder, embeddings),
        _store(home),
        "QDRANT_URL is not set" if embeddings.provider != "none" else "",
        SearchSettings().ranking,
    )
    try:
        yield semantic
    finally:
        await semantic.aclose()


def _store(home: Home | None) -> VectorStore | None:
    qdrant = QdrantSettings()
    if qdrant.url:
        return open_remote(qdrant)
    return None if home is None else open_edge(home.vectors)
