"""Statements of import and export: whole workflows, many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, Text, TextClause, any_, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import aliased
from sqlalchemy.types import BigInteger

from hephaestus_tickets.models import (
    Base,
    BlockerRow,
    CommentRow,
    CommitRow,
    HistoryRow,
    LinkRow,
    TicketRow,
)
from hephaestus_tickets.queries.rows import Rows

_TYPES = postgresql.dialect()


def insert_from_json(row: type[Base], columns: Sequence[str]) -> TextClause:
    """Insert the objects of the JSON array `:rows`, in its order: one round trip for any number.

    Numbers taken from the sequence beforehand may be given, so that edges can name them.
    """
    table = row.metadata.tables[row.__tablename__]
    names = ", ".join(columns)
    typed = ", ".join(
        f"{name} {table.columns[name].type.compile(dialect=_TYPES)}" for name in columns
    )
    return text(
        f"INSERT INTO {table.name} ({names}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - names of our own tables and columns
        f"SELECT {names} FROM json_to_recordset(CAST(:rows AS json)) AS given ({typed})"
    )


def next_ticket_ids(count: int) -> Select[int]:
    """As many numbers for new tickets, in ascending order."""
    sequence = func.pg_get_serial_sequence("tickets", "id")
    number = func.nextval(sequence, type_=BigInteger).label("number")
    return select(number).select_from(func.generate_series(1, count).alias("each"))


def has_tickets(workflow_id: str) -> Select[bool]:
    return select(select(TicketRow.id).where(TicketRow.workflow_id == workflow_id).exists())


def known_tickets(workflow_id: str, refs: Iterable[str]) -> Rows:
    """(external_ref, id, updated_at) of those of the workflow that were imported before."""
    return select(TicketRow.external_ref, TicketRow.id, TicketRow.updated_at).where(
        TicketRow.workflow_id == workflow_id,
        TicketRow.external_ref == any_(literal(list(refs), ARRAY(Text))),
    )


def lock_tickets(numbers: Iterable[int]) -> Rows:
    """(id, version, parent), locked in order of id."""
    return (
        select(TicketRow.id, TicketRow.version, TicketRow.parent_ticket_id)
        .where(TicketRow.id == _one_of(numbers))
        .order_by(TicketRow.id)
        .with_for_update(key_share=True)
    )


def blockers_of(numbers: Iterable[int]) -> Rows:
    """(blocked_id, [blocker_id, …]) of those of these tickets that have blockers."""
    return (
        select(
            BlockerRow.blocked_id,
            func.array_agg(aggregate_order_by(BlockerRow.blocker_id, BlockerRow.blocker_id)),
        )
        .where(BlockerRow.blocked_id == _one_of(numbers))
        .group_by(BlockerRow.blocked_id)
    )


def blocker_edges_upstream(starts: Iterable[int]) -> Select[int, int]:
    """Every (blocked, blocker) edge reachable from any number of tickets."""
    reached = (
        select(BlockerRow.blocked_id, BlockerRow.blocker_id)
        .where(BlockerRow.blocked_id == _one_of(starts))
        .cte("reached", recursive=True)
    )
    further = select(BlockerRow.blocked_id, BlockerRow.blocker_id).join(
        reached, BlockerRow.blocked_id == reached.c.blocker_id
    )
    edges = reached.union(further)
    return select(edges.c.blocked_id, edges.c.blocker_id)


def parent_edges_upstream(starts: Iterable[int]) -> Select[int, int | None]:
    """Every (sub-ticket, parent) edge from any number of tickets up to their roots."""
    child = aliased(TicketRow)
    reached = (
        select(TicketRow.id, TicketRow.parent_ticket_id)
        .where(TicketRow.id == _one_of(starts), TicketRow.parent_ticket_id.is_not(None))
        .cte("reached", recursive=True)
    )
    further = (
        select(child.id, child.parent_ticket_id)
        .join(reached, child.id == reached.c.parent_ticket_id)
        .where(child.parent_ticket_id.is_not(None))
    )
    edges = reached.union(further)
    return select(edges.c.id, edges.c.parent_ticket_id)


# (sub-ticket, parent) pairs in the JSON array `:rows`; a parent given meanwhile is left.
SET_PARENTS = text(
    "UPDATE tickets SET parent_ticket_id = given.parent "
    "FROM json_to_recordset(CAST(:rows AS json)) AS given (child bigint, parent bigint) "
    "WHERE tickets.id = given.child AND tickets.parent_ticket_id IS NULL"
)
# Once the edges of these tickets stand; the workflow's lock keeps resolutions still.
COUNT_OPEN_BLOCKERS = text(
    "UPDATE tickets SET open_blockers = counted.open FROM ("
    "SELECT blocked_id, count(*) AS open FROM ticket_blockers "
    "JOIN tickets AS blocker ON blocker.id = blocker_id AND NOT blocker.is_resolved "
    "WHERE blocked_id = ANY(:tickets) GROUP BY blocked_id) AS counted "
    "WHERE tickets.id = counted.blocked_id AND NOT tickets.is_resolved "
    "AND tickets.open_blockers <> counted.open"
)
# (id, version) pairs of tickets that were there before and got an edge.
RAISE_VERSIONS = text(
    "UPDATE tickets SET version = given.version, updated_at = clock_timestamp() "
    "FROM json_to_recordset(CAST(:rows AS json)) AS given (id bigint, version bigint) "
    "WHERE tickets.id = given.id"
)


def ticket_ids(workflow_id: str) -> Select[int]:
    return select(TicketRow.id).where(TicketRow.workflow_id == workflow_id).order_by(TicketRow.id)


def tickets_numbered(numbers: Sequence[int]) -> Select[TicketRow]:
    return select(TicketRow).where(TicketRow.id == _one_of(numbers)).order_by(TicketRow.id)


def blockers_for(numbers: Sequence[int]) -> Select[BlockerRow]:
    return (
        select(BlockerRow)
        .where(BlockerRow.blocked_id == _one_of(numbers))
        .order_by(BlockerRow.blocked_id, BlockerRow.blocker_id)
    )


def links_for(numbers: Sequence[int]) -> Select[LinkRow]:
    return (
        select(LinkRow)
        .where(LinkRow.source_id == _one_of(numbers))
        .order_by(LinkRow.source_id, LinkRow.target_id, LinkRow.kind)
    )


def comments_for(numbers: Sequence[int]) -> Select[CommentRow]:
    return (
        select(CommentRow).where(CommentRow.ticket_id == _one_of(numbers)).order_by(CommentRow.id)
    )


def comment_texts(numbers: Sequence[int]) -> Select[int, int, str]:
    """(ticket, comment, text) of every comment on these tickets."""
    return select(CommentRow.ticket_id, CommentRow.id, CommentRow.comment_text).where(
        CommentRow.ticket_id == _one_of(numbers)
    )


def commits_for(numbers: Sequence[int]) -> Select[CommitRow]:
    return select(CommitRow).where(CommitRow.ticket_id == _one_of(numbers)).order_by(CommitRow.id)


def history_for(numbers: Sequence[int]) -> Select[HistoryRow]:
    return (
        select(HistoryRow).where(HistoryRow.ticket_id == _one_of(numbers)).order_by(HistoryRow.id)
    )


def _one_of(numbers: Iterable[int]) -> Any:  # Any: SQLAlchemy leaves the type of any_ open
    return any_(literal(list(numbers), ARRAY(BigInteger)))
