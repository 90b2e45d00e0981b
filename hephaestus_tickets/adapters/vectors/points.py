"""What is kept of a ticket beside its text, how it is found, and why it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hephaestus_tickets.adapters.embeddings import Space, Vector
from hephaestus_tickets.domain.errors import Unavailable

# Each is a field of a point's payload, with an index of this type.
KEYWORD_FIELDS = ("status", "ticket_type", "assigned_agent_id", "tags")
INTEGER_FIELDS = ("priority",)
BOOLEAN_FIELDS = ("is_resolved", "is_blocked")
TENANT_FIELD = "workflow_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A ticket's vector; the ticket's number is the point's id."""

    ticket: int
    vector: Vector
    payload: dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    ticket: int
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Which points may be hits, beside being of the workflow.

    `only` these tickets, whatever their payload says. Else a payload must have one of the values
    of each field given; `besides` are let in all the same, since their payload may lag behind.
    """

    only: tuple[int, ...] | None = None
    status: tuple[str, ...] | None = None
    priority: tuple[int, ...] | None = None
    ticket_type: tuple[str, ...] | None = None
    assigned_agent_id: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    is_resolved: bool | None = None
    is_blocked: bool | None = None
    besides: tuple[int, ...] = ()

    def lists(self) -> dict[str, list[Any]]:  # Any: text, or numbers
        """The values of which one must stand in each field, for the fields that are given."""
        given = {name: getattr(self, name) for name in (*KEYWORD_FIELDS, *INTEGER_FIELDS)}
        return {name: list(values) for name, values in given.items() if values is not None}

    def flags(self) -> dict[str, bool]:
        given = {name: getattr(self, name) for name in BOOLEAN_FIELDS}
        return {name: value for name, value in given.items() if value is not None}


class VectorsUnavailable(Unavailable):
    """No vectors now. `reason` is what is so, without an address or a key.

    `retry_after`: seconds the server asked for. `is_misconfigured`: no retry will help until an
    operator acts.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float | None = None,
        is_misconfigured: bool = False,
    ) -> None:
        self.reason = reason
        self.retry_after = retry_after
        self.is_misconfigured = is_misconfigured
        mend = "tell who runs it" if is_misconfigured else "try again later"
        super().__init__(f"The vector store is not available: {reason}; {mend}.")


class CollectionGone(VectorsUnavailable):
    """The collection of a space is not there: never made, wiped, or spoiled."""

    def __init__(self, reason: str = "its collection is gone, and is filled again") -> None:
        super().__init__(reason)


class VectorStore(Protocol):
    """Every method raises VectorsUnavailable, in bounded time."""

    async def ensure(self, space: Space) -> bool:
        """Makes the space's collection with its indexes if it is not there; whether it did."""
        ...

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        """Durable when it returns. Raises CollectionGone where there is none."""
        ...

    async def nearest(
        self, space: Space, vector: Vector, *, workflow_id: str, narrowed: Narrowed, limit: int
    ) -> list[Near]:
        """The best first. Raises CollectionGone where there is none."""
        ...

    async def count(self, space: Space) -> int:
        """How many points there are. Raises CollectionGone where there is none."""
        ...

    async def serve(self, space: Space) -> None:
        """The space is complete: who looks at the store by hand finds it under our name."""
        ...

    async def drop(self, space: Space) -> None:
        """Forgets the collection, if there is one."""
        ...

    async def aclose(self) -> None: ...


def check_dimension(space: Space, vectors: Sequence[Vector]) -> None:
    """Raises VectorsUnavailable where a vector is not one of the space."""
    for vector in vectors:
        if len(vector) != space.dimension:
            raise other_dimension(space, len(vector))


def other_dimension(space: Space, found: object) -> VectorsUnavailable:
    return VectorsUnavailable(
        f"vectors of {space.name} are of {space.dimension} numbers, but {found} are found",
        is_misconfigured=True,
    )
