"""What happened to a ticket: its surroundings in one row, its timeline in one union."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, aliased

from hephaestus_tickets.models import (
    BlockerRow,
    CommentRow,
    CommitRow,
    HistoryRow,
    LinkRow,
    TicketRow,
)
from hephaestus_tickets.queries.rows import Rows, as_json
from hephaestus_tickets.schemas.arguments import SortOrder

CHANGE, COMMENT, COMMIT = 0, 1, 2
SHORT = 200
UNSHOWN = frozenset({"ticket_id", "xid", "files_list"})


@cache
def surroundings() -> Rows:
    """One row: everything about a `:ticket` beside itself, each list as JSON, and what time it is.

    Lists hold at most `:related` tickets from the `:related_from`-th on, or the `:recent` latest
    entries, and one more, which tells that there are more; and so do texts, by `:characters`.
    Built once: that takes longer than to run it.
    """
    start, most = _number("related_from"), _number("related") + 1
    tickets = {
        "blocked_by": _blocked_by(),
        "blocks": _blocks(),
        "sub_tickets": _sub_tickets(),
        "links": _links(),
    }
    return select(
        *[
            as_json(statement.offset(start).limit(most)).label(name)
            for name, statement in tickets.items()
        ],
        as_json(_latest_comments()).label("comments"),
        as_json(_latest_commits()).label("commits"),
        as_json(_latest_changes()).label("history"),
        func.clock_timestamp().label("now"),
    )


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _text(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """As much of it as is wanted, and one character that tells of more."""
    return func.left(column, cast(_number("characters") + 1, Integer)).label(column.key)


def _related() -> tuple[InstrumentedAttribute[Any], ...]:  # Any: a column of any type
    return TicketRow.id, TicketRow.title, TicketRow.status, TicketRow.is_resolved


def _blocked_by() -> Rows:
    return (
        select(*_related())
        .join(BlockerRow, BlockerRow.blocker_id == TicketRow.id)
        .where(BlockerRow.blocked_id == _number("ticket"))
        .order_by(TicketRow.is_resolved, TicketRow.id)
    )


def _blocks() -> Rows:
    return (
        select(*_related())
        .join(BlockerRow, BlockerRow.blocked_id == TicketRow.id)
        .where(BlockerRow.blocker_id == _number("ticket"))
        .order_by(TicketRow.is_resolved, TicketRow.id)
    )


def _sub_tickets() -> Rows:
    return (
        select(*_related())
        .where(TicketRow.parent_ticket_id == _number("ticket"))
        .order_by(TicketRow.is_resolved, TicketRow.id)
    )


def _links() -> Rows:
    target, source = aliased(TicketRow), aliased(TicketRow)
    out = (
        select(
            literal("out").label("direction"), LinkRow.kind, target.id, target.title, target.status
        )
        .join(target, target.id == LinkRow.target_id)
        .where(LinkRow.source_id == _number("ticket"))
    )
    back = (
        select(
            literal("in").label("direction"), LinkRow.kind, source.id, source.title, source.status
        )
        .join(source, source.id == LinkRow.source_id)
        .where(LinkRow.target_id == _number("ticket"))
    )
    both = union_all(out, back).subquery()
    return select(both).order_by(both.c.direction.desc(), both.c.id, both.c.kind)


def _latest_comments() -> Rows:
    return (
        select(
            CommentRow.id,
            CommentRow.agent_id,
            CommentRow.comment_type,
            _text(CommentRow.comment_text),
            CommentRow.mentions,
            CommentRow.attachments,
            CommentRow.created_at,
        )
        .where(CommentRow.ticket_id == _number("ticket"))
        .order_by(CommentRow.created_at.desc(), CommentRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _latest_commits() -> Rows:
    return (
        select(
            CommitRow.id,
            CommitRow.agent_id,
            CommitRow.commit_sha,
            _text(CommitRow.message),
            CommitRow.verified,
            CommitRow.linked_at,
        )
        .where(CommitRow.ticket_id == _number("ticket"))
        .order_by(CommitRow.linked_at.desc(), CommitRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _latest_changes() -> Rows:
    return (
        select(
            HistoryRow.id,
            HistoryRow.change_type,
            HistoryRow.agent_id,
            HistoryRow.changed_at,
            HistoryRow.field_name,
            _if_short(HistoryRow.old_value).label("old_value"),
            _if_short(HistoryRow.new_value).label("new_value"),
            HistoryRow.change_description,
            _is_long(HistoryRow.old_value, HistoryRow.new_value).label("is_cut"),
        )
        .where(HistoryRow.ticket_id == _number("ticket"))
        .order_by(HistoryRow.changed_at.desc(), HistoryRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _if_short(value: InstrumentedAttribute[Any]) -> ColumnElement[Any]:  # Any: a column of any type
    """The value where it is short enough for a glance; the timeline has it in any case."""
    return case((func.length(cast(value, Text)) <= SHORT, value), else_=None)


def _is_long(*values: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return or_(*[func.coalesce(func.length(cast(value, Text)), 0) > SHORT for value in values])


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
