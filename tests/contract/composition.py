"""compose.yaml as Docker Compose reads it, and the environment that our settings know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import yaml

from hephaestus_tickets.app import SETTINGS
from hephaestus_tickets.scripts.readme import variable
from tests.contract.sources import ROOT

Service = Mapping[str, Any]  # Any: what YAML says

# `$$`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, or a `$` that stands for nothing known.
REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}|(?P<stray>))"
)


class NotComposed(ValueError):
    pass


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Raises NotComposed as `docker compose config` refuses."""

    def replaced(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if not match["name"]:
            raise NotComposed(f"a lone $ in {text!r}")
        value = values.get(match["name"], "")
        if not value and match["kind"] == ":?":
            raise NotComposed(f"required variable {match['name']} is missing: {match['rest']}")
        return value or (match["rest"] if match["kind"] == ":-" else "")

    return REFERENCE.sub(replaced, text)


def composed(node: object, values: Mapping[str, str]) -> Any:  # Any: what YAML says
    if isinstance(node, str):
        return interpolated(node, values)
    if isinstance(node, list):
        return [composed(each, values) for each in cast("list[object]", node)]
    if isinstance(node, dict):
        items = cast("dict[str, object]", node).items()
        return {name: composed(each, values) for name, each in items}
    return node


@cache
def written() -> Mapping[str, Any]:  # Any: what YAML says
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def references(node: object) -> Iterator[re.Match[str]]:
    if isinstance(node, str):
        yield from (match for match in REFERENCE.finditer(node) if match["name"])
    elif isinstance(node, list):
        for each in cast("list[object]", node):
            yield from references(each)
    elif isinstance(node, dict):
        yield from references([*cast("dict[str, object]", node).values()])


def example() -> dict[str, str]:
    """.env.example, as Compose reads such a file."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    assert all(equals and re.fullmatch(r"[A-Z_]+", name) for name, equals, _ in pairs)
    return {name: value for name, _, value in pairs}


FILLED = {"DB_PASSWORD": "a-password", "QDRANT_API_KEY": "a-key"}


def services(values: Mapping[str, str] | None = None) -> Mapping[str, Service]:
    """Those of an .env that is filled in, unless other values are given."""
    return composed(written(), {**example(), **FILLED} if values is None else values)["services"]


def is_ours(service: Service) -> bool:
    return "build" in service


def variables() -> set[str]:
    """Every variable that the tracker reads."""
    return {
        variable(settings.model_config.get("env_prefix", ""), name, field)
        for settings in SETTINGS
        for name, field in settings.model_fields.items()
    }
