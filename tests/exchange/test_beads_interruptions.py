from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.exchange.beads_import import BeadsImport, Progress
from hephaestus_tickets.server.calls import Calls
from tests.exchange.trackers import broken_rules, import_beads, issue, needs, written
from tests.factories import Desk
from tests.services.actors import Sql, outcome_of


class Killed(Exception):
    """Stands for the end of the process between two batches."""


def killed_after(tickets: int) -> Progress:
    def progress(phase: str, done: int, _total: int) -> None:
        if phase == "Writing" and done >= tickets:
            raise Killed

    return progress


async def test_a_killed_import_completes_when_it_is_run_again(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    ring = [
        issue(
            f"x-{number}",
            dependencies=[
                needs(f"x-{(number + 3) % 12}"),
                needs(f"x-{(number + 5) % 12}", "parent-child"),
                needs(f"x-{(number + 7) % 12}", "related"),
            ],
        )
        for number in range(12)
    ]
    path = written(tmp_path / "t.jsonl", *ring)
    caller = Caller(agent_id="importer")
    with pytest.raises(Killed):
        await BeadsImport(calls.units, caller, "killed", killed_after(4), batch=4).run(path)
    await import_beads(calls, path, "killed", batch=4)
    await import_beads(calls, path, "whole", batch=4)
    edges = """
        SELECT a.external_ref, b.external_ref FROM ticket_blockers e
        JOIN tickets a ON a.id = blocked_id JOIN tickets b ON b.id = blocker_id
        WHERE e.workflow_id = :workflow ORDER BY 1, 2
    """
    parents = """
        SELECT a.external_ref, b.external_ref FROM tickets a
        JOIN tickets b ON b.id = a.parent_ticket_id WHERE a.workflow_id = :workflow ORDER BY 1, 2
    """
    for statement in (edges, parents):
        expected = sql.rows(statement, workflow="whole")
        assert len(expected) > 6
        assert sql.rows(statement, workflow="killed") == expected
    assert broken_rules(sql) == []


async def test_agents_may_work_on_tickets_while_they_arrive(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    count = 120
    issues = [
        issue(f"x-{number}", dependencies=[needs(f"x-{number + step}") for step in (1, 40)])
        for number in range(count)
    ]
    path = written(tmp_path / "t.jsonl", *issues)
    await desk.configure_board(workflow_id="imported")
    imported = anyio.Event()

    async def work() -> None:
        number = 0
        while not imported.is_set():
            made = await desk.make_ticket(workflow_id="imported", title=f"Local {number}")
            await desk.update_ticket(ticket_id=made, updates={"priority": "high"})
            listed = await desk.get_tickets(workflow_id="imported", filters={"is_blocked": False})
            # Between the list and the resolution a batch may have brought a blocker.
            await outcome_of(desk.resolve_ticket(ticket_id=listed["tickets"][-1]["ticket_id"]))
            number += 1

    async def bring() -> None:
        assert (await import_beads(calls, path, batch=5)).tickets == count
        imported.set()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            tasks.start_soon(bring)
    assert broken_rules(sql) == []


async def test_two_imports_of_one_file_at_once_make_each_ticket_once(
    calls: Calls, sql: Sql, tmp_path: Path
) -> None:
    path = written(
        tmp_path / "t.jsonl",
        *[issue(f"x-{number}", dependencies=[needs(f"x-{number + 1}")]) for number in range(60)],
    )
    created: list[int] = []

    async def run() -> None:
        created.append((await import_beads(calls, path, batch=7)).tickets)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            tasks.start_soon(run)
    assert sum(created) == 60
    assert sql.one("SELECT count(*) FROM ticket_blockers") == 59
    assert broken_rules(sql) == []
