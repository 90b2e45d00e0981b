"""Blockers, parents, links: the edges between tickets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlalchemy import BigInteger, Integer, Select, any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import BlockerRow, LinkRow, TicketRow
from hephaestus_tickets.queries.rows import Rows, as_json


def advisory_lock(lock_class: int, number: int) -> Select[None]:
    """The workflow's lock for whatever changes edges, parents, resolution or a full column."""
    lock = func.pg_advisory_xact_lock(lock_class, number)
    return select(lock).execution_options(**KEEPS_PLAN)


@cache
def advisory_locks() -> Select[None]:
    """Locks of one `:lock_class`, taken in the order of their `:numbers`, which is to ascend."""
    given = func.unnest(bindparam("numbers", type_=ARRAY(Integer))).column_valued("number")
    lock = func.pg_advisory_xact_lock(bindparam("lock_class", type_=Integer), given)
    return select(lock).execution_options(**KEEPS_PLAN)


def blocker_ids(ticket: int) -> Select[int]:
    return (
        select(BlockerRow.blocker_id)
        .where(BlockerRow.blocked_id == ticket)
        .order_by(BlockerRow.blocker_id)
    )


def open_blockers(ticket: int) -> Select[int, str, str]:
    return (
        select(TicketRow.id, TicketRow.title, TicketRow.status)
        .join(BlockerRow, BlockerRow.blocker_id == TicketRow.id)
        .where(BlockerRow.blocked_id == ticket, ~TicketRow.is_resolved)
        .order_by(TicketRow.id)
    )


def open_sub_tickets(ticket: int) -> Select[int]:
    return (
        select(TicketRow.id)
        .where(TicketRow.parent_ticket_id == ticket, ~TicketRow.is_resolved)
        .order_by(TicketRow.id)
    )


def standing(ticket: int, workflow_id: str, limited_status: str | None) -> Rows:
    """What a move is decided on, in one row read after the locks.

    The database's clock, what blocks the ticket, which of its sub-tickets are open, and how many
    tickets stand in the column it is to enter; where that has no limit they are not counted,
    because a count reads them all.
    """
    in_column = select(func.count()).where(
        TicketRow.workflow_id == workflow_id, TicketRow.status == limited_status
    )
    return select(
        func.clock_timestamp(),
        as_json(open_blockers(ticket)),
        as_json(open_sub_tickets(ticket)),
        literal(0) if limited_status is None else in_column.scalar_subquery(),
    )


def lock_with_dependents(ticket: int) -> Select[int, bool, int]:
    """(id, is_resolved, open_blockers) of the ticket and all it blocks, locked in order of id."""
    # An array, not IN: that is a join, for which PostgreSQL may choose a HashAggregate, and then
    # (18.6) loses rows that another transaction changed while they were waited for.
    dependents = select(BlockerRow.blocked_id).where(BlockerRow.blocker_id == ticket)
    concerned = dependents.union_all(select(literal(ticket, BigInteger)))
    return (
        select(TicketRow.id, TicketRow.is_resolved, TicketRow.open_blockers)
        .where(TicketRow.id == any_(func.array(concerned.scalar_subquery())))
        .order_by(TicketRow.id)
        .with_for_update(key_share=True)
    )


def edges_downstream(ticket: int, limit: int) -> Select[int, int]:
    """As edges_upstream, of what waits for the ticket, from blocker to blocked."""
    reached = (
        select(BlockerRow.blocked_id, BlockerRow.blocker_id)
        .where(BlockerRow.blocker_id == ticket)
        .cte("reached", recursive=True)
    )
    further = select(BlockerRow.blocked_id, BlockerRow.blocker_id).join(
        reached, BlockerRow.blocker_id == reached.c.blocked_id
    )
    edges = reached.union(further)
    return select(edges.c.blocked_id, edges.c.blocker_id).limit(limit)


def edges_upstream(starts: Iterable[int], limit: int) -> Select[int, int]:
    """(blocked, blocker) edges reachable from these tickets, going from blocked to blocker.

    At most so many, and no more of them are looked for.
    """
    reached = (
        select(BlockerRow.blocked_id, BlockerRow.blocker_id)
        .where(BlockerRow.blocked_id.in_(list(starts)))
        .cte("reached", recursive=True)
    )
    further = select(BlockerRow.blocked_id, BlockerRow.blocker_id).join(
        reached, BlockerRow.blocked_id == reached.c.blocker_id
    )
    edges = reached.union(further)
    return select(edges.c.blocked_id, edges.c.blocker_id).limit(limit)


def parent_edges_upstream(start: int) -> Select[int, int]:
    """Every (sub-ticket, parent) edge from this ticket up to its root."""
    child = aliased(TicketRow)
    reached = (
        select(TicketRow.id, TicketRow.parent_ticket_id)
        .where(TicketRow.id == start, TicketRow.parent_ticket_id.is_not(None))
        .cte("reached", recursive=True)
    )
    further = (
        select(child.id, child.parent_ticket_id)
        .join(reached, child.id == reached.c.parent_ticket_id)
        .where(child.parent_ticket_id.is_not(None))
    )
    edges = reached.union(further)
    return select(edges.c.id, edges.c.parent_ticket_id)


def links_out(ticket: int) -> Select[int, str]:
    return (
        select(LinkRow.target_id, LinkRow.kind)
        .where(LinkRow.source_id == ticket)
        .order_by(LinkRow.target_id, LinkRow.kind)
    )
