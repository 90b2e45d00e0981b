"""One operation, one transaction: what is tried again, and what the caller is told."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.services.unit_of_work import Outdated, UnitOfWork
from hephaestus_tickets.services.violations import DatabaseBusy
from tests.factories import Desk
from tests.services.actors import Sql
from tests.services.rows import number_of

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{0}'; END $$"


async def insert_agent(work: UnitOfWork, name: str) -> None:
    await work.session.execute(text("INSERT INTO agents (agent_id) VALUES (:name)"), {"name": name})


@pytest.mark.parametrize("state", ["40P01", "40001"], ids=["deadlock", "serialization failure"])
async def test_a_failure_that_may_pass_starts_the_whole_unit_again(
    desk: Desk, sql: Sql, state: str
) -> None:
    attempts: list[int] = []
    name = f"{state} of {desk.caller.default_workflow}"

    async def work(unit: UnitOfWork) -> str:
        attempts.append(len(attempts))
        await insert_agent(unit, name)
        if len(attempts) < 4:
            await unit.session.execute(text(RAISE.format(state)))
        return "done"

    assert await desk.calls.units.run(desk.caller, work) == "done"
    assert len(attempts) == 4
    assert sql.one("SELECT count(*) FROM agents WHERE agent_id = :name", name=name) == 1


async def test_a_unit_that_keeps_failing_is_given_up_as_busy(desk: Desk) -> None:
    attempts: list[int] = []

    async def work(unit: UnitOfWork) -> None:
        attempts.append(len(attempts))
        if len(attempts) % 2:
            raise Outdated
        await unit.session.execute(text(RAISE.format("40P01")))

    with pytest.raises(DatabaseBusy):
        await desk.calls.units.run(desk.caller, work)
    assert len(attempts) == 4


@pytest.mark.parametrize("state", ["55P03", "57014", "53300"])
async def test_a_wait_that_lasts_too_long_is_not_tried_again_but_said(
    desk: Desk, state: str
) -> None:
    attempts: list[int] = []

    async def work(unit: UnitOfWork) -> None:
        attempts.append(len(attempts))
        await unit.session.execute(text(RAISE.format(state)))

    with pytest.raises(DatabaseBusy):
        await desk.calls.units.run(desk.caller, work)
    assert len(attempts) == 1


async def test_a_lock_that_is_not_had_in_time_is_a_refusal_not_a_hang(desk: Desk) -> None:
    number = number_of(await desk.make_ticket())
    lock = text(f"SELECT 1 FROM tickets WHERE id = {number} FOR UPDATE")

    async def hurried(unit: UnitOfWork) -> None:
        await unit.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
        await unit.session.execute(lock)

    async def holding(unit: UnitOfWork) -> None:
        await unit.session.execute(lock)
        with pytest.raises(DatabaseBusy):
            await desk.calls.units.run(desk.caller, hurried)

    await desk.calls.units.run(desk.caller, holding)


async def test_every_connection_waits_with_a_bound(desk: Desk) -> None:
    async def work(unit: UnitOfWork) -> list[str]:
        names = ("lock_timeout", "statement_timeout", "timezone", "application_name")
        return [(await unit.session.scalars(text(f"SHOW {name}"))).one() for name in names]

    shown = await desk.calls.units.run(desk.caller, work)
    assert shown == ["20s", "1min", "UTC", "hephaestus-tickets"]


async def test_what_only_reads_begins_no_transaction(desk: Desk) -> None:
    async def work(unit: UnitOfWork) -> set[datetime]:
        return {(await unit.session.scalars(select(func.now()))).one() for _ in range(2)}

    assert len(await desk.calls.units.read(desk.caller, work)) == 2
    assert len(await desk.calls.units.run(desk.caller, work)) == 1


async def test_plans_are_kept_of_those_statements_alone_that_find_rows_by_keys(
    desk: Desk,
) -> None:
    ticket = await desk.make_ticket()
    for _ in range(20):
        await desk.get_ticket(ticket_id=ticket)
        await desk.get_tickets()

    async def kept(unit: UnitOfWork) -> list[str]:
        return list(
            await unit.session.scalars(text("SELECT statement FROM pg_prepared_statements"))
        )

    statements = await desk.calls.units.read(desk.caller, kept)
    assert any("AS it" in statement for statement in statements)
    assert not any("count(*) AS total" in statement for statement in statements)


async def test_a_fault_of_ours_is_not_dressed_up_as_a_refusal(desk: Desk) -> None:
    async def work(unit: UnitOfWork) -> None:
        await unit.session.execute(text("SELECT no_such_column FROM tickets"))

    with pytest.raises(DBAPIError):
        await desk.calls.units.run(desk.caller, work)


async def test_a_refusal_undoes_what_was_written_before_it(desk: Desk, sql: Sql) -> None:
    name = f"refused in {desk.caller.default_workflow}"

    async def work(unit: UnitOfWork) -> None:
        await insert_agent(unit, name)
        raise TicketError

    with pytest.raises(TicketError):
        await desk.calls.units.run(desk.caller, work)
    assert sql.rows("SELECT 1 FROM agents WHERE agent_id = :name", name=name) == []
