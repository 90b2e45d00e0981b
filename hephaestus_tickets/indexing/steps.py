"""The Indexer's short transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import CancelScope

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.services.semantic import Semantic
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

T = TypeVar("T")

_CALLER = Caller(agent_id="indexer")


class Steps:
    """Each a transaction of its own; none is open while anything is waited for."""

    def __init__(self, units: Units) -> None:
        self._units = units

    @property
    def semantic(self) -> Semantic:
        return self._units.semantic

    async def run(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """To its end: it is short, and a connection cut off in a statement is lost."""
        with CancelScope(shield=True):
            return await self._units.run(_CALLER, work)
        raise AssertionError("a shielded scope is never cut short")
