"""What the statements here have in common."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ScalarSelect, Select, func, select

# A statement whose rows have mixed columns: what each holds is typed where it is read.
Rows = Select[*tuple[Any, ...]]


def as_json(statement: Rows) -> ScalarSelect[Any]:  # Any: JSON
    """All rows of a statement as one JSON list, in their order; empty where there are none."""
    rows = statement.subquery()
    return select(
        func.coalesce(func.json_agg(func.row_to_json(rows.table_valued())), func.json_build_array())
    ).scalar_subquery()
