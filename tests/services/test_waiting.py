from __future__ import annotations

import asyncio
import time

import anyio
import pytest

from hephaestus_tickets.domain.claims import NothingReady
from hephaestus_tickets.upkeep import Upkeep
from tests.factories import Desk
from tests.services.actors import SECONDS, Sql
from tests.services.rows import lapse


async def test_who_waits_for_work_has_it_as_soon_as_it_is_filed(ada: Desk, bob: Desk) -> None:
    with anyio.fail_after(SECONDS):
        waiting = asyncio.ensure_future(bob.claim_ticket(wait_seconds=15))
        await asyncio.sleep(0)
        ticket = await ada.make_ticket()
        assert (await waiting)["ticket_id"] == ticket


async def test_of_many_who_wait_one_gets_each_ticket(ada: Desk) -> None:
    with anyio.fail_after(SECONDS):
        waiting = [
            asyncio.ensure_future(ada.speaking_as(f"agent-{number}").claim_ticket(wait_seconds=15))
            for number in range(5)
        ]
        tickets = [await ada.make_ticket() for _ in range(5)]
        claimed = [(await each)["ticket_id"] for each in waiting]
    assert sorted(claimed) == sorted(tickets)


async def test_a_claim_that_ends_wakes_who_waits(ada: Desk, bob: Desk, sql: Sql) -> None:
    ticket = await ada.make_ticket()
    await ada.claim_ticket(ticket_id=ticket)
    with anyio.fail_after(SECONDS):
        waiting = asyncio.ensure_future(bob.claim_ticket(wait_seconds=15))
        lapse(sql, ticket)
        await Upkeep(ada.calls.units).expire()
        assert (await waiting)["ticket_id"] == ticket


async def test_who_waited_long_enough_is_told_that_nothing_is_ready(ada: Desk, sql: Sql) -> None:
    began = time.monotonic()
    with pytest.raises(NothingReady):
        await ada.claim_ticket(wait_seconds=1)
    assert time.monotonic() - began >= 1
    listening = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    deadline = time.monotonic() + SECONDS
    while sql.one(listening):  # its end is seen a moment later
        assert time.monotonic() < deadline, "somebody listens though nobody waits"
        await anyio.sleep(0.01)
