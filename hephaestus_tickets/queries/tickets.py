"""Finding, locking and listing tickets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from sqlalchemy.types import BigInteger, Integer, Text

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.domain.ids import parse_id
from hephaestus_tickets.models import BoardRow, TicketRow, WorkflowRow
from hephaestus_tickets.queries.rows import Rows
from hephaestus_tickets.schemas.arguments import SortBy, SortOrder, TicketFilters


def in_scope(workflows: frozenset[str] | None) -> ColumnElement[bool]:
    """The caller's visible workflows as a condition; absent and foreign look the same."""
    if workflows is None:
        return literal(value=True)
    return TicketRow.workflow_id.in_(sorted(workflows))


def named(refs: Iterable[str]) -> ColumnElement[bool]:
    """Tickets whose id or original id is one of these."""
    texts = list(refs)
    numbers = [number for ref in texts if (number := parse_id("ticket", ref)) is not None]
    return or_(
        TicketRow.id == any_(literal(numbers, ARRAY(BigInteger))),
        TicketRow.external_ref == any_(literal(texts, ARRAY(Text))),
    )


def naming(ref: str, workflows: frozenset[str] | None) -> dict[str, Any]:  # Any: parameters
    """What statements take that were built once for any one reference, and for any scope."""
    given = {"number": parse_id("ticket", ref), "ref": ref}
    return given if workflows is None else {**given, "workflows": sorted(workflows)}


def is_named(ticket: type[TicketRow]) -> ColumnElement[bool]:
    """As `named`, of one reference."""
    return or_(
        ticket.id == bindparam("number", type_=BigInteger),
        ticket.external_ref == bindparam("ref", type_=Text),
    )


def in_given_scope(ticket: type[TicketRow], *, is_limited: bool) -> ColumnElement[bool]:
    """As `in_scope`."""
    if not is_limited:
        return literal(value=True)
    return ticket.workflow_id == any_(bindparam("workflows", type_=ARRAY(Text)))


def locate(refs: Iterable[str], workflows: frozenset[str] | None) -> Rows:
    """Candidates for each reference, without a lock."""
    return select(
        TicketRow.id,
        TicketRow.workflow_id,
        TicketRow.external_ref,
        TicketRow.title,
        TicketRow.status,
        TicketRow.is_resolved,
    ).where(named(refs), in_scope(workflows))


@cache
def locate_for_write(*, is_limited: bool) -> Rows:
    """Candidates for the one reference of `naming`, with their workflow and board.

    Workflow and board are held FOR KEY SHARE: writers do not wait for each other, but
    configure_board, which takes them FOR UPDATE, waits for all of them.
    """
    return (
        select(
            TicketRow.id,
            TicketRow.external_ref,
            TicketRow.status,
            TicketRow.is_resolved,
            WorkflowRow,
            BoardRow,
        )
        .join(WorkflowRow, WorkflowRow.workflow_id == TicketRow.workflow_id)
        .join(BoardRow, BoardRow.workflow_id == TicketRow.workflow_id)
        .where(is_named(TicketRow), in_given_scope(TicketRow, is_limited=is_limited))
        .with_for_update(read=True, key_share=True, of=(WorkflowRow, BoardRow))
        .execution_options(**KEEPS_PLAN)
    )


@cache
def ticket_by_ref(*, is_limited: bool) -> Select[TicketRow]:
    """Candidates for the one reference of `naming`."""
    return (
        select(TicketRow)
        .where(is_named(TicketRow), in_given_scope(TicketRow, is_limited=is_limited))
        .execution_options(**KEEPS_PLAN)
    )


def lock_ticket(ticket: int) -> Select[TicketRow]:
    return (
        select(TicketRow)
        .where(TicketRow.id == ticket)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True, **KEEPS_PLAN)
    )


def standing_in(workflow_id: str, status: str) -> Select[int]:
    """How many tickets stand in a column."""
    return select(func.count()).where(
        TicketRow.workflow_id == workflow_id, TicketRow.status == status
    )


