"""What the house forbids, and what must carry its reason."""

from __future__ import annotations

import ast
import importlib
import io
import re
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from tokenize import TokenInfo

from hephaestus_tickets.domain.errors import TicketError
from tests.contract.sources import PACKAGE, ROOT, Source, sources

OURS = sources(PACKAGE)
CODE = sources(PACKAGE, "tests", "benchmarks")

TOP = """
    hephaestus_tickets/ tests/ benchmarks/ docs/ .ci/
    pyproject.toml README.md LICENSE NOTICE .gitignore .dockerignore .env.example
    mcp.json server.json compose.yaml Dockerfile
"""

# The shim has no other way to its settings; what a server reads once is compared by a digest.
READS_ENVIRONMENT = {f"{PACKAGE}/local/shim.py", f"{PACKAGE}/local/settings.py"}

# These catch everything to clean up, to tell a caller nothing of it, to harm no other session,
# to outlive it, or because a library raises nothing narrower.
CATCHES_ALL = {
    f"{PACKAGE}/adapters/vectors/engine.py",
    f"{PACKAGE}/http/routes.py",
    f"{PACKAGE}/indexing/__init__.py",
    f"{PACKAGE}/local/children.py",
    f"{PACKAGE}/local/reception.py",
    f"{PACKAGE}/server/sessions.py",
    f"{PACKAGE}/server/tools.py",
    f"{PACKAGE}/upkeep.py",
}

SILENCED = re.compile(
    r"#\s*(?:(?:ruff|flake8):\s*)?(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?"
    r"|(?:type|pyright):\s*[\w-]+(?:\[[^\]]*\]|=\w+)?)"
)
REASON = re.compile(r"[A-Za-z]{2,}")
# To set a variable for a library (os.putenv) reads none.
ENVIRONMENT = re.compile(r"os\.(?!putenv)\w*env\w*")
EVERYTHING = re.compile(r"\b(?:Base)?Exception\b")
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
RUFF_RULE = re.compile(r'^\s*"(?P<rule>[A-Z]+\d*)",[ \t]*(?P<reason>#.*\w)?', re.MULTILINE)

FAMILIES = {"NotFound": 404, "Invalid": 422, "Conflict": 409, "Forbidden": 403, "Unavailable": 503}


@cache
def tokens(source: Source) -> list[TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source.text).readline))


def test_every_silenced_check_says_why() -> None:
    mute = [
        f"{source.where}:{token.start[0]} {token.string}"
        for source in CODE
        for token in tokens(source)
        if token.type == tokenize.COMMENT and SILENCED.search(token.string)
        if not REASON.search(SILENCED.sub("", token.string))
    ]
    assert not mute, "\n".join(mute)


def test_nothing_is_left_unfinished() -> None:
    # Names are let through: a board has a category of that name.
    left = [
        f"{source.where}:{token.start[0]}"
        for source in CODE
        for token in tokens(source)
        if token.type != tokenize.NAME and UNFINISHED.search(token.string)
    ]
    assert not left, "\n".join(left)


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any("env" in alias.name for alias in node.names)
    return isinstance(node, ast.Attribute) and ENVIRONMENT.fullmatch(ast.unparse(node)) is not None


def test_only_settings_read_the_environment() -> None:
    found = {s.where for s in OURS for node in ast.walk(s.tree) if reads_environment(node)}
    assert found == READS_ENVIRONMENT


def catches_all(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or EVERYTHING.search(ast.unparse(node.type)) is not None
    is_suppress = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
    return is_suppress and EVERYTHING.search(ast.unparse(node)) is not None


def test_what_cannot_be_handled_is_not_caught() -> None:
    found = {s.where for s in OURS for node in ast.walk(s.tree) if catches_all(node)}
    assert found == CATCHES_ALL


def test_the_top_of_the_tree_holds_what_the_design_lists() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    patterns = [".git", *(pattern.rstrip("/") for pattern in ignored)]
    found = [
        path.name + "/" * path.is_dir()
        for path in ROOT.iterdir()
        if not any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert set(found) <= set(TOP.split())


def test_every_ignored_ruff_rule_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    lists: list[list[str]] = [lint["ignore"], *lint["per-file-ignores"].values()]
    found = list(RUFF_RULE.finditer(text))
    assert [match["rule"] for match in found] == [rule for rules in lists for rule in rules]
    assert [match["rule"] for match in found if not match["reason"]] == []


def errors_below(error: type[TicketError]) -> Iterator[type[TicketError]]:
    for child in error.__subclasses__():
        if child.__module__.startswith(f"{PACKAGE}."):
            yield child
            yield from errors_below(child)


def every_error() -> list[type[TicketError]]:
    for source in OURS:
        if source.component not in {"", "__main__", "migrations"}:
            importlib.import_module(f"{PACKAGE}.{source.module}")
    return list(errors_below(TicketError))


def test_there_are_five_families_of_errors() -> None:
    families = [error for error in every_error() if TicketError in error.__bases__]
    assert {family.__name__: family.status for family in families} == FAMILIES


def test_every_error_has_the_status_of_its_family_alone() -> None:
    own = [error.__name__ for error in every_error() if "status" in vars(error)]
    assert sorted(own) == sorted(FAMILIES)


def test_every_error_explains_itself() -> None:
    silent = [e.__name__ for e in every_error() if not e.__doc__ and "__init__" not in vars(e)]
    assert not silent, "\n".join(silent)


def test_error_codes_are_unique() -> None:
    codes = Counter(error.code for error in every_error())
    assert [code for code, count in codes.items() if count > 1] == []
