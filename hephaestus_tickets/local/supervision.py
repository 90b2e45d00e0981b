"""Brings PostgreSQL back when it dies while its server lives."""

from __future__ import annotations

import logging

import anyio
from anyio import to_thread

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.disk import explained
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.postgres import Postgres

logger = logging.getLogger("hephaestus_tickets.server")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class Supervision:
    """`fault` is why PostgreSQL does not run; empty while it does."""

    def __init__(self, home: Home, postgres: Postgres) -> None:
        self.fault = ""
        self.restarts = 0
        self._home, self._postgres = home, postgres
        self._pause = _FIRST_PAUSE_S
        self._not_before = 0.0

    async def look(self) -> None:
        """Starts PostgreSQL again if it has ended; after a failure, later and later."""
        if self._postgres.is_running() or anyio.current_time() < self._not_before:
            return
        logger.error("PostgreSQL (process %d) has ended by itself", self._postgres.pid)
        try:
            with explained(self._home.root):
                # The kernel ties PostgreSQL's life to the thread that starts it: to this one.
                self._postgres.relaunch()
                await to_thread.run_sync(
                    self._postgres.wait_until_accepting, abandon_on_cancel=True
                )
        except SetupError as error:
            self._failed(str(error))
        else:
            self.fault, self._pause = "", _FIRST_PAUSE_S
            self.restarts += 1
            logger.warning("PostgreSQL serves again (process %d)", self._postgres.pid)

    def _failed(self, fault: str) -> None:
        logger.error("PostgreSQL does not come back: %s", fault)
        self.fault = fault
        self._not_before = anyio.current_time() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