@cache
def database_clock() -> Select[datetime]:
    return select(func.clock_timestamp()).execution_options(**KEEPS_PLAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWindow:
    """Which part of a list: an order, where to go on, how many.

    `columns` are those of the board's `statuses` in which what is listed can stand.
    """

    sort_by: SortBy
    order: SortOrder
    statuses: list[str]
    columns: list[str]
    limit: int
    offset: int = 0
    after: tuple[datetime | int, int] | None = None


def listed(workflow_id: str, conditions: Iterable[ColumnElement[bool]], window: ListWindow) -> Rows:
    """(total, TicketRow) of the page's tickets; one row (total, None) where the page is empty."""
    matching = and_(TicketRow.workflow_id == workflow_id, *conditions)
    total = select(func.count().label("total")).select_from(TicketRow).where(matching).subquery()
    ticket = aliased(TicketRow, _page(matching, window).subquery())
    joined = select(total.c.total, ticket).select_from(total).outerjoin(ticket, true())
    return joined.order_by(*_order(ticket, window))


def _page(matching: ColumnElement[bool], window: ListWindow) -> Select[TicketRow]:
    page = select(TicketRow).where(matching)
    if window.after is not None:
        page = page.where(_beyond(window))
    if window.sort_by == "status":
        page = page.where(TicketRow.id.in_(_by_column(page, window)))
    return page.order_by(*_order(TicketRow, window)).offset(window.offset).limit(window.limit)


def _by_column(page: Select[TicketRow], window: ListWindow) -> Select[int]:
    """The first of each column are enough, and an index has them in order; then all are sorted."""
    order = TicketRow.id.asc() if window.order == "asc" else TicketRow.id.desc()
    columns = [
        page.with_only_columns(TicketRow.id)
        .where(TicketRow.status == status)
        .order_by(TicketRow.status, order)
        .limit(window.offset + window.limit)
        .subquery()
        for status in window.columns
    ]
    return union_all(*[select(each) for each in columns]).subquery().select()


def _order(ticket: type[TicketRow], window: ListWindow) -> list[ColumnElement[Any]]:
    keys = (_sort_key(ticket, window), ticket.id)
    return [key.asc() if window.order == "asc" else key.desc() for key in keys]


def _beyond(window: ListWindow) -> ColumnElement[bool]:
    """Rows that come after the last one of the page before."""
    if window.after is None:
        return true()
    value, number = window.after
    here = tuple_(_sort_key(TicketRow, window), TicketRow.id)
    kind = BigInteger() if isinstance(value, int) else DateTime(timezone=True)
    there = tuple_(literal(value, kind), literal(number, BigInteger))
    return here > there if window.order == "asc" else here < there


def _sort_key(ticket: type[TicketRow], window: ListWindow) -> ColumnElement[Any]:
    """What a list is sorted by; a status sorts as its column stands on the board."""
    if window.sort_by == "status":
        places = literal(window.statuses, ARRAY(Text))
        return func.coalesce(func.array_position(places, ticket.status, type_=Integer), 0)
    return getattr(ticket, window.sort_by)


def filter_conditions(filters: TicketFilters, parents: list[int]) -> list[ColumnElement[bool]]:
    """The filters as conditions; `parents` are the resolved ids of `parent_ticket_id`."""
    conditions = [
        *_value_conditions(filters),
        *_flag_conditions(filters),
        *_range_conditions(filters),
    ]
    if filters.parent_ticket_id is not None:
        conditions.append(TicketRow.parent_ticket_id.in_(parents))
    return conditions


def _value_conditions(filters: TicketFilters) -> Iterable[ColumnElement[bool]]:
    if filters.status is not None:
        yield TicketRow.status.in_(filters.status)
    if filters.ticket_type is not None:
        yield TicketRow.ticket_type.in_(filters.ticket_type)
    if filters.priority is not None:
        yield TicketRow.priority.in_([priority.rank for priority in filters.priority])
    if filters.tags is not None:
        yield TicketRow.tags.op("?|")(literal(filters.tags, ARRAY(Text)))
    if filters.assigned_agent_id is not None:
        agents = [agent for agent in filters.assigned_agent_id if agent]
        assigned = TicketRow.assigned_agent_id.in_(agents)
        nobody = "" in filters.assigned_agent_id
        yield or_(assigned, TicketRow.assigned_agent_id.is_(None)) if nobody else assigned


def _flag_conditions(filters: TicketFilters) -> Iterable[ColumnElement[bool]]:
    if filters.is_blocked is not None:
        yield (TicketRow.open_blockers > 0) if filters.is_blocked else TicketRow.open_blockers == 0
    if filters.is_resolved is not None:
        # As the partial indexes have it: PostgreSQL would not know IS FALSE for the same.
        yield and_(TicketRow.is_resolved) if filters.is_resolved else ~TicketRow.is_resolved


def _range_conditions(filters: TicketFilters) -> Iterable[ColumnElement[bool]]:
    if filters.created_after is not None:
        yield TicketRow.created_at >= filters.created_after
    if filters.created_before is not None:
        yield TicketRow.created_at < filters.created_before
    if filters.updated_after is not None:
        yield TicketRow.updated_at >= filters.updated_after
    if filters.updated_before is not None:
        yield TicketRow.updated_at < filters.updated_before
