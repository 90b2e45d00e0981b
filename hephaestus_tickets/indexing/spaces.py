"""Which embeddings are kept up to date: those that serve searches, and those that will."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hephaestus_tickets.adapters.embeddings import Space
from hephaestus_tickets.indexing.steps import Steps
from hephaestus_tickets.models import SpaceRow
from hephaestus_tickets.queries import graph, index_jobs
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.services.searching import space_of
from hephaestus_tickets.services.unit_of_work import UnitOfWork

logger = logging.getLogger("hephaestus_tickets.indexing")

# Any pair of numbers that no workflow's lock has.
_SPACES_LOCK = (4_852, 0)
_HOPELESS_AFTER = 5  # attempts: a switch does not wait for a text that is always refused


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSpace:
    id: int
    space: Space
    serves: bool
    begun_at: datetime


class Spaces:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def live(self) -> list[LiveSpace]:
        """What each ticket is to be embedded in now; begins a space that is configured anew."""
        wanted = self._steps.semantic.space

        async def live(work: UnitOfWork) -> list[LiveSpace]:
            rows = list(await work.session.scalars(index_jobs.every_space()))
            if wanted is not None and not _is_live(rows, wanted):
                rows = await _begun(work, wanted)
            return [_live(row) for row in rows if row.status != "retired"]

        found = await self._steps.run(live)
        usable = [each for each in found if self._steps.semantic.can_embed(each.space)]
        self._steps.semantic.serving = next((each.space for each in usable if each.serves), wanted)
        return usable

    async def switch_if_complete(self, live: Sequence[LiveSpace]) -> None:
        building = next((each for each in live if not each.serves), None)
        if building is None or not await self._steps.run(lambda work: _switched(work, building)):
            return
        store = self._steps.semantic.store
        await store.serve(building.space)
        logger.info("searches use the embeddings %s from now on", building.space.name)
        for each in live:
            if each.serves:
                await store.drop(each.space)


def _is_live(rows: Sequence[SpaceRow], wanted: Space) -> bool:
    return any(row.status != "retired" and space_of(row) == wanted for row in rows)


def _live(row: SpaceRow) -> LiveSpace:
    return LiveSpace(
        id=row.id,
        space=space_of(row),
        serves=row.status == "serving",
        begun_at=row.begun_at,
    )


async def _begun(work: UnitOfWork, wanted: Space) -> list[SpaceRow]:
    """The wanted space is built from now on, with every ticket; of several servers one begins."""
    await work.session.execute(graph.advisory_lock(*_SPACES_LOCK))
    work.session.expire_all()
    rows = list(await work.session.scalars(index_jobs.every_space()))
    if _is_live(rows, wanted):
        return rows
    for row in rows:
        if row.status == "building":
            row.status = "retired"
    await work.session.flush()
    row = next((row for row in rows if space_of(row) == wanted), None)
    if row is None:
        row = SpaceRow(
            provider=wanted.provider,
            model=wanted.model,
            dimension=wanted.dimension,
            base_url=wanted.base_url,
            status="building",
        )
        work.session.add(row)
        rows.append(row)
    await work.session.execute(index_jobs.ENQUEUE_ALL, {"workflow_id": None})
    row.status = "building"
    row.begun_at = (await work.session.scalars(database_clock())).one()
    await work.session.flush()
    logger.info("the embeddings %s are built", wanted.name)
    return rows


async def _switched(work: UnitOfWork, building: LiveSpace) -> bool:
    """Whether this unit made the built space the serving one."""
    unfinished = index_jobs.unfinished(building.begun_at, _HOPELESS_AFTER)
    if (await work.session.scalars(unfinished)).one():
        return False
    await work.session.execute(graph.advisory_lock(*_SPACES_LOCK))
    work.session.expire_all()
    rows = list(await work.session.scalars(index_jobs.every_space()))
    row = next(row for row in rows if row.id == building.id)
    if row.status != "building":
        return False
    for each in rows:
        if each.status == "serving":
            each.status = "retired"
    await work.session.flush()
    row.status = "serving"
    return True
