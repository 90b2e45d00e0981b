"""What passes with time: claims that end, keys that are forgotten, commits that appear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import anyio
from anyio import CancelScope
from sqlalchemy import Update

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.claims import TRACKER
from hephaestus_tickets.domain.commits import (
    AmbiguousCommit,
    CommitNotFound,
    RepositoryUnavailable,
)
from hephaestus_tickets.domain.indexing import pause_after_failure
from hephaestus_tickets.queries import boards, claims, commits, idempotency
from hephaestus_tickets.queries.tickets import database_clock, lock_ticket
from hephaestus_tickets.services.claims import expire as end_claim
from hephaestus_tickets.services.commit_links import repository_of, verify_link
from hephaestus_tickets.services.lookup import parsed_workflow, workflow_for_read
from hephaestus_tickets.services.once import KEPT_SECONDS
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

logger = logging.getLogger("hephaestus_tickets.upkeep")

EVERY_S = 2.0
FORGETS_EVERY_S = 600.0
VERIFIES_EVERY_S = 30.0
MOST_AT_ONCE = 100
_CALLER = Caller(agent_id=TRACKER)


class Upkeep:
    """Every server of a database may run one: what one has locked, the others leave."""

    def __init__(self, units: Units) -> None:
        self._units = units

    async def run(self) -> None:
        """Until it is cancelled. A claim that ends waits for no repository."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_again_and_again, self._expire_all, EVERY_S)
            tasks.start_soon(_again_and_again, self.forget, FORGETS_EVERY_S)
            tasks.start_soon(_again_and_again, self.verify, VERIFIES_EVERY_S)

    async def _expire_all(self) -> None:
        while await self.expire():
            pass

    async def expire(self) -> int:
        """Ends claims whose time is over, at most a batch of them; how many there were.

        They are ready work already: what is missing is the history, and where the board shows
        them.
        """
        with CancelScope(shield=True):
            workflows = await self._units.run(_CALLER, _with_lapsed)
            return sum(
                [await self._units.run(_CALLER, partial(expire, each)) for each in workflows]
            )
        raise AssertionError("a shielded scope is never cut short")

    async def verify(self) -> int:
        """Looks unverified commits up that are due, at most a batch; how many were found.

        One that is not there, or whose repository is not, is looked up later and later.
        """
        repositories = self._units.repositories
        if not repositories.is_open:
            return 0
        taken = commits.take_unverified(MOST_AT_ONCE, has_default=repositories.has_default)
        links = await self._units.run(_CALLER, partial(_taken, taken))
        found = 0
        for link in links:
            found += await self._units.run(_CALLER, partial(_verify, link))
        return found

    async def forget(self) -> None:
        """Deletes idempotency keys that no call can repeat any more."""
        with CancelScope(shield=True):
            await self._units.run(
                _CALLER, lambda work: work.session.execute(idempotency.forgotten(KEPT_SECONDS))
            )


async def _again_and_again(step: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Whatever goes wrong is logged and tried again, later and later."""
    failures = 0
    while True:
        try:
            await step()
            failures = 0
        except Exception:  # what must outlive every fault
            failures += 1
            logger.exception("upkeep failed; it is tried again")
        await asyncio.sleep(pause_after_failure(failures, None) if failures else seconds)


async def _with_lapsed(work: UnitOfWork) -> list[str]:
    return list(await work.session.scalars(claims.with_lapsed()))


async def expire(workflow_id: str, work: UnitOfWork) -> int:
    """The board is held first, as by every writer: the column a ticket goes back to stays."""
    statement = boards.board_for_write(is_limited=False)
    held = (await work.session.execute(statement, boards.naming(workflow_id, None))).one()
    board = parsed_workflow(*held).board
    lapsed = (await work.session.scalars(claims.lock_lapsed(workflow_id, MOST_AT_ONCE))).all()
    now = (await work.session.scalars(database_clock())).one()
    recorder = Recorder(work, TRACKER, now)
    for ticket in lapsed:
        end_claim(recorder, ticket, board)
        await recorder.to_index(ticket.id)
        logger.info("the claim of ticket-%d is over", ticket.id)
    return len(lapsed)


@dataclass(frozen=True, slots=True)
class _Due:
    """A link that is to be looked up, and whose it is."""

    number: int
    ticket: int
    sha: str
    workflow_id: str


async def _taken(statement: Update, work: UnitOfWork) -> list[_Due]:
    numbers = list(await work.session.scalars(statement))
    rows = await work.session.execute(commits.links_with_workflow(numbers))
    return [_Due(*row) for row in rows]


async def _verify(link: _Due, work: UnitOfWork) -> bool:
    """No connection is held while git is asked; the link may be verified or gone after that.

    The ticket is held, as by whoever links a commit: the same one is not linked meanwhile.
    """
    workflow = await workflow_for_read(work, link.workflow_id)
    await work.rest()
    try:
        repository = repository_of(work, workflow)
        facts = None if repository is None else await repository.commit(link.sha)
    except (RepositoryUnavailable, CommitNotFound, AmbiguousCommit):
        return False
    if facts is None:
        return False
    await work.session.execute(lock_ticket(link.ticket))
    row = (await work.session.scalars(commits.lock_link(link.number))).first()
    if row is None:
        return False
    await verify_link(work, row, facts)
    return True
