"""The suite against the application, in both eras and in both ways to serve it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tests.conformance.application import application
from tests.conformance.node import Node

_EXPECTED = Path(__file__).with_name("expected")


@dataclass(frozen=True, slots=True)
class Leg:
    """`passing`: how many checks do; fewer are a loss, even if none is seen to fail."""

    era: str
    way: str
    passing: int


LEGS = (
    Leg("2025-11-25", "stateless", 61),
    Leg("2026-07-28", "stateless", 151),
    Leg("2025-11-25", "sessions", 81),
    Leg("2026-07-28", "sessions", 152),
)


async def faults(node: Node, url: URL) -> list[str]:
    """What goes against the suite and is not expected to; tells the counts."""
    found: list[str] = []
    for leg in LEGS:
        async with application(url, keeps_sessions=leg.way == "sessions") as address:
            found += [f"{leg.era}, {leg.way}: {fault}" for fault in await _run(leg, node, address)]
    return found


async def _run(leg: Leg, node: Node, address: str) -> list[str]:
    results = node.directory / "results" / leg.way / leg.era
    ran = await node.run(
        "conformance", "server",
        "--url", f"{address}/mcp",
        "--suite", "all",
        "--spec-version", leg.era,
        "--expected-failures", str(_EXPECTED / f"{leg.way}.yaml"),
        "--output-dir", str(results),
    )  # fmt: skip
    checks = [*_checks(results)]
    passed = sum(check["status"] == "SUCCESS" for check in checks)
    failing = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    print(f"{leg.era}, {leg.way}: {passed} checks pass, {len(failing)} do not", flush=True)
    found = [] if passed >= leg.passing else [f"{passed} checks pass, {leg.passing} should"]
    if ran.status:
        found.append(ran.err + ran.out[ran.out.find("=== SUMMARY ===") :])
        found += [f"{check['id']}: {check.get('errorMessage', '')}" for check in failing]
    return found


def _checks(results: Path) -> Iterable[dict[str, Any]]:  # Any: JSON
    for path in sorted(results.glob("*/checks.json")):
        yield from json.loads(path.read_text())
