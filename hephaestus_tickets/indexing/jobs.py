"""Index jobs: claimed, done, or given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hephaestus_tickets.domain.indexing import embedded_text
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import index_jobs
from hephaestus_tickets.services.keyword_index import renew_postings
from hephaestus_tickets.services.unit_of_work import UnitOfWork

LEASE_S = 60.0
_POSTINGS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Job:
    ticket: int
    version: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Text:
    """What a ticket says, and what its point tells beside the vector."""

    ticket: int
    text: str
    payload: dict[str, Any]  # Any: JSON

    @property
    def digest(self) -> bytes:
        return sha256(self.text.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class Queue:
    """How many tickets wait, for how many seconds the oldest does, and what went wrong last."""

    waiting: int
    oldest_seconds: float | None
    last_error: str | None

    @classmethod
    def of(cls, waiting: int, oldest_seconds: Any, last_error: str | None) -> Queue:  # Any: numeric
        """As the database tells it."""
        return cls(waiting, None if oldest_seconds is None else float(oldest_seconds), last_error)

    def __str__(self) -> str:
        if not self.waiting:
            return "no ticket waits"
        age = f", the oldest for {self.oldest_seconds or 0:.0f} seconds"
        error = f" ({self.last_error.rstrip('.')})" if self.last_error else ""
        return f"{self.waiting} tickets wait{age}{error}"


class Jobs:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def claim(self, limit: int) -> list[Job]:
        async def claim(work: UnitOfWork) -> list[Job]:
            rows = await work.session.execute(index_jobs.claim(limit, LEASE_S))
            return [Job(*row) for row in rows]

        return await self._steps.run(claim)

    async def texts(self, jobs: Sequence[Job]) -> list[Text]:
        async def texts(work: UnitOfWork) -> list[Text]:
            numbers = [job.ticket for job in jobs]
            rows = await work.session.execute(index_jobs.texts(numbers))
            return [_text(ticket, comments) for ticket, comments in rows]

        return await self._steps.run(texts)

    async def finish(self, jobs: Sequence[Job]) -> None:
        async def finish(work: UnitOfWork) -> None:
            await work.session.execute(index_jobs.done([(job.ticket, job.version) for job in jobs]))
            # What was written again meanwhile is due at once.
            await work.session.execute(index_jobs.given_back([job.ticket for job in jobs]))

        await self._steps.run(finish)

    async def give_back(self, jobs: Sequence[Job], pause_seconds: float, error: str) -> None:
        async def give_back(work: UnitOfWork) -> None:
            numbers = [job.ticket for job in jobs]
            await work.session.execute(index_jobs.given_back(numbers, pause_seconds, error))

        await self._steps.run(give_back)

    async def free_all(self) -> None:
        async def free_all(work: UnitOfWork) -> None:
            await work.session.execute(index_jobs.FREE_ALL)

        await self._steps.run(free_all)

    async def enqueue_all(self, workflow_id: str | None = None) -> None:
        async def enqueue_all(work: UnitOfWork) -> None:
            await work.session.execute(index_jobs.ENQUEUE_ALL, {"workflow_id": workflow_id})

        await self._steps.run(enqueue_all)

    async def indexed(self) -> int:
        """How many tickets do not wait: as many points there must be at least."""

        async def indexed(work: UnitOfWork) -> int:
            tickets, waiting = (await work.session.execute(index_jobs.standing())).one()
            return tickets - waiting

        return await self._steps.run(indexed)

    async def queue(self) -> Queue:
        async def queue(work: UnitOfWork) -> Queue:
            return Queue.of(*(await work.session.execute(index_jobs.queue())).one())

        return await self._steps.run(queue)

    async def write_missing_postings(self) -> None:
        """Of tickets from before there were any."""

        async def some(work: UnitOfWork) -> int:
            numbers = list(
                await work.session.scalars(index_jobs.without_postings(_POSTINGS_AT_ONCE))
            )
            for number in numbers:
                await renew_postings(work, number)
            return len(numbers)

        while await self._steps.run(some):
            pass


def _text(ticket: TicketRow, comments: Sequence[str]) -> Text:
    payload = {
        "workflow_id": ticket.workflow_id,
        "status": ticket.status,
        "priority": ticket.priority,
        "ticket_type": ticket.ticket_type,
        "assigned_agent_id": ticket.assigned_agent_id or "",
        "tags": ticket.tags,
        "is_resolved": ticket.is_resolved,
        "is_blocked": ticket.open_blockers > 0,
    }
    text = embedded_text(ticket.title, ticket.description, ticket.tags, comments)
    return Text(ticket.id, text, payload)
