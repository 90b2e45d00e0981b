"""Workflows and their boards: read, configure, list."""

from __future__ import annotations

import re

from sqlalchemy.dialects.postgresql import insert

from hephaestus_tickets.domain.board import (
    Board,
    BoardSettings,
    Column,
    ColumnInUse,
    check_board,
    columns_to_vacate,
)
from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES, how_many_fit
from hephaestus_tickets.domain.caller import WorkflowNotFound
from hephaestus_tickets.domain.cursor import decode_cursor, encode_cursor
from hephaestus_tickets.domain.errors import Invalid
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.text import json_size, one_line
from hephaestus_tickets.domain.vocabulary import Category, WorkflowStatus
from hephaestus_tickets.models import BoardRow, WorkflowRow
from hephaestus_tickets.queries import boards
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.schemas.arguments import BoardColumn, BoardRules
from hephaestus_tickets.schemas.board_replies import (
    BoardConfigured,
    BoardView,
    ColumnView,
    WorkflowList,
    WorkflowSummary,
)
from hephaestus_tickets.schemas.parameters import (
    Actor,
    Columns,
    InitialStatus,
    NewWorkflowStatus,
    NextCursor,
    TicketTypes,
)
from hephaestus_tickets.schemas.types import Limit, Name, WorkflowId
from hephaestus_tickets.services.lookup import parsed_board, workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_NEW_WORKFLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CURSOR = "workflows"
TICKETS_NAMED = 10
BOARD_BYTES = 40_000

# What a new workflow starts with; DESIGN.md names it, and the first revision writes it out.
DEFAULT_BOARD = Board(
    columns=(
        Column(id="backlog", name="Backlog", category=Category.TODO, color="#94a3b8"),
        Column(id="in_progress", name="In progress", category=Category.DOING, color="#f59e0b"),
        Column(id="review", name="Review", category=Category.DOING, color="#8b5cf6"),
        Column(id="done", name="Done", category=Category.DONE, color="#22c55e"),
        Column(id="cancelled", name="Cancelled", category=Category.DONE, color="#64748b"),
    ),
    ticket_types=("bug", "feature", "improvement", "task", "spike"),
    default_ticket_type="task",
    initial_status="backlog",
    settings=BoardSettings(),
)


class InvalidWorkflowId(Invalid):
    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"'{one_line(workflow_id, 80)}' cannot name a new workflow: use up to 100 letters, "
            "digits, '.', '_' and '-', beginning with a letter or digit."
        )


class BoardTooLarge(Invalid):
    def __init__(self, size: int) -> None:
        super().__init__(
            f"The board takes {size:,} bytes as JSON; {BOARD_BYTES:,} are the most, so that it can "
            "be read in one reply. Use shorter names. Nothing was changed."
        )


