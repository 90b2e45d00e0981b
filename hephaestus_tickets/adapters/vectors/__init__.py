"""Where vectors are kept, and the nearest found: in the home, or in a Qdrant server."""

from __future__ import annotations

from pathlib import Path

from hephaestus_tickets.adapters.vectors.edge import EdgeStore
from hephaestus_tickets.adapters.vectors.points import (
    CollectionGone,
    Narrowed,
    Near,
    Point,
    VectorStore,
    VectorsUnavailable,
)
from hephaestus_tickets.adapters.vectors.remote import RemoteStore
from hephaestus_tickets.adapters.vectors.settings import QdrantSettings

__all__ = [
    "CollectionGone",
    "Narrowed",
    "Near",
    "Point",
    "QdrantSettings",
    "VectorStore",
    "VectorsUnavailable",
    "open_edge",
    "open_remote",
]


def open_edge(directory: Path) -> VectorStore:
    """Qdrant's engine in a process of its own, on a directory; starts nothing yet."""
    return EdgeStore(directory)


def open_remote(settings: QdrantSettings, *, seconds: float = 5.0) -> VectorStore:
    """A Qdrant server; connects to nothing yet. No request takes longer than so many seconds."""
    return RemoteStore(settings.url, settings.api_key.get_secret_value(), seconds=seconds)
