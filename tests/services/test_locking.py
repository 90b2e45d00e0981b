from __future__ import annotations

import asyncio

from sqlalchemy import URL, Connection, create_engine, text

from hephaestus_tickets.queries.graph import lock_with_dependents
from tests.factories import Desk
from tests.services.actors import Sql, until_someone_waits
from tests.services.rows import insert_blockers, insert_tickets, number_of

# What PostgreSQL chooses by itself where there are thousands of tickets.
LARGE = ("SET enable_hashjoin = off", "SET enable_mergejoin = off", "SET enable_seqscan = off")


async def test_all_that_a_ticket_blocks_is_locked_though_others_change_it_meanwhile(
    shared_url: URL, desk: Desk, sql: Sql
) -> None:
    workflow_id = desk.caller.default_workflow
    blocker, *blocked = insert_tickets(sql, workflow_id, 4)
    insert_blockers(sql, workflow_id, [(each, blocker) for each in blocked])
    numbers = [number_of(each) for each in (blocker, *blocked)]
    engine = create_engine(shared_url)
    with engine.connect() as one, engine.connect() as other:
        change = text("UPDATE tickets SET title = 'Changed' WHERE id = ANY(:numbers)")
        one.execute(change, {"numbers": numbers})
        locking = asyncio.create_task(asyncio.to_thread(_locked, other, numbers[0]))
        await until_someone_waits(sql)
        one.commit()
        assert await locking == numbers
    engine.dispose()


def _locked(connection: Connection, ticket: int) -> list[int]:
    for setting in LARGE:
        connection.execute(text(setting))
    return [row[0] for row in connection.execute(lock_with_dependents(ticket))]