class BoardService:
    """A workflow owns tickets and has one board, whose columns are the statuses."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get_board_config(self, *, workflow_id: WorkflowId | None = None) -> BoardView:
        """Read a workflow's board: its columns (the valid statuses) with their ticket counts.

        With ticket types, the initial status and the rules for moving.
        """
        wanted = self._work.caller.workflow(workflow_id)
        workflow = await workflow_for_read(self._work, wanted)
        rows = await self._work.session.execute(boards.column_counts(workflow.workflow_id))
        counts = {status: count for status, count in rows}  # noqa: C416 - rows are not tuples
        board = workflow.board
        return BoardView(
            workflow_id=workflow.workflow_id,
            name=workflow.board_name,
            workflow_status=workflow.status,
            columns=[_column_view(column, counts.get(column.id, 0)) for column in board.columns],
            ticket_types=list(board.ticket_types),
            default_ticket_type=board.default_ticket_type,
            initial_status=board.initial_status,
            settings=BoardRules.of(board.settings).model_dump(mode="json", exclude_none=True),
            version=workflow.board_version,
        )

    async def configure_board(
        self,
        *,
        workflow_id: WorkflowId,
        agent_id: Actor = None,
        name: Name | None = None,
        columns: Columns = None,
        ticket_types: TicketTypes = None,
        default_ticket_type: Name | None = None,
        initial_status: InitialStatus = None,
        settings: BoardRules | None = None,
        workflow_status: NewWorkflowStatus = None,
    ) -> BoardConfigured:
        """Change a workflow's board, or create the workflow if it is unknown.

        What is left out keeps its value; a new workflow starts with the default board. Refused
        where tickets stand in a column that would vanish or change its category.
        """
        self._work.caller.actor(agent_id)
        is_new = await self._ensure(workflow_id, name or workflow_id)
        workflow, row = await self._held(workflow_id)
        old = parsed_board(row)
        new = Board(
            columns=old.columns if columns is None else tuple(each.parsed() for each in columns),
            ticket_types=old.ticket_types if ticket_types is None else tuple(ticket_types),
            default_ticket_type=default_ticket_type or _kept_type(old, ticket_types),
            initial_status=initial_status or _kept_initial(old, columns),
            settings=old.settings if settings is None else settings.parsed(),
        )
        await self._check(workflow_id, old, new)
        _write(row, new)
        _check_size(row)
        now = (await self._work.session.scalars(database_clock())).one()
        row.version += 0 if is_new else 1
        row.name = workflow.name = name or row.name
        row.updated_at = workflow.updated_at = now
        workflow.status = workflow_status or workflow.status
        return BoardConfigured(
            workflow_id=workflow_id, version=row.version, created=is_new, columns=new.statuses
        )

    async def _ensure(self, workflow_id: str, name: str) -> bool:
        """Create the workflow with the default board where it is unknown; True if it was."""
        visible = self._work.caller.workflows
        if visible is not None and workflow_id not in visible:
            raise WorkflowNotFound(workflow_id, sorted(visible))
        statement = boards.workflow_with_board(is_limited=False)
        known = await self._work.session.execute(statement, boards.naming(workflow_id, None))
        if known.first() is not None:
            return False
        if not _NEW_WORKFLOW.fullmatch(workflow_id):
            raise InvalidWorkflowId(workflow_id)
        workflow = insert(WorkflowRow).values(workflow_id=workflow_id, name=name)
        created = await self._work.session.execute(
            workflow.on_conflict_do_nothing().returning(WorkflowRow.id)
        )
        is_new = created.first() is not None
        row = BoardRow(workflow_id=workflow_id, name=name)
        _write(row, DEFAULT_BOARD)
        if is_new:
            self._work.session.add(row)
            await self._work.session.flush()
        return is_new

    async def _held(self, workflow_id: str) -> tuple[WorkflowRow, BoardRow]:
        visible = self._work.caller.workflows
        statement = boards.board_for_change(is_limited=visible is not None)
        rows = await self._work.session.execute(statement, boards.naming(workflow_id, visible))
        workflow, board = rows.one()
        return workflow, board

    async def _check(self, workflow_id: str, old: Board, new: Board) -> None:
        check_board(new)
        leaving = columns_to_vacate(old, new)
        if not leaving:
            return
        statement = boards.standing_in_columns(workflow_id, leaving, TICKETS_NAMED)
        standing: dict[str, list[str]] = {}
        counts: dict[str, int] = {}
        for status, number, count in await self._work.session.execute(statement):
            standing.setdefault(status, []).append(ticket_id(number))
            counts[status] = count
        if standing:
            raise ColumnInUse(standing, counts)

    async def list_workflows(self, *, limit: Limit = 50, cursor: NextCursor = "") -> WorkflowList:
        """List the workflows this session can see, with how many tickets each has."""
        after = str(decode_cursor(cursor, _CURSOR, (str,))[0]) if cursor else ""
        statement = boards.workflow_summaries(self._work.caller.workflows, after, limit + 1)
        rows = (await self._work.session.execute(statement)).all()
        views = [
            WorkflowSummary(
                workflow_id=workflow,
                name=name,
                status=WorkflowStatus(status),
                open_tickets=unresolved,
                total_tickets=total,
            )
            for workflow, name, status, unresolved, total, _ in rows
        ]
        sizes = [json_size(view.model_dump(mode="json")) for view in views[:limit]]
        fitting = how_many_fit(sizes, REPLY_BYTES - ENVELOPE_BYTES)
        goes_on = len(views) > fitting
        return WorkflowList(
            workflows=views[:fitting],
            total_count=rows[0][-1] if rows else 0,
            next_cursor=encode_cursor(_CURSOR, [views[fitting - 1].workflow_id])
            if goes_on
            else None,
        )


def _kept_type(old: Board, ticket_types: list[str] | None) -> str:
    """The old default, or the first of the new types where the old one goes."""
    if ticket_types is None or old.default_ticket_type in ticket_types:
        return old.default_ticket_type
    return ticket_types[0]


def _kept_initial(old: Board, columns: list[BoardColumn] | None) -> str:
    """The old initial column, or the first 'todo' one of the new columns where it goes."""
    todo = [column.id for column in columns or () if column.category is Category.TODO]
    return old.initial_status if not todo or old.initial_status in todo else todo[0]


def _write(row: BoardRow, board: Board) -> None:
    row.columns = [
        BoardColumn.of(column).model_dump(mode="json", exclude_none=True)
        for column in board.columns
    ]
    row.ticket_types = list(board.ticket_types)
    row.default_ticket_type = board.default_ticket_type
    row.initial_status = board.initial_status
    row.settings = BoardRules.of(board.settings).model_dump(mode="json", exclude_none=True)


def _check_size(row: BoardRow) -> None:
    size = json_size([row.columns, row.ticket_types, row.settings])
    if size > BOARD_BYTES:
        raise BoardTooLarge(size)


def _column_view(column: Column, count: int) -> ColumnView:
    return ColumnView(
        id=column.id,
        name=column.name,
        category=column.category,
        color=column.color,
        wip_limit=column.wip_limit,
        ticket_count=count,
    )
