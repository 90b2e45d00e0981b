"""Lists of tickets: filtered, sorted, paged by offset or cursor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES, how_many_fit
from hephaestus_tickets.domain.cursor import InvalidCursor, decode_cursor, encode_cursor
from hephaestus_tickets.domain.text import json_size
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import tickets
from hephaestus_tickets.schemas.arguments import SortBy, SortOrder, TicketFilters
from hephaestus_tickets.schemas.replies import TicketList, TicketSummary
from hephaestus_tickets.services.lookup import Workflow, tickets_mentioned
from hephaestus_tickets.services.ticket_views import summary
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    limit: int
    offset: int
    cursor: str
    sort_by: SortBy
    sort_order: SortOrder
    include_completed: bool

    @property
    def order(self) -> str:
        """What a cursor of this page is bound to."""
        return f"tickets:{self.sort_by}:{self.sort_order}"


async def list_tickets(
    work: UnitOfWork, workflow: Workflow, filters: TicketFilters, page: Page
) -> TicketList:
    """At most three statements: the board, the parents named, the page with its total."""
    filters = _checked(workflow, filters, page)
    parents = await tickets_mentioned(work, filters.parent_ticket_id or [], workflow.workflow_id)
    conditions = tickets.filter_conditions(filters, [parent.id for parent in parents.values()])
    columns = _columns(workflow, filters)
    rows, total = await _rows(work, workflow, conditions, columns, page)
    shown = [summary(row) for row in rows[: page.limit]]
    fitting = how_many_fit([_size(view) for view in shown], REPLY_BYTES - ENVELOPE_BYTES)
    goes_on = len(rows) > fitting
    return TicketList(
        tickets=shown[:fitting],
        total_count=total,
        returned=fitting,
        next_cursor=_cursor_after(rows[fitting - 1], workflow, page) if goes_on else None,
    )


def checked_filters(workflow: Workflow, filters: TicketFilters) -> None:
    """Raises UnknownStatus or UnknownTicketType for what the board does not have."""
    for status in filters.status or ():
        workflow.board.column(status)
    for name in filters.ticket_type or ():
        workflow.board.ticket_type(name)


def _checked(workflow: Workflow, filters: TicketFilters, page: Page) -> TicketFilters:
    """Leave resolved tickets out unless they are asked for."""
    checked_filters(workflow, filters)
    asked = page.include_completed or filters.is_resolved is not None or filters.status is not None
    return filters if asked else filters.model_copy(update={"is_resolved": False})


def _columns(workflow: Workflow, filters: TicketFilters) -> list[str]:
    """Where a ticket that the filters leave can stand; all columns where they leave none."""
    board, wanted = workflow.board, filters.is_resolved
    chosen = [
        column.id
        for column in board.columns
        if (filters.status is None or column.id in filters.status)
        and (wanted is None or column.is_terminal is wanted)
    ]
    return chosen or board.statuses


async def _rows(
    work: UnitOfWork,
    workflow: Workflow,
    conditions: list[ColumnElement[bool]],
    columns: list[str],
    page: Page,
) -> tuple[list[TicketRow], int]:
    """One row more than the page holds, if there is one, and the number of all."""
    window = tickets.ListWindow(
        sort_by=page.sort_by,
        order=page.sort_order,
        statuses=workflow.board.statuses,
        columns=columns,
        limit=page.limit + 1,
        offset=0 if page.cursor else page.offset,
        after=_position_in(page) if page.cursor else None,
    )
    statement = tickets.listed(workflow.workflow_id, conditions, window)
    found = (await work.session.execute(statement)).all()
    return [ticket for _, ticket in found if ticket is not None], found[0][0]


def _position_in(page: Page) -> tuple[datetime | int, int]:
    is_time = page.sort_by in ("created_at", "updated_at")
    kinds = (str if is_time else int, int)
    value, number = decode_cursor(page.cursor, page.order, kinds)
    try:
        return (datetime.fromisoformat(value) if isinstance(value, str) else value), int(number)
    except ValueError as error:
        raise InvalidCursor from error


def _cursor_after(ticket: TicketRow, workflow: Workflow, page: Page) -> str:
    position: dict[SortBy, str | int] = {
        "created_at": ticket.created_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
        "priority": ticket.priority,
        "status": _position(workflow, ticket.status),
    }
    return encode_cursor(page.order, [position[page.sort_by], ticket.id])


def _position(workflow: Workflow, status: str) -> int:
    return workflow.board.statuses.index(status) + 1 if workflow.board.has(status) else 0


def _size(view: TicketSummary) -> int:
    return json_size(view.model_dump(mode="json"))
