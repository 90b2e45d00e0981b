"""A ticket with all that is around it, in one statement."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import (
    BlockerRow,
    CommentRow,
    CommitRow,
    HistoryRow,
    LinkRow,
    TicketRow,
)
from hephaestus_tickets.queries.commits import TOLD
from hephaestus_tickets.queries.rows import Rows, as_json
from hephaestus_tickets.queries.tickets import in_given_scope, is_named
from hephaestus_tickets.queries.timeline import SHORT

# The ticket itself, to which what is around it is correlated; that has tickets too.
_IT = aliased(TicketRow, name="it")


@cache
def with_surroundings(*, is_limited: bool) -> Rows:
    """For each candidate that `tickets.naming` means: TicketRow, lists as JSON, what time it is.

    Lists hold at most `:related` tickets from the `:related_from`-th on, or the `:recent` latest
    entries, and one more, which tells that there are more; and so do texts, by `:characters`.
    Built once: that takes longer than to run it.
    """
    start, most = _number("related_from"), _number("related") + 1
    tickets = {
        "blocked_by": _blocked_by().order_by(TicketRow.is_resolved, TicketRow.id),
        "blocks": _blocks().order_by(TicketRow.is_resolved, TicketRow.id),
        "sub_tickets": _sub_tickets().order_by(TicketRow.is_resolved, TicketRow.id),
        "links": _links(),
    }
    return (
        select(
            _IT,
            *[
                as_json(statement.offset(start).limit(most)).label(name)
                for name, statement in tickets.items()
            ],
            as_json(_latest_comments()).label("comments"),
            as_json(_latest_commits()).label("commits"),
            as_json(_latest_changes()).label("history"),
            func.clock_timestamp().label("now"),
        )
        .where(is_named(_IT), in_given_scope(_IT, is_limited=is_limited))
        .execution_options(**KEEPS_PLAN)
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
        .where(BlockerRow.blocked_id == _IT.id)
        .correlate(_IT)
    )


def _blocks() -> Rows:
    return (
        select(*_related())
        .join(BlockerRow, BlockerRow.blocked_id == TicketRow.id)
        .where(BlockerRow.blocker_id == _IT.id)
        .correlate(_IT)
    )


def _sub_tickets() -> Rows:
    return select(*_related()).where(TicketRow.parent_ticket_id == _IT.id).correlate(_IT)


def _links() -> Rows:
    target, source = aliased(TicketRow), aliased(TicketRow)
    out = (
        select(
            literal("out").label("direction"), LinkRow.kind, target.id, target.title, target.status
        )
        .join(target, target.id == LinkRow.target_id)
        .where(LinkRow.source_id == _IT.id)
        .correlate(_IT)
    )
    back = (
        select(
            literal("in").label("direction"), LinkRow.kind, source.id, source.title, source.status
        )
        .join(source, source.id == LinkRow.source_id)
        .where(LinkRow.target_id == _IT.id)
        .correlate(_IT)
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
        .where(CommentRow.ticket_id == _IT.id)
        .correlate(_IT)
        .order_by(CommentRow.created_at.desc(), CommentRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _latest_commits() -> Rows:
    return (
        select(
            CommitRow.id,
            _text(CommitRow.message),
            *TOLD,
        )
        .where(CommitRow.ticket_id == _IT.id)
        .correlate(_IT)
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
        .where(HistoryRow.ticket_id == _IT.id)
        .correlate(_IT)
        .order_by(HistoryRow.changed_at.desc(), HistoryRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _if_short(value: InstrumentedAttribute[Any]) -> ColumnElement[Any]:  # Any: a column of any type
    """The value where it is short enough for a glance; the timeline has it in any case."""
    return case((func.length(cast(value, Text)) <= SHORT, value), else_=None)


def _is_long(*values: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return or_(*[func.coalesce(func.length(cast(value, Text)), 0) > SHORT for value in values])
