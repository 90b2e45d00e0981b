"""Ready work and claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    any_,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from hephaestus_tickets.models import (
    CLAIM_TOKENS,
    BlockerRow,
    TicketRow,
)
from hephaestus_tickets.queries.rows import Rows

# So many of the best are looked at; who comes at once takes another one each.
_AMONG = 64
_ORDER = (TicketRow.priority.desc(), TicketRow.created_at, TicketRow.id)
# Spelled out as the indexes have it: a parameter would not be known to be what they hold.
_STARTABLE = (~TicketRow.is_resolved, TicketRow.open_blockers == literal_column("0"))


@dataclass(frozen=True, slots=True)
class Columns:
    """Of a board: those in which work begins, and all of them."""

    todo: Sequence[str]
    every: Sequence[str]


def _lapsed() -> ColumnElement[bool]:
    """By the statement's time, which an index can be asked for; who locks looks again."""
    return TicketRow.claim_ends_at <= func.statement_timestamp()


def _goes_back(columns: Columns) -> ColumnElement[bool]:
    """A claim is over, and the ticket is where work begins, or goes back there.

    As domain.claims.column_after has it; what came from a column that is gone goes to the first.
    """
    comes_from = TicketRow.claim_from_status
    is_there = or_(TicketRow.status.in_(columns.todo), TicketRow.status.not_in(columns.every))
    goes_there = or_(comes_from.in_(columns.todo), comes_from.not_in(columns.every))
    return and_(_lapsed(), or_(is_there, goes_there))


def _is_ready(columns: Columns) -> ColumnElement[bool]:
    free = and_(TicketRow.claim_holder.is_(None), TicketRow.status.in_(columns.todo))
    return and_(*_STARTABLE, or_(free, _goes_back(columns)))


def _best(
    workflow_id: str, columns: Columns, conditions: Iterable[ColumnElement[bool]], limit: int
) -> Subquery:
    """The ids of the best ready tickets; each part is read off an index in its order."""
    wanted = [TicketRow.workflow_id == workflow_id, *_STARTABLE, *conditions]
    by_column = [
        [TicketRow.status == status, TicketRow.claim_holder.is_(None), *wanted]
        for status in columns.todo
    ]
    lapsed = [_goes_back(columns), *wanted]
    parts = [
        select(TicketRow.id, TicketRow.priority, TicketRow.created_at)
        .where(*part)
        .order_by(*_ORDER)
        .limit(limit)
        .subquery()
        for part in (*by_column, lapsed)
    ]
    both = union_all(*[select(part) for part in parts]).subquery()
    order = (both.c.priority.desc(), both.c.created_at, both.c.id)
    return select(both.c.id).order_by(*order).limit(limit).subquery()


def ready(
    workflow_id: str, columns: Columns, conditions: Iterable[ColumnElement[bool]], limit: int
) -> Rows:
    """(TicketRow, the blocker of it that was resolved last) of what can be started, best first."""
    best = _best(workflow_id, columns, conditions, limit)
    blocker = aliased(TicketRow)
    last_blocker = (
        select(blocker.id)
        .join(BlockerRow, BlockerRow.blocker_id == blocker.id)
        .where(BlockerRow.blocked_id == TicketRow.id)
        .order_by(blocker.resolved_at.desc(), blocker.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(TicketRow, last_blocker).join(best, best.c.id == TicketRow.id).order_by(*_ORDER)


def lock_best(
    workflow_id: str,
    columns: Columns,
    conditions: Iterable[ColumnElement[bool]],
    *,
    waits: bool,
) -> Select[TicketRow]:
    """The best ready ticket that is not locked; or, waiting, the best one that still is ready."""
    wanted = list(conditions)
    among = select(_best(workflow_id, columns, wanted, _AMONG).c.id)
    return (
        select(TicketRow)
        .where(
            TicketRow.id == any_(func.array(among.scalar_subquery())), _is_ready(columns), *wanted
        )
        .order_by(*_ORDER)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=not waits)
        .execution_options(populate_existing=True)
    )


def is_any_ready(
    workflow_id: str, columns: Columns, conditions: Iterable[ColumnElement[bool]]
) -> Select[bool]:
    return select(exists(select(_best(workflow_id, columns, conditions, 1).c.id)))


def is_for(agent_id: str) -> ColumnElement[bool]:
    """Assigned to nobody else; who had a claim that is over is assigned no more."""
    return or_(
        TicketRow.assigned_agent_id.is_(None),
        TicketRow.assigned_agent_id == agent_id,
        TicketRow.claim_holder.is_not(None),
    )


def claimed_by(agent_id: str, workflow_id: str) -> Select[int]:
    """The agent's live claims, the oldest first."""
    return (
        select(TicketRow.id)
        .where(
            TicketRow.claim_holder == agent_id,
            TicketRow.workflow_id == workflow_id,
            TicketRow.claim_ends_at > func.clock_timestamp(),
        )
        .order_by(TicketRow.claim_token)
    )


def clock_and_token() -> Select[datetime, int]:
    """What time it is, and a token higher than every one before it."""
    return select(func.clock_timestamp(), CLAIM_TOKENS.next_value())


def with_lapsed() -> Select[str]:
    """The workflows that have claims whose time is over."""
    return select(TicketRow.workflow_id).where(_lapsed()).distinct()


def lock_lapsed(workflow_id: str, limit: int) -> Select[TicketRow]:
    """Tickets whose claim is over and that nobody has locked; their board is held already."""
    return (
        select(TicketRow)
        .where(_lapsed(), TicketRow.workflow_id == workflow_id)
        .order_by(TicketRow.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
