"""The Python files of the tree, read and parsed once for the tests of the house."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "hephaestus_tickets"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    where: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """Its name below the package: `local.postgres`; empty for the package itself."""
        return re.sub(r"(^|\.)__init__$", "", self.where[len(PACKAGE) + 1 : -3].replace("/", "."))

    @property
    def component(self) -> str:
        return self.module.partition(".")[0]

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below these folders of the tree, in the order of their paths."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return tuple(
        Source(where=where, text=text, tree=ast.parse(text)) for where, text in texts.items()
    )
