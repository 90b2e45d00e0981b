"""Plans of the statements behind a call, as PostgreSQL tells them, and indexes without use."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from psycopg import AsyncConnection
from sqlalchemy import text
from synthetic import CALLER

from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.unit_of_work import UnitOfWork

BY_NAME = {operation.name: operation for operation in OPERATIONS}
ROUNDS = 12  # after so many the plan is the one that stays
EXPLAINING = (
    "LOAD 'auto_explain'",
    "SET LOCAL auto_explain.log_min_duration = 0",
    "SET LOCAL auto_explain.log_analyze = on",
    "SET LOCAL auto_explain.log_buffers = on",
    "SET LOCAL client_min_messages = log",
)
LAST = "SELECT 'the end'"  # a statement's plan may be told as late as with the next one
UNUSED = """
    SELECT format('%s (%s%s)', indexrelname, pg_size_pretty(pg_relation_size(indexrelid)),
                  CASE WHEN indisunique THEN ', unique' END)
    FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid) WHERE idx_scan = 0
    ORDER BY pg_relation_size(indexrelid) DESC
"""

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Step:
    """Calls of one operation; `arguments` are made anew for each, of the client so numbered."""

    name: str
    operation: str
    arguments: Callable[[int], Arguments]


async def tell_plans(tracker: Calls, steps: Sequence[Step]) -> None:
    for step in steps:
        print(f"\n    plans of {step.name}")
        for plan in await _plans(tracker, step):
            print("\n".join(f"      {line}" for line in _shortened(plan)), flush=True)


async def _plans(tracker: Calls, step: Step) -> list[str]:
    """What was written is undone."""
    plans: list[str] = []

    async def explain(work: UnitOfWork) -> None:
        connection = await (await work.session.connection()).get_raw_connection()
        driver = cast("AsyncConnection", connection.driver_connection)  # untyped here
        driver.add_notice_handler(lambda notice: plans.append(str(notice.message_primary)))
        for statement in EXPLAINING:
            await work.session.execute(text(statement))
        operation = BY_NAME[step.operation]
        for number in range(ROUNDS):
            plans.clear()
            await operation.call(work, operation.parse(step.arguments(number)))
            await work.session.flush()
            await work.session.execute(text(LAST))
        await work.rest()

    await tracker.units.run(CALLER, explain)
    return [plan for plan in plans if "(cost=" in plan and LAST not in plan]


def _shortened(plan: str) -> list[str]:
    """Its duration, the beginning of its statement, its nodes."""
    lines = plan.splitlines()
    nodes = next(number for number, line in enumerate(lines) if re.search(r"\(cost=", line))
    statement = " ".join(lines[1:nodes])
    return [f"{lines[0]} {statement[:160]} …", *lines[nodes:]]


async def tell_unused_indexes(tracker: Calls) -> None:
    engine = tracker.units.database.engine
    await engine.dispose()  # a connection tells what it scanned when it ends, at the latest
    await asyncio.sleep(1)
    async with engine.connect() as connection:
        names = (await connection.scalars(text(UNUSED))).all()
    print("\n      ".join(["    indexes never scanned:", *names]), flush=True)
