"""Ready work and claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    BoardRow,
    TicketRow,
    WorkflowRow,
)
from hephaestus_tickets.queries.rows import Rows

# So many of the best are looked at; who comes at once takes another one each.
_AMONG = 64
_ORDER = (TicketRow.priority.desc(), TicketRow.created_at, TicketRow.id)
# Spelled out as the indexes have it: a parameter would not be known to be what they hold.
_STARTABLE = (~TicketRow.is_resolved, TicketRow.open_blockers == literal_column("0"))


def _lapsed() -> ColumnElement[bool]:
    """By the statement's time, which an index can be asked for; who locks looks again."""
    return TicketRow.claim_ends_at <= func.statement_timestamp()


def _is_ready(todo: Sequence[str]) -> ColumnElement[bool]:
    free = and_(TicketRow.claim_holder.is_(None), TicketRow.status.in_(todo))
    return and_(*_STARTABLE, or_(free, and_(_lapsed(), TicketRow.claim_from_status.in_(todo))))


def _best(
    workflow_id: str, todo: Sequence[str], conditions: Iterable[ColumnElement[bool]], limit: int
) -> Subquery:
    """The ids of the best ready tickets; each part is read off an index in its order."""
    wanted = [TicketRow.workflow_id == workflow_id, *_STARTABLE, *conditions]
    by_column = [
        [TicketRow.status == status, TicketRow.claim_holder.is_(None), *wanted] for status in todo
    ]
    lapsed = [_lapsed(), TicketRow.claim_from_status.in_(todo), *wanted]
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
    workflow_id: str, todo: Sequence[str], conditions: Iterable[ColumnElement[bool]], limit: int
) -> Rows:
    """(TicketRow, the blocker of it that was resolved last) of what can be started, best first."""
    best = _best(workflow_id, todo, conditions, limit)
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
    todo: Sequence[str],
    conditions: Iterable[ColumnElement[bool]],
    *,
    waits: bool,
) -> Select[TicketRow]:
    """The best ready ticket that is not locked; or, waiting, the best one that still is ready."""
    wanted = list(conditions)
    among = select(_best(workflow_id, todo, wanted, _AMONG).c.id)
    return (
        select(TicketRow)
        .where(TicketRow.id == any_(func.array(among.scalar_subquery())), _is_ready(todo), *wanted)
        .order_by(*_ORDER)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=not waits)
        .execution_options(populate_existing=True)
    )


def is_any_ready(
    workflow_id: str, todo: Sequence[str], conditions: Iterable[ColumnElement[bool]]
) -> Select[bool]:
    return select(exists(select(_best(workflow_id, todo, conditions, 1).c.id)))


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


def next_token() -> Select[int]:
    return select(CLAIM_TOKENS.next_value())


def lock_lapsed(limit: int) -> Rows:
    """(TicketRow, WorkflowRow, BoardRow) of claims whose time is over and that nobody has locked.

    The boards are held, so that the column a ticket goes back to stays.
    """
    return (
        select(TicketRow, WorkflowRow, BoardRow)
        .join(WorkflowRow, WorkflowRow.workflow_id == TicketRow.workflow_id)
        .join(BoardRow, BoardRow.workflow_id == TicketRow.workflow_id)
        .where(_lapsed())
        .order_by(TicketRow.id)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True, of=TicketRow)
        .execution_options(populate_existing=True)
    )
