"""Waiting until something was written: one connection listens for all who wait in a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from hephaestus_tickets.db import INDEX_CHANNEL, Database

POLL_S = 1.0  # what a wake-up that was lost may cost
_PAUSE_S = 0.2  # so that many who wait do not all look at each of many writes


class Hearing:
    """Every write of a ticket tells its channel; while nobody waits nobody listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0
        self._listener: asyncio.Task[None] | None = None
        self._written = asyncio.Event()

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None]:
        """Within it, `heard` waits for what is written from now on."""
        self._waiting += 1
        if self._listener is None:
            self._listener = asyncio.create_task(self._database.hear(INDEX_CHANNEL, self._tell))
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._listener.cancel()
                self._listener = None

    async def heard(self, seconds: float) -> None:
        """Until something was written, or the time is over, or it is worth to look anyway."""
        written = self._written
        try:
            async with asyncio.timeout(min(seconds, POLL_S)):
                await written.wait()
                await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            return

    def _tell(self) -> None:
        self._written.set()
        self._written = asyncio.Event()
