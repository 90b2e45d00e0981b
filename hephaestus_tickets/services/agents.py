"""Who was seen, and when: kept outside the units of work, at most once a minute per agent."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.models import AgentRow
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

logger = logging.getLogger("hephaestus_tickets.agents")

EVERY_SECONDS = 60.0
REMEMBERED = 10_000
_PATIENCE_SECONDS = 0.5  # the agent's own call is done, and waits for this to be answered


class AgentRegister:
    """Remembers whom it wrote down lately, so that most calls cost nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    async def seen(self, units: Units, agent_id: str) -> None:
        now = time.monotonic()
        if now - self._seen.get(agent_id, -EVERY_SECONDS) < EVERY_SECONDS:
            return
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[agent_id] = now
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await units.run(Caller(agent_id=agent_id), lambda work: _write(work, agent_id))
        except (TicketError, SQLAlchemyError, TimeoutError) as error:
            # The agent's call itself is done: when it was last seen is not worth failing it.
            logger.warning("agent not registered: %s", type(error).__name__)


async def _write(work: UnitOfWork, agent_id: str) -> None:
    statement = insert(AgentRow).values(agent_id=agent_id)
    await work.session.execute(
        statement.on_conflict_do_update(
            constraint="pk_agents", set_={"last_seen_at": func.clock_timestamp()}
        )
    )
