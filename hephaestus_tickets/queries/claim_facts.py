"""What is told of a claim: what its taker needs, and what stands in a ticket's way."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType
from hephaestus_tickets.models import BlockerRow, CommentRow, CommitRow, HistoryRow, TicketRow
from hephaestus_tickets.queries.commits import TOLD
from hephaestus_tickets.queries.rows import Rows, as_json


@cache
def start() -> Rows:
    """One row: what is needed to begin with a `:ticket`, each list as JSON.

    How its blockers were resolved, its latest commits, its latest hand-over, and how many comments
    there are to be read. `:characters` of each text, and one more, which tells of more.
    """
    comments = select(func.count()).where(CommentRow.ticket_id == _number("ticket"))
    return select(
        as_json(_resolved_blockers()).label("blocked_by"),
        as_json(_commits()).label("commits"),
        _hand_over().label("hand_over"),
        comments.scalar_subquery().label("comments"),
    )


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _text(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    return func.left(column, cast(_number("characters") + 1, Integer))


def _resolved_blockers() -> Rows:
    resolution = (
        select(_text(CommentRow.comment_text))
        .where(
            CommentRow.ticket_id == TicketRow.id,
            CommentRow.comment_type.in_([CommentType.RESOLUTION, CommentType.STATUS_CHANGE]),
        )
        .order_by(CommentRow.created_at.desc(), CommentRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(TicketRow.id, TicketRow.title, TicketRow.status, resolution.label("resolution"))
        .join(BlockerRow, BlockerRow.blocker_id == TicketRow.id)
        .where(BlockerRow.blocked_id == _number("ticket"))
        .order_by(TicketRow.resolved_at.desc(), TicketRow.id)
        .limit(_number("related") + 1)
    )


def _commits() -> Rows:
    return (
        select(
            _text(CommitRow.message).label("message"),
            *TOLD,
        )
        .where(CommitRow.ticket_id == _number("ticket"))
        .order_by(CommitRow.linked_at.desc(), CommitRow.id.desc())
        .limit(_number("recent") + 1)
    )


def _hand_over() -> ScalarSelect[Any]:  # Any: JSON
    return (
        select(HistoryRow.details)
        .where(
            HistoryRow.ticket_id == _number("ticket"),
            HistoryRow.change_type == ChangeType.CLAIM_RELEASED,
            HistoryRow.details.has_key("hand_over"),
        )
        .order_by(HistoryRow.changed_at.desc(), HistoryRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def clock_and_standing(workflow_id: str, limited_status: str | None) -> Select[datetime, int]:
    """What time it is, and how many tickets stand in a column that has a limit."""
    in_column = select(func.count()).where(
        TicketRow.workflow_id == workflow_id, TicketRow.status == limited_status
    )
    counted = literal(0) if limited_status is None else in_column.scalar_subquery()
    return select(func.clock_timestamp(), counted)


# A chain that is longer is told so far; the depth also bounds what a wide graph costs.
_DEEPEST = 50


def open_chain(ticket: int, limit: int) -> Rows:
    """(id, title, status, what it blocks, open_blockers, claim_holder, claim_ends_at), near first.

    Every unresolved ticket that the ticket waits for, at whatever distance.
    """
    edges = _waiting(ticket)
    near = (
        select(
            edges.c.blocker_id,
            func.min(edges.c.depth).label("depth"),
            func.min(edges.c.blocked_id).label("blocks"),
        )
        .group_by(edges.c.blocker_id)
        .subquery()
    )
    return (
        select(
            TicketRow.id,
            TicketRow.title,
            TicketRow.status,
            near.c.blocks,
            TicketRow.open_blockers,
            TicketRow.claim_holder,
            TicketRow.claim_ends_at,
        )
        .join(near, near.c.blocker_id == TicketRow.id)
        .order_by(near.c.depth, TicketRow.id)
        .limit(limit + 1)
    )


def _waiting(ticket: int) -> CTE:
    """(blocked_id, blocker_id, depth) of the open blockers upstream."""
    waiting = (
        select(
            BlockerRow.blocked_id,
            BlockerRow.blocker_id,
            literal_column("1", Integer).label("depth"),
        )
        .join(TicketRow, and_(TicketRow.id == BlockerRow.blocker_id, ~TicketRow.is_resolved))
        .where(BlockerRow.blocked_id == ticket)
        .cte("waiting", recursive=True)
    )
    blocker = aliased(TicketRow)
    further = (
        select(BlockerRow.blocked_id, BlockerRow.blocker_id, waiting.c.depth + 1)
        .join(waiting, BlockerRow.blocked_id == waiting.c.blocker_id)
        .join(blocker, and_(blocker.id == BlockerRow.blocker_id, ~blocker.is_resolved))
        .where(waiting.c.depth < _DEEPEST)
    )
    return waiting.union(further)
