"""Files, functions and nesting stay within their limits; the limits only go down."""

from __future__ import annotations

import ast
from statistics import median

from tests.contract.sources import PACKAGE, Function, Source, sources

FILE_LINES = 350
FUNCTION_LINES = 40
NESTING = 3

# A revision is a frozen list of statements: splitting what never changes again helps nobody.
FROZEN = f"{PACKAGE}/migrations/versions/"

BLOCKS = (
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith,
    ast.Try, ast.TryStar, ast.Match,
)  # fmt: skip
SCOPES = (*Function.__args__, ast.ClassDef, ast.Lambda)

OURS = [source for source in sources(PACKAGE) if not source.where.startswith(FROZEN)]
CODE = [*OURS, *sources("benchmarks")]
FUNCTIONS = [(source, function) for source in CODE for function in source.functions()]


def lines(source: Source) -> int:
    return source.text.count("\n")


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def depth(node: ast.AST) -> int:
    """Blocks within blocks below this node; what is defined inside is measured by itself."""
    return max((depth_of(child, node) for child in ast.iter_child_nodes(node)), default=0)


def depth_of(child: ast.AST, parent: ast.AST) -> int:
    if isinstance(child, SCOPES):
        return 0
    is_elif = isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]
    return depth(child) + (isinstance(child, BLOCKS) and not is_elif)


def test_no_file_is_long() -> None:
    files = [*CODE, *sources("tests")]
    assert [f"{file.where}: {lines(file)}" for file in files if lines(file) > FILE_LINES] == []


def test_no_function_is_long() -> None:
    long = [
        f"{source.where}:{function.lineno} {function.name}: {length(function)}"
        for source, function in FUNCTIONS
        if length(function) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_no_function_is_nested_deeply() -> None:
    deep = [
        f"{source.where}:{function.lineno} {function.name}: {depth(function)}"
        for source, function in FUNCTIONS
        if depth(function) > NESTING
    ]
    assert not deep, "\n".join(deep)


def test_the_medians_are_there_to_be_read() -> None:
    files = median(lines(source) for source in OURS)
    functions = median(length(function) for _, function in FUNCTIONS)
    print(f"median file {files:g} lines, function {functions:g}")  # noqa: T201 - for pytest -rP
