"""Workflows and their boards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import BoardRow, TicketRow, WorkflowRow
from hephaestus_tickets.queries.rows import Rows


@cache
def workflow_with_board(*, is_limited: bool) -> Rows:
    """One row (WorkflowRow, BoardRow), or none where the caller sees no such `:workflow`.

    Takes the caller's `:workflows` too where it `is_limited` to some.
    """
    statement = (
        select(WorkflowRow, BoardRow)
        .join(BoardRow, BoardRow.workflow_id == WorkflowRow.workflow_id)
        .where(WorkflowRow.workflow_id == bindparam("workflow", type_=Text))
        .execution_options(**KEEPS_PLAN)
    )
    if not is_limited:
        return statement
    given = bindparam("workflows", type_=ARRAY(Text))
    return statement.where(WorkflowRow.workflow_id == any_(given))


@cache
def board_for_write(*, is_limited: bool) -> Rows:
    """FOR KEY SHARE of both rows: a row that is only joined would come as it was before a wait."""
    return workflow_with_board(is_limited=is_limited).with_for_update(
        read=True, key_share=True, of=(WorkflowRow, BoardRow)
    )


@cache
def board_for_change(*, is_limited: bool) -> Rows:
    """FOR UPDATE, so that it waits for every writer under way and holds off the next."""
    return (
        workflow_with_board(is_limited=is_limited)
        .with_for_update(of=(WorkflowRow, BoardRow))
        .execution_options(populate_existing=True)
    )


def naming(workflow_id: str, workflows: frozenset[str] | None) -> dict[str, Any]:  # Any: parameters
    """What these three take."""
    given = {"workflow": workflow_id}
    return given if workflows is None else {**given, "workflows": sorted(workflows)}


def known_workflows(workflows: frozenset[str] | None) -> Select[str]:
    statement = select(WorkflowRow.workflow_id).order_by(WorkflowRow.workflow_id).limit(50)
    return (
        statement
        if workflows is None
        else statement.where(WorkflowRow.workflow_id.in_(sorted(workflows)))
    )


def column_counts(workflow_id: str) -> Select[str, int]:
    return (
        select(TicketRow.status, func.count())
        .where(TicketRow.workflow_id == workflow_id)
        .group_by(TicketRow.status)
    )


def standing_in_columns(workflow_id: str, statuses: Iterable[str], each: int) -> Rows:
    """(status, id, count) of the first tickets standing in each of these columns."""
    ranked = (
        select(
            TicketRow.status,
            TicketRow.id,
            func.count().over(partition_by=TicketRow.status).label("standing"),
            func.row_number()
            .over(partition_by=TicketRow.status, order_by=TicketRow.id)
            .label("place"),
        )
        .where(TicketRow.workflow_id == workflow_id, TicketRow.status.in_(list(statuses)))
        .subquery()
    )
    return (
        select(ranked.c.status, ranked.c.id, ranked.c.standing)
        .where(ranked.c.place <= each)
        .order_by(ranked.c.status, ranked.c.id)
    )


def workflow_summaries(
    workflows: frozenset[str] | None, after: str, limit: int
) -> Select[str, str, str, int, int, int]:
    """(workflow_id, name, status, open, total, number of workflows), ordered by workflow_id."""
    visible = (
        literal(value=True) if workflows is None else WorkflowRow.workflow_id.in_(sorted(workflows))
    )
    mine = TicketRow.workflow_id == WorkflowRow.workflow_id
    total = select(func.count()).select_from(TicketRow).where(mine).scalar_subquery()
    unresolved = (
        select(func.count())
        .select_from(TicketRow)
        .where(mine, ~TicketRow.is_resolved)
        .scalar_subquery()
    )
    every = select(func.count()).select_from(WorkflowRow).where(visible).scalar_subquery()
    return (
        select(
            WorkflowRow.workflow_id, WorkflowRow.name, WorkflowRow.status, unresolved, total, every
        )
        .where(visible, WorkflowRow.workflow_id > after)
        .order_by(WorkflowRow.workflow_id)
        .limit(limit)
    )
