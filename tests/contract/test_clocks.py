"""A clock that is set must not shorten or lengthen a wait: durations come from another."""

from __future__ import annotations

import ast
import re

import pytest

from tests.contract.sources import PACKAGE, sources

# What tells the time of day, by whatever name it was imported.
OF_THE_DAY = re.compile(
    r"(?:\w+\.)*(?:time\.(?:time|time_ns|localtime|gmtime|ctime)"
    r"|(?:datetime|date)\.(?:now|utcnow|today))"
)
NAMES = frozenset({"time", "time_ns", "localtime", "gmtime", "ctime"})

# A moment to show, to store or to compare with a stored one; no wait is measured by it.
MOMENTS = {
    f"{PACKAGE}/app/local_server.py": 1,
    f"{PACKAGE}/cli/status.py": 1,
    f"{PACKAGE}/exchange/beads_import.py": 1,
    f"{PACKAGE}/local/reception.py": 1,
}


def tells_the_day(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(alias.name in NAMES for alias in node.names)
    return isinstance(node, ast.Attribute) and OF_THE_DAY.fullmatch(ast.unparse(node)) is not None


@pytest.mark.parametrize(
    "text",
    ["time.time()", "from time import time", "dt.datetime.now(UTC)", "date.today", "time.time_ns"],
)
def test_a_clock_that_is_set_is_known_by_its_names(text: str) -> None:
    assert any(map(tells_the_day, ast.walk(ast.parse(text))))


@pytest.mark.parametrize(
    "text", ["time.monotonic()", "from time import sleep", "anyio.current_time"]
)
def test_one_that_is_never_set_is_not_mistaken_for_it(text: str) -> None:
    assert not any(map(tells_the_day, ast.walk(ast.parse(text))))


def test_only_moments_are_told_by_a_clock_that_is_set() -> None:
    found = {
        source.where: sum(map(tells_the_day, ast.walk(source.tree))) for source in sources(PACKAGE)
    }
    assert {where: count for where, count in found.items() if count} == MOMENTS
