from __future__ import annotations

import pytest

from hephaestus_tickets.app import SETTINGS
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.scripts.readme import (
    README,
    MarkerMissing,
    rewritten,
    settings_table,
    tools_table,
)


def test_the_readme_has_the_tables_of_the_code() -> None:
    text = README.read_text()
    assert text == rewritten(text), "run: uv run python -m hephaestus_tickets.scripts.readme"


def test_every_tool_has_a_line_of_one_sentence() -> None:
    _, _, *lines = tools_table().splitlines()
    assert len(lines) == len(OPERATIONS)
    for operation, line in zip(OPERATIONS, lines, strict=True):
        assert line.startswith(f"| `{operation.name}` | {operation.toolset} | ")
        assert line.endswith(". |")


def test_every_setting_is_explained() -> None:
    for settings in SETTINGS:
        for name, field in settings.model_fields.items():
            assert field.description, f"{settings.__name__}.{name} needs a description"


def test_defaults_are_told_and_secrets_are_not() -> None:
    table = settings_table()
    assert "| `DB_PORT` | `5432` | " in table
    assert "| `TOOLSETS` | `core` | " in table
    assert "| `DB_PASSWORD` |  | " in table


def test_what_stands_between_the_markers_is_replaced_and_the_rest_is_kept() -> None:
    text = (
        "above\n<!-- tools -->\nold\n<!-- /tools -->\nbetween\n"
        "<!-- environment -->\n<!-- /environment -->\nbelow\n"
    )
    assert rewritten(text) == (
        f"above\n<!-- tools -->\n{tools_table()}<!-- /tools -->\nbetween\n"
        f"<!-- environment -->\n{settings_table()}<!-- /environment -->\nbelow\n"
    )


def test_a_missing_marker_is_named() -> None:
    with pytest.raises(MarkerMissing, match="<!-- /environment -->"):
        rewritten("<!-- tools -->\n<!-- /tools -->\n<!-- environment -->\n")
