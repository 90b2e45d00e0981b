"""Texts to vectors: by the bundled model, or by any OpenAI-compatible server."""

from __future__ import annotations

from hephaestus_tickets.adapters.embeddings.local import LocalEmbedder
from hephaestus_tickets.adapters.embeddings.minilm import LOCAL_SPACE
from hephaestus_tickets.adapters.embeddings.remote import RemoteEmbedder
from hephaestus_tickets.adapters.embeddings.settings import EmbeddingSettings
from hephaestus_tickets.adapters.embeddings.space import (
    Embedder,
    EmbeddingUnavailable,
    Space,
    Vector,
)
from hephaestus_tickets.adapters.embeddings.whitening import Whitening

__all__ = [
    "Embedder",
    "EmbeddingSettings",
    "EmbeddingUnavailable",
    "Space",
    "Vector",
    "Whitening",
    "open_embedder",
]


def open_embedder(settings: EmbeddingSettings, space: Space | None = None) -> Embedder | None:
    """What makes vectors as the settings say, or of exactly that stored space; loads nothing yet.

    None where the provider is `none`, and where these settings cannot make vectors of that space
    any more. Raises SetupError where the settings contradict themselves.
    """
    wanted = space or settings.space()
    if settings.provider == "none" or wanted is None:
        return None
    if wanted == LOCAL_SPACE:
        return LocalEmbedder()
    return RemoteEmbedder(wanted, settings.key()) if settings.reaches(wanted) else None
