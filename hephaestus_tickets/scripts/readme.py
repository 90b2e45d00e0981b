"""Rewrite the README's tables: `python -m hephaestus_tickets.scripts.readme`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from hephaestus_tickets.app import SETTINGS
from hephaestus_tickets.operations import OPERATIONS, Operation

README = Path(__file__).parents[2] / "README.md"


class MarkerMissing(LookupError):
    def __init__(self, name: str) -> None:
        super().__init__(f"README.md needs the lines `<!-- {name} -->` and `<!-- /{name} -->`")


def rewritten(text: str) -> str:
    """The text with both tables as the code has them now. Raises MarkerMissing."""
    return _with_table(_with_table(text, "tools", tools_table()), "environment", settings_table())


def tools_table() -> str:
    return _table(("Tool", "Toolset", "What it does"), map(_tool, OPERATIONS))


def settings_table() -> str:
    rows = [row for settings in SETTINGS for row in _variables(settings)]
    return _table(("Variable", "Default", "What it says"), rows)


def _tool(operation: Operation) -> tuple[str, str, str]:
    first_sentence = re.split(r"(?<=\.)\s", operation.summary)[0]
    return f"`{operation.name}`", operation.toolset, first_sentence


def _variables(settings: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        yield f"`{variable(prefix, name, field)}`", default_text(field), field.description or ""


def variable(prefix: str, name: str, field: FieldInfo) -> str:
    """What a setting is called in the environment."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"{prefix}{name}".upper()


def default_text(field: FieldInfo) -> str:
    """As one would write it; a default that depends on the system is in the description."""
    default: object = field.default
    if field.default_factory or not default or not str(default):
        return ""
    if isinstance(default, frozenset):
        return f"`{','.join(sorted(cast('frozenset[str]', default)))}`"  # sets here are of words
    return f"`{default}`"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _with_table(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise MarkerMissing(name)
    return f"{before}{begin}{table}{end}{after}"


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text()))
