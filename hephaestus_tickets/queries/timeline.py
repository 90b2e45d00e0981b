"""What happened to a ticket: its timeline, in one union."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    cast,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute

from hephaestus_tickets.models import CommentRow, CommitRow, HistoryRow
from hephaestus_tickets.queries.rows import Rows
from hephaestus_tickets.schemas.arguments import SortOrder

CHANGE, COMMENT, COMMIT = 0, 1, 2
SHORT = 200
UNSHOWN = frozenset({"ticket_id", "xid", "files_list", "parents", "checked_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineWindow:
    """Which part of a timeline: an order, where to go on, how many."""

    order: SortOrder
    limit: int
    after: tuple[datetime, int, int] | None = None


def timeline(ticket: int, window: TimelineWindow) -> Rows:
    """(at, source, id, entry as JSON): changes, comments and commit links in one order of time."""
    parts = [
        _part(CHANGE, HistoryRow, HistoryRow.changed_at, ticket, window),
        _part(COMMENT, CommentRow, CommentRow.created_at, ticket, window),
        _part(COMMIT, CommitRow, CommitRow.linked_at, ticket, window),
    ]
    merged = union_all(*[select(part.subquery()) for part in parts]).subquery()
    place = (merged.c.at, merged.c.source, merged.c.id)
    order = place if window.order == "asc" else [column.desc() for column in place]
    return select(*place, merged.c.entry).order_by(*order).limit(window.limit)


def _part(
    source: int,
    row: type[HistoryRow | CommentRow | CommitRow],
    at: InstrumentedAttribute[datetime],
    ticket: int,
    window: TimelineWindow,
) -> Rows:
    number = literal(source, Integer)
    statement = select(
        at.label("at"), number.label("source"), row.id.label("id"), _entry(row).label("entry")
    ).where(row.ticket_id == ticket)
    if window.after is not None:
        here = tuple_(at, number, row.id)
        moment, of_source, entry = window.after
        there = tuple_(
            literal(moment, DateTime(timezone=True)),
            literal(of_source, BigInteger),
            literal(entry, BigInteger),
        )
        statement = statement.where(here > there if window.order == "asc" else here < there)
    if window.order == "asc":
        return statement.order_by(at, row.id).limit(window.limit)
    return statement.order_by(at.desc(), row.id.desc()).limit(window.limit)


def _entry(row: type[HistoryRow | CommentRow | CommitRow]) -> ColumnElement[Any]:
    shown = [column for column in row.__table__.columns if column.name not in UNSHOWN]
    pairs = [part for column in shown for part in (literal(column.name, Text), column)]
    return func.json_build_object(*pairs, type_=JSON)


def timeline_entry(ticket: int, source: int, entry: int) -> Rows:
    """One entry of a ticket's timeline, in the same form."""
    row, at = {
        CHANGE: (HistoryRow, HistoryRow.changed_at),
        COMMENT: (CommentRow, CommentRow.created_at),
        COMMIT: (CommitRow, CommitRow.linked_at),
    }[source]
    return select(at, literal(source, Integer), row.id, _entry(row)).where(
        row.ticket_id == ticket, row.id == entry
    )


def changes_since(ticket: int, version: int) -> Rows:
    """(field_name, change_type, agent_id, the beginning of the new value as JSON text).

    Of the changes that took a ticket past this version: of each field the last one.
    """
    field = func.coalesce(HistoryRow.field_name, HistoryRow.change_type)
    last = (
        select(
            HistoryRow.id,
            HistoryRow.field_name,
            HistoryRow.change_type,
            HistoryRow.agent_id,
            func.left(cast(HistoryRow.new_value, Text), SHORT).label("value"),
        )
        .where(
            HistoryRow.ticket_id == ticket,
            cast(HistoryRow.details["version"].astext, BigInteger) > version,
        )
        .ext(distinct_on(field))
        .order_by(field, HistoryRow.id.desc())
        .subquery()
    )
    told = (last.c.field_name, last.c.change_type, last.c.agent_id, last.c.value)
    return select(*told).order_by(last.c.id).limit(20)
