"""Imports point down, and each layer knows only its own third parties."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import resolve_name

from tests.contract.sources import PACKAGE, ROOT, Source, sources

ANY = "*"


@dataclass(frozen=True, slots=True)
class Layer:
    height: int
    components: str
    third_parties: str


LAYERS = [
    Layer(6, "app cli __main__ scripts migrations", ANY),
    Layer(5, "server http local exchange", "mcp mcp_types starlette pydantic"),
    Layer(4, "operations indexing upkeep", "pydantic"),
    Layer(3, "services", "sqlalchemy"),
    Layer(2, "db models queries", "sqlalchemy psycopg pydantic pydantic_settings"),
    Layer(
        2,
        "adapters",
        "openai onnxruntime tokenizers numpy threadpoolctl pydantic pydantic_settings",
    ),
    Layer(1, "schemas", "pydantic pydantic_core"),
    Layer(0, "domain", ""),
]
LAYER_OF = {component: layer for layer in LAYERS for component in layer.components.split()}

# Who may import whom within one layer; a component may always import itself.
SIDEWAYS = {
    "__main__": "cli",
    "cli": "app scripts migrations",
    "scripts": "app migrations",
    "app": "migrations",
    "http": "server",
    "queries": "models db",
}

# What single modules need beyond their layer.
BESIDES = {
    "http": "prometheus_client anyio",
    "http.health": "sqlalchemy",
    "server": "anyio",
    "local": "anyio",
    "local.postgres": "psycopg",
    "local.settings": "pydantic_settings",  # settings sit beside what they configure
    "indexing": "sqlalchemy anyio",
    "upkeep": "anyio sqlalchemy",
    "domain.keywords": "Stemmer",
    "adapters.embeddings.served": "starlette",
    "adapters.vectors.engine": "qdrant_edge",
    "adapters.vectors.qdrant": "qdrant_client",
    "adapters.vectors.remote": "qdrant_client",  # for its types alone
}

# What a client's process loads before anything else: the standard library, and each other.
LIGHT = {
    "", "__main__", "domain", "domain.setup_error", "local", "local.endpoint", "local.shim",
}  # fmt: skip

NAMELESS = {"utils", "helpers", "common", "core", "manager", "base"}

QUIET = (
    ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
# Calls that only tie a definition to its registry.
WIRING = ("app.command(", "event.listen(")
RUN_BY_ALEMBIC = "migrations.env"

OURS = sources(PACKAGE)
COMPONENTS = {path.stem for path in (ROOT / PACKAGE).iterdir()}


def imported(source: Source, node: ast.AST) -> Iterator[str]:
    """Dotted names that one statement imports, each with the name taken from a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = source.where.rpartition("/")[0].replace("/", ".")
        origin = resolve_name("." * node.level + (node.module or ""), package)
        yield from (f"{origin}.{alias.name}" for alias in node.names)


def imports(source: Source) -> set[str]:
    return {name for node in ast.walk(source.tree) for name in imported(source, node)}


def our_components(source: Source) -> set[str]:
    names = {name.split(".")[1] for name in imports(source) if name.startswith(f"{PACKAGE}.")}
    return names & COMPONENTS


def third_parties(source: Source) -> set[str]:
    tops = {name.partition(".")[0] for name in imports(source)}
    return tops - sys.stdlib_module_names - {PACKAGE}


def may_import(component: str, other: str) -> bool:
    if component == other or other in SIDEWAYS.get(component, "").split():
        return True
    return LAYER_OF[other].height < LAYER_OF[component].height


def allowed_to(module: str) -> set[str]:
    parts = module.split(".")
    prefixes = [".".join(parts[: end + 1]) for end in range(len(parts))]
    allowed = {name for prefix in prefixes for name in BESIDES.get(prefix, "").split()}
    return allowed | set(LAYER_OF[parts[0]].third_parties.split())


def test_every_module_has_a_layer() -> None:
    assert {source.component for source in OURS} - {""} <= LAYER_OF.keys()


def test_imports_point_down() -> None:
    upward = [
        f"{source.where} imports {other}"
        for source in OURS
        for other in sorted(our_components(source))
        if not (source.component and may_import(source.component, other))
    ]
    assert not upward, "\n".join(upward)


def test_each_layer_knows_only_its_own_third_parties() -> None:
    strange = [
        f"{source.where} imports {name}"
        for source in OURS
        if source.component and LAYER_OF[source.component].third_parties != ANY
        for name in sorted(third_parties(source) - allowed_to(source.module))
    ]
    assert not strange, "\n".join(strange)


def test_the_rules_need_the_standard_library_and_a_stemmer_alone() -> None:
    rules = [source for source in OURS if source.component == "domain"]
    assert {name for source in rules for name in third_parties(source)} == {"Stemmer"}


def is_light(name: str) -> bool:
    """Whether the module, or the one that the name is taken from, is."""
    below = name.removeprefix(PACKAGE).removeprefix(".")
    return name.startswith(PACKAGE) and (below in LIGHT or below.rpartition(".")[0] in LIGHT)


def test_the_door_is_light() -> None:
    heavy = [
        f"{source.where} imports {name}"
        for source in OURS
        if source.module in LIGHT
        for node in source.tree.body
        for name in imported(source, node)
        if name.partition(".")[0] not in sys.stdlib_module_names and not is_light(name)
    ]
    assert not heavy, "\n".join(heavy)


def test_every_module_is_named_for_what_it_holds() -> None:
    vague = [source.where for source in OURS if NAMELESS & set(source.module.split("."))]
    assert not vague, "\n".join(vague)


def is_quiet(node: ast.stmt) -> bool:
    if isinstance(node, ast.For):
        return all(is_quiet(inner) for inner in node.body)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or ast.unparse(node).startswith(WIRING)
    return isinstance(node, QUIET)


def test_nothing_happens_at_import() -> None:
    loud = [
        f"{source.where}:{node.lineno}"
        for source in OURS
        if source.module != RUN_BY_ALEMBIC
        for node in source.tree.body
        if not is_quiet(node)
    ]
    assert not loud, "\n".join(loud)
