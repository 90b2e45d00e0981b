"""The Indexer: after the commit, what a ticket says becomes a vector that searches find."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable
from hephaestus_tickets.adapters.vectors import CollectionGone, VectorsUnavailable
from hephaestus_tickets.db import INDEX_CHANNEL, Listening
from hephaestus_tickets.domain.indexing import pause_after_failure
from hephaestus_tickets.indexing.jobs import Job, Jobs
from hephaestus_tickets.indexing.spaces import LiveSpace, Spaces
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.indexing.vectors import Vectors
from hephaestus_tickets.services.semantic import SearchUnavailable
from hephaestus_tickets.services.unit_of_work import Units

logger = logging.getLogger("hephaestus_tickets.indexing")

MOST_AT_ONCE = 64
POLL_S = 5.0  # what a wake-up that was lost may cost
COMPARE_S = 600.0


class Indexer:
    """Any number of servers may run one on a database: each job is one's at a time.

    It may be killed anywhere: a job goes only when its vector is stored, and doing one twice
    changes nothing. `is_alone` on a database that no other server uses.
    """

    def __init__(self, units: Units, *, is_alone: bool) -> None:
        self._database = units.database
        self._semantic = units.semantic
        steps = Steps(units)
        self._jobs, self._spaces, self._vectors = Jobs(steps), Spaces(steps), Vectors(steps)
        self._is_alone = is_alone
        self._at_once = MOST_AT_ONCE
        self._failures = 0
        self._compared_at = 0.0

    async def run(self) -> None:
        """Until it is cancelled; whatever goes wrong is logged and tried again, later and later."""
        failures = 0
        while True:
            try:
                await self._run()
            except Exception:  # the one loop that must outlive every fault
                failures += 1
                logger.exception("indexing failed; it is tried again")
                await asyncio.sleep(pause_after_failure(failures, None))

    async def _run(self) -> None:
        await self._jobs.write_missing_postings()
        if not self._semantic.is_on:
            await asyncio.Event().wait()
        if self._is_alone:
            await self._jobs.free_all()
        async with self._database.listening(INDEX_CHANNEL) as listening:
            await self._work(listening)

    async def _work(self, listening: Listening) -> None:
        while True:
            try:
                has_worked = await self.round()
            except (EmbeddingUnavailable, VectorsUnavailable, SearchUnavailable) as refusal:
                self._failures += 1
                self._at_once = 1  # so that one text that is refused does not hold up others
                retry_after = getattr(refusal, "retry_after", None)
                pause = pause_after_failure(self._failures, retry_after)
                logger.warning("indexing waits %g seconds: %s", pause, refusal.reason)
                await asyncio.sleep(pause)
            else:
                self._failures = 0
                self._at_once = min(2 * self._at_once, MOST_AT_ONCE)
                if not has_worked:
                    await listening.heard(POLL_S)

    async def round(self) -> bool:
        """Indexes what is due, at most a batch of it; whether there was any."""
        live = await self._spaces.live()
        await self._heal(live)
        jobs = await self._jobs.claim(self._at_once)
        if jobs:
            await self._index(jobs, live)
        await self._spaces.switch_if_complete(live)
        await self._fit(live, was_busy=bool(jobs))
        return bool(jobs)

    async def _fit(self, live: Sequence[LiveSpace], *, was_busy: bool) -> None:
        """In a quiet moment, and as soon as there are enough at all."""
        for each in live:
            if not was_busy or each.space.key not in self._semantic.whitenings:
                await self._vectors.fit(each)

    async def _heal(self, live: Sequence[LiveSpace]) -> None:
        """A collection that is gone, or has fewer points than it should, is filled again."""
        for each in live:
            if await self._semantic.ensure(each.space):
                await self._jobs.enqueue_all()
        now = asyncio.get_running_loop().time()
        if self._compared_at and now - self._compared_at < COMPARE_S:
            return
        self._compared_at = now
        expected = await self._jobs.indexed()
        counts = [await self._semantic.store.count(each.space) for each in live if each.serves]
        if any(count < expected for count in counts):
            logger.warning("the vector store has %s points of %d: all again", counts, expected)
            await self._jobs.enqueue_all()

    async def _index(self, jobs: Sequence[Job], live: Sequence[LiveSpace]) -> None:
        try:
            texts = await self._jobs.texts(jobs)
            for each in live:
                points = await self._vectors.points(each, texts)
                await self._semantic.upsert(each.space, points)
        except (EmbeddingUnavailable, VectorsUnavailable, SearchUnavailable) as refusal:
            if isinstance(refusal, CollectionGone):
                self._semantic.forget()
            pause = pause_after_failure(max(job.attempts for job in jobs), None)
            await self._jobs.give_back(jobs, pause, str(refusal))
            raise
        await self._jobs.finish(jobs)
