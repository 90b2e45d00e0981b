"""One operation, one transaction, one owner: opened here, retried here, committed here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from hephaestus_tickets.adapters.git import Repositories, no_repositories
from hephaestus_tickets.db import Database
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.claims import Leases
from hephaestus_tickets.domain.retry import (
    Effect,
    Failure,
    Stage,
    Verdict,
    pause_after,
    verdict_on,
)
from hephaestus_tickets.services.hearing import Hearing
from hephaestus_tickets.services.semantic import Semantic
from hephaestus_tickets.services.totals import TotalsKept
from hephaestus_tickets.services.violations import (
    DatabaseBusy,
    OutcomeUnknown,
    failure_of,
    translated,
)

T = TypeVar("T")


class Outdated(Exception):
    """What was read before the locks no longer holds, and the locks taken do not fit it."""


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """The session of one operation, who it is for, and what its rules and searches go by.

    `wakes` are the channels that are told once the unit is committed.
    """

    session: AsyncSession
    caller: Caller
    semantic: Semantic
    totals: TotalsKept
    leases: Leases = field(default_factory=Leases)
    repositories: Repositories = field(default_factory=no_repositories)
    wakes: set[str] = field(default_factory=set[str])

    async def rest(self) -> None:
        """Gives the connection back; what is read after this is another transaction.

        For units that have only read, before they wait for what is no database.
        """
        await self.session.rollback()


class Units:
    """Runs units of work on a database."""

    def __init__(
        self,
        database: Database,
        semantic: Semantic | None = None,
        leases: Leases | None = None,
        repositories: Repositories | None = None,
    ) -> None:
        self.database = database
        self._leases = leases or Leases()
        self.repositories = repositories or no_repositories()
        self.hearing = Hearing(database)
        self._totals = TotalsKept()
        self.semantic = semantic or Semantic.off("this process has no search by meaning")

    async def run(
        self,
        caller: Caller,
        work: Callable[[UnitOfWork], Awaitable[T]],
        *,
        effect: Effect = Effect.ROWS,
    ) -> T:
        """Commit what `work` did, or nothing of it.

        What came to nothing but may pass starts the whole unit again, a bounded number of times:
        a deadlock, a serialization failure, an outdated read, a connection lost before COMMIT. A
        database that is away is waited for, for seconds. Raises a TicketError for what PostgreSQL
        refused.
        """
        return await self._until_done(lambda: self._attempt(caller, work), effect)

    async def read(self, caller: Caller, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """What `work` finds, in no transaction; as `run`, and done again whatever it failed of."""
        return await self._until_done(lambda: self._look(caller, work), Effect.NOTHING)

    async def _until_done(self, attempt: Callable[[], Awaitable[T | _Failed]], effect: Effect) -> T:
        tries = _Tries()
        while True:
            began = time.monotonic()
            outcome = await attempt()
            if not isinstance(outcome, _Failed):
                return outcome
            verdict = verdict_on(outcome.failure, effect)
            tries.count(outcome.failure, began)
            pause = pause_after(verdict, undone=tries.undone, away_seconds=tries.away_seconds())
            if pause is None:
                outcome.refuse(verdict)
            await asyncio.sleep(pause)

    async def _attempt(
        self, caller: Caller, work: Callable[[UnitOfWork], Awaitable[T]]
    ) -> T | _Failed:
        is_committing = False
        try:
            async with self.database.get_session() as session:
                unit = self._unit(session, caller)
                result = await work(unit)
                await session.flush()  # then the end of the block sends COMMIT and nothing else
                is_committing = True
        except Outdated as error:
            return _Failed(Failure(stage=Stage.WORKING, is_clash=True), error)
        except (DBAPIError, PoolTimeout) as error:
            return _Failed(failure_of(error, was_committing=is_committing), error)
        self._wake(unit)
        return result

    async def _look(
        self, caller: Caller, work: Callable[[UnitOfWork], Awaitable[T]]
    ) -> T | _Failed:
        try:
            async with self.database.get_reading_session() as session:
                unit = self._unit(session, caller)
                result = await work(unit)
        except (DBAPIError, PoolTimeout) as error:
            return _Failed(failure_of(error, was_committing=False), error)
        self._wake(unit)
        return result

    def _unit(self, session: AsyncSession, caller: Caller) -> UnitOfWork:
        return UnitOfWork(
            session, caller, self.semantic, self._totals, self._leases, self.repositories
        )

    def _wake(self, unit: UnitOfWork) -> None:
        for channel in unit.wakes:
            self.database.tell(channel)


@dataclass(frozen=True, slots=True)
class _Failed:
    """An attempt that was not one."""

    failure: Failure
    error: Outdated | DBAPIError | PoolTimeout

    def refuse(self, verdict: Verdict) -> NoReturn:
        """Raises what the caller is told, or a fault of ours as it is."""
        if verdict is Verdict.UNKNOWN:
            raise OutcomeUnknown from self.error
        if isinstance(self.error, Outdated):
            raise DatabaseBusy from self.error
        refusal = translated(self.error)
        if refusal is None:
            raise self.error
        raise refusal from self.error


class _Tries:
    """How often one unit of work was undone, and since when the database is away."""

    def __init__(self) -> None:
        self.undone = 0
        self._away_since: float | None = None

    def count(self, failure: Failure, began: float) -> None:
        """Counts an attempt that began at that time."""
        if failure.stage is Stage.CONNECTING:
            self._away_since = self._away_since or began
        else:
            self.undone += 1
            self._away_since = None

    def away_seconds(self) -> float:
        return 0 if self._away_since is None else time.monotonic() - self._away_since
