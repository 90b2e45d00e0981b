"""Small exports written by hand, and ways to import and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.exchange.beads_import import BeadsImport
from hephaestus_tickets.exchange.exporting import export_workflow
from hephaestus_tickets.exchange.own_import import OwnImport
from hephaestus_tickets.exchange.report import Report, Verdict
from hephaestus_tickets.server.calls import Calls
from tests.services.actors import Sql
from tests.services.invariants import violations

IMPORTER = Caller(agent_id="importer")
TABLES = (
    "workflows",
    "board_configs",
    "agents",
    "tickets",
    "ticket_blockers",
    "ticket_links",
    "ticket_comments",
    "ticket_history",
    "ticket_commits",
    "index_jobs",
)
# One beads issue, or a dependency of one.
Fields = dict[str, Any]


def silent(_phase: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def issue(identity: str, **what_matters: object) -> Fields:
    return {
        "id": identity,
        "title": f"Title of {identity}",
        "status": "open",
        "priority": 2,
        "issue_type": "task",
        "created_by": "ada",
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-06T10:00:00.123456Z",
        **what_matters,
    }


def closed(identity: str, **what_matters: object) -> Fields:
    return issue(
        identity, **{"status": "closed", "closed_at": "2026-01-06T10:00:00Z", **what_matters}
    )


def needs(target: str, kind: str = "blocks") -> Fields:
    return {
        "depends_on_id": target,
        "type": kind,
        "created_at": "2026-01-05T11:00:00Z",
        "created_by": "bob",
    }


def written(path: Path, *issues: Fields | str) -> Path:
    """A file with these issues, or lines as they are."""
    lines = [line if isinstance(line, str) else json.dumps(line) for line in issues]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


async def import_beads(
    calls: Calls, path: Path, workflow: str = "imported", *, batch: int = 1_000
) -> Report:
    return await BeadsImport(calls.units, IMPORTER, workflow, batch=batch).run(path)


async def import_own(calls: Calls, path: Path, workflow: str = "") -> Report:
    return await OwnImport(calls.units, IMPORTER, workflow, silent).run(path)


async def exported(calls: Calls, workflow: str) -> bytes:
    lines: list[bytes] = []
    run = export_workflow(workflow, lines.append, silent)
    await calls.units.run(IMPORTER, run)
    return b"".join(lines)


def reasons(report: Report, verdict: Verdict) -> dict[str, int]:
    return {reason: tally.count for reason, tally in report.notes[verdict].items()}


def contents(sql: Sql) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for when an agent was last seen."""
    return {
        table: sql.rows(f"SELECT to_jsonb(t) - 'last_seen_at' FROM {table} t ORDER BY t::text")
        for table in TABLES
    }


def broken_rules(sql: Sql) -> list[str]:
    """What does not hold that must, in any workflow of the database."""
    workflows = [name for (name,) in sql.rows("SELECT workflow_id FROM workflows")]
    return [broken for name in workflows for broken in violations(sql, name)]
