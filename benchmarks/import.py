"""How fast a beads export comes in, and where the time goes.

    uv run python benchmarks/import.py [FILE]

Without a file, one of 5,000 made-up issues. A throw-away PostgreSQL, fsync on, as `import` has it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import URL

from hephaestus_tickets.app import database_url, open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.exchange.beads_import import BeadsImport
from hephaestus_tickets.exchange.report import Report
from hephaestus_tickets.local.ending import throwaway_tracker

ISSUES = 5_000
PHASES = {
    "open": "open the file",
    "read": "read lines (gzip, UTF-8)",
    "map": "map issues (JSON, repairs, validation)",
    "prepare": "workflow, board, what is there already",
    "plan": "look up, fit to the board, plan edges",
    "insert": "insert tickets, comments, history, index jobs",
    "edges": "check for cycles, insert edges, count blockers",
    "commit": "commit",
}
# fmt: off
WORDS = [
    "parser", "index", "retry", "socket", "lease", "ticket", "board", "column", "merge",
    "branch", "agent", "session", "cache", "timeout", "queue", "commit", "release", "schema",
    "migration", "token", "latency", "export", "import", "error", "panic", "deadlock", "the",
    "a", "of", "when", "after", "before", "under", "with", "without", "not", "is", "was",
    "fails", "breaks", "leaks",
]
# fmt: on
TYPES = ("task", "task", "task", "bug", "bug", "feature", "epic", "chore")


def main() -> None:
    given = [Path(name) for name in sys.argv[1:2]]
    with tempfile.TemporaryDirectory() as directory, throwaway_tracker(lasting=True) as home:
        path = given[0] if given else made_up(Path(directory) / "issues.jsonl")
        with database_url(home.root) as url:
            for workflow in ("first", "second"):
                anyio.run(measure, url, path, workflow)


async def measure(url: URL, path: Path, workflow: str) -> None:
    async with open_calls(url) as calls:
        importing = BeadsImport(calls.units, Caller(agent_id="benchmark"), workflow)
        started, used = time.perf_counter(), time.process_time()
        report = await importing.run(path)
        took, ours = time.perf_counter() - started, time.process_time() - used
    tell(report, took, ours, importing.watch.seconds)


def tell(report: Report, took: float, ours: float, seconds: dict[str, float]) -> None:
    print(
        f"\nworkflow '{report.workflow_id}': {report.tickets:,} issues in {took:.2f} s, "
        f"{report.tickets / took:,.0f} a second ({ours:.2f} s of our own CPU; the rest waits for "
        "PostgreSQL)"
    )
    for phase, label in PHASES.items():
        spent = seconds.get(phase, 0.0)
        print(f"  {spent:7.3f} s {spent / took:6.1%}  {label}")


def made_up(path: Path) -> Path:
    """Issues as a tracker of agents has them: half closed, some blocked, some under a parent."""
    chance = random.Random(7)  # noqa: S311 - the same file every time, not a secret
    with path.open("w", encoding="utf-8") as file:
        for number in range(ISSUES):
            file.write(f"{json.dumps(_issue(chance, number))}\n")
    return path


def _issue(chance: random.Random, number: int) -> dict[str, Any]:  # Any: JSON
    day = f"2026-01-{1 + number % 28:02}T{number % 24:02}:00:00.{number % 1000000:06}Z"
    fields: dict[str, Any] = {
        "id": f"made-{number}",
        "title": " ".join(chance.choices(WORDS, k=8)),
        "description": " ".join(chance.choices(WORDS, k=chance.randint(10, 200))),
        "status": chance.choice(("open", "closed", "closed", "in_progress")),
        "priority": chance.randint(0, 4),
        "issue_type": chance.choice(TYPES),
        "created_by": f"agent-{number % 9}",
        "created_at": day,
        "updated_at": day,
        "labels": chance.sample(WORDS, k=chance.randint(0, 3)),
        "dependencies": _dependencies(chance),
    }
    if fields["status"] == "closed":
        fields |= {"closed_at": day, "close_reason": " ".join(chance.choices(WORDS, k=12))}
    return fields


def _dependencies(chance: random.Random) -> list[dict[str, str]]:
    kinds = [kind for kind in ("blocks", "parent-child", "related") if chance.random() < 1 / 4]
    return [
        {"depends_on_id": f"made-{chance.randrange(ISSUES)}", "type": kind, "created_by": "agent-1"}
        for kind in kinds
    ]


if __name__ == "__main__":
    main()
