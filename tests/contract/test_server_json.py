"""server.json, as the registry of MCP servers asks for it: schema 2025-12-11."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from hephaestus_tickets import __version__
from hephaestus_tickets.app import SETTINGS
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.scripts.readme import README, default_text, variable
from tests.contract.sources import ROOT

SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_bytes())  # Any: JSON
FORMATS: dict[object, str] = {
    int: "number",
    int | None: "number",
    float: "number",
    Path: "filepath",
}


def declared() -> Iterator[dict[str, object]]:
    """What a session reads: all but what is for HTTP."""
    for settings in SETTINGS:
        if settings is not HttpSettings:
            prefix = settings.model_config.get("env_prefix", "")
            for name, field in settings.model_fields.items():
                yield {"name": variable(prefix, name, field), **dict(inputs(field))}


def inputs(field: FieldInfo) -> Iterator[tuple[str, object]]:
    yield "description", field.description
    if field.annotation is SecretStr:
        yield "isSecret", True
    if field.annotation in FORMATS:
        yield "format", FORMATS[field.annotation]
    if get_origin(field.annotation) is Literal:
        yield "choices", list(get_args(field.annotation))
    if shown := default_text(field).strip("`"):
        yield "default", shown


def test_the_version_is_the_package_s() -> None:
    (package,) = SERVER["packages"]
    assert SERVER["version"] == package["version"] == __version__


def test_it_has_what_the_registry_asks_for_and_takes() -> None:
    assert set(SERVER) == {"$schema", "name", "title", "description", "version", "packages"}
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert 1 <= len(SERVER["description"]) <= 100
    assert 1 <= len(SERVER["title"]) <= 100


def test_the_readme_carries_the_mark_that_proves_whose_it_is() -> None:
    assert f"<!-- mcp-name: {SERVER['name']} -->" in README.read_text()


def test_it_is_started_as_a_package_of_python_over_standard_input_and_output() -> None:
    (package,) = SERVER["packages"]
    assert {name: each for name, each in package.items() if name != "environmentVariables"} == {
        "registryType": "pypi",
        "identifier": "hephaestus-tickets",
        "version": __version__,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
    }


def test_it_declares_what_a_session_reads_and_asks_for_none_of_it() -> None:
    expected = [*declared()]
    assert SERVER["packages"][0]["environmentVariables"] == expected, json.dumps(expected, indent=2)
