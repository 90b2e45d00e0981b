"""One operation, one transaction, one owner: opened here, retried here, committed here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from hephaestus_tickets.db import Database
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.retry import ATTEMPTS, is_retryable, pause_before
from hephaestus_tickets.services.violations import DatabaseBusy, sqlstate, translated

T = TypeVar("T")


class Outdated(Exception):
    """What was read before the locks no longer holds, and the locks taken do not fit it."""


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """The session of one operation and who it is for."""

    session: AsyncSession
    caller: Caller


class Units:
    """Runs units of work on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, caller: Caller, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Commit what `work` did, or nothing of it.

        A deadlock, a serialization failure or an outdated read starts the whole unit again, a
        bounded number of times. Raises a TicketError for what PostgreSQL refused.
        """
        for attempt in range(1, ATTEMPTS):
            outcome = await self._attempt(caller, work)
            if not isinstance(outcome, _Again):
                return outcome
            await asyncio.sleep(pause_before(attempt + 1))
        outcome = await self._attempt(caller, work)
        if isinstance(outcome, _Again):
            raise DatabaseBusy
        return outcome

    async def _attempt(
        self, caller: Caller, work: Callable[[UnitOfWork], Awaitable[T]]
    ) -> T | _Again:
        try:
            async with self._database.get_session() as session:
                return await work(UnitOfWork(session, caller))
        except Outdated:
            return _Again()
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, DBAPIError) and is_retryable(sqlstate(error)):
                return _Again()
            refusal = translated(error)
            if refusal is None:
                raise
            raise refusal from error


class _Again:
    """The attempt was undone and is worth another."""
