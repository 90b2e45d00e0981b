"""Both vector stores, on all that they can run on here, and points to fill them with."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from qdrant_client import AsyncQdrantClient

from hephaestus_tickets.adapters.embeddings import Space, Vector
from hephaestus_tickets.adapters.vectors import Narrowed, Point, VectorStore
from hephaestus_tickets.adapters.vectors.edge import EdgeStore
from hephaestus_tickets.adapters.vectors.remote import RemoteStore
from tests.adapters.qdrant_stub import qdrant_stub

KINDS = ("edge", "memory", "http")
SPACE = Space(provider="local", model="m", dimension=4)
ANY = Narrowed()


def in_memory() -> AsyncQdrantClient:
    """Qdrant's own client without a server."""
    return AsyncQdrantClient(":memory:")


@asynccontextmanager
async def open_store(kind: str, directory: Path) -> AsyncGenerator[VectorStore]:
    with qdrant_stub() as stub:
        store: VectorStore = {
            "edge": lambda: EdgeStore(directory, seconds=10),
            "memory": lambda: RemoteStore("", seconds=5, client=in_memory),
            "http": lambda: RemoteStore(stub.url, seconds=5),
        }[kind]()
        try:
            yield store
        finally:
            await store.aclose()


def towards(degree: int) -> Vector:
    """The less, the nearer to `towards(0)`; not of unit length."""
    return [3.0, degree / 10, 0.0, 0.0]


def make_point(ticket: int, *, vector: Vector | None = None, **payload: Any) -> Point:  # Any: JSON
    """Nearer to `towards(0)` the lower its number."""
    usual: dict[str, Any] = {  # Any: JSON
        "workflow_id": "w",
        "status": "backlog",
        "priority": 2,
        "ticket_type": "task",
        "assigned_agent_id": "",
        "tags": [],
        "is_resolved": False,
        "is_blocked": False,
    }
    return Point(ticket=ticket, vector=vector or towards(ticket), payload={**usual, **payload})


async def found(
    store: VectorStore, narrowed: Narrowed = ANY, *, limit: int = 10, workflow_id: str = "w"
) -> list[int]:
    hits = await store.nearest(
        SPACE, towards(0), workflow_id=workflow_id, narrowed=narrowed, limit=limit
    )
    return [hit.ticket for hit in hits]
