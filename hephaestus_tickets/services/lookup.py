"""From what a caller named to the rows that are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hephaestus_tickets.domain.blockers import ForeignBlocker
from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.caller import WorkflowNotFound
from hephaestus_tickets.domain.errors import Conflict, NotFound
from hephaestus_tickets.domain.ids import parse_id, ticket_id
from hephaestus_tickets.domain.text import comma_list, one_line
from hephaestus_tickets.domain.vocabulary import WorkflowStatus
from hephaestus_tickets.models import BoardRow, TicketRow, WorkflowRow
from hephaestus_tickets.queries import boards, graph, surroundings, tickets
from hephaestus_tickets.schemas.arguments import BoardColumn, BoardRules
from hephaestus_tickets.services.unit_of_work import UnitOfWork

# The first half of the key of every workflow's advisory lock; the second is its number.
WORKFLOW_LOCK = 4_851_327


class TicketNotFound(NotFound):
    def __init__(self, refs: Iterable[str]) -> None:
        self.refs = tuple(refs)
        named = comma_list(f"'{one_line(ref, 80)}'" for ref in self.refs)
        super().__init__(
            f"There is no ticket {named}. Ids look like ticket-12; an original id from an import "
            "works too. Find tickets with get_tickets."
        )


class AmbiguousTicket(Conflict):
    def __init__(self, ref: str, candidates: Iterable[tuple[str, str]]) -> None:
        self.ref = ref
        self.candidates = tuple(candidates)
        named = comma_list(
            f"{ticket} (workflow {workflow})" for ticket, workflow in self.candidates
        )
        super().__init__(
            f"'{one_line(ref, 80)}' is the original id of several tickets: {named}. "
            "Name one by its ticket id."
        )


class WorkflowNotActive(Conflict):
    def __init__(self, workflow_id: str, status: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(
            f"The workflow '{workflow_id}' is {status}; tickets are only written while it is "
            "active. An administrator can set it active with configure_board."
        )


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow with its board, parsed; `number` is the key of its advisory lock."""

    number: int
    workflow_id: str
    name: str
    status: WorkflowStatus
    board: Board
    board_version: int
    board_name: str

    def refuse_unless_active(self) -> None:
        if self.status is not WorkflowStatus.ACTIVE:
            raise WorkflowNotActive(self.workflow_id, self.status)


@dataclass(frozen=True, slots=True)
class Located:
    """A ticket found, but not yet locked."""

    id: int
    external_ref: str | None
    status: str
    is_resolved: bool
    workflow: Workflow

    @property
    def workflow_id(self) -> str:
        return self.workflow.workflow_id


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Another ticket that a call names."""

    id: int
    workflow_id: str
    external_ref: str | None
    title: str
    status: str
    is_resolved: bool


C = TypeVar("C", TicketRow, Located, Mentioned)


def parsed_workflow(workflow: WorkflowRow, board: BoardRow) -> Workflow:
    return Workflow(
        number=workflow.id,
        workflow_id=workflow.workflow_id,
        name=workflow.name,
        status=WorkflowStatus(workflow.status),
        board=parsed_board(board),
        board_version=board.version,
        board_name=board.name,
    )


def parsed_board(board: BoardRow) -> Board:
    columns = [BoardColumn.model_validate(column) for column in board.columns]
    return Board(
        columns=tuple(column.parsed() for column in columns),
        ticket_types=tuple(board.ticket_types),
        default_ticket_type=board.default_ticket_type,
        initial_status=board.initial_status,
        settings=BoardRules.model_validate(board.settings).parsed(),
    )


async def workflow_for_read(work: UnitOfWork, workflow_id: str) -> Workflow:
    statement = boards.workflow_with_board(is_limited=work.caller.workflows is not None)
    return await _one_workflow(work, workflow_id, statement)


async def workflow_for_write(work: UnitOfWork, workflow_id: str) -> Workflow:
    """The workflow, active, with its board held against configure_board."""
    statement = boards.board_for_write(is_limited=work.caller.workflows is not None)
    workflow = await _one_workflow(work, workflow_id, statement)
    workflow.refuse_unless_active()
    return workflow


async def _one_workflow(work: UnitOfWork, workflow_id: str, statement: boards.Rows) -> Workflow:
    given = boards.naming(workflow_id, work.caller.workflows)
    found = (await work.session.execute(statement, given)).first()
    if found is None:
        known = await work.session.scalars(boards.known_workflows(work.caller.workflows))
        raise WorkflowNotFound(workflow_id, list(known))
    return parsed_workflow(*found)


async def ticket_for_read(work: UnitOfWork, ref: str) -> TicketRow:
    workflows = work.caller.workflows
    statement = tickets.ticket_by_ref(is_limited=workflows is not None)
    found = await work.session.scalars(statement, tickets.naming(ref, workflows))
    return the_one(ref, found.all())


async def ticket_with_surroundings(
    work: UnitOfWork, ref: str, limits: Mapping[str, int]
) -> tuple[TicketRow, dict[str, Any]]:  # Any: JSON
    """As `ticket_for_read`, and what `queries.surroundings` tells of it within these limits."""
    workflows = work.caller.workflows
    statement = surroundings.with_surroundings(is_limited=workflows is not None)
    given = {**tickets.naming(ref, workflows), **limits}
    rows = (await work.session.execute(statement, given)).mappings().all()
    ticket = the_one(ref, [row["it"] for row in rows])
    return ticket, next(dict(row) for row in rows if row["it"] is ticket)


async def ticket_for_write(work: UnitOfWork, ref: str) -> Located:
    """The ticket meant, its workflow active; nothing but the board is locked yet."""
    workflows = work.caller.workflows
    statement = tickets.locate_for_write(is_limited=workflows is not None)
    rows = await work.session.execute(statement, tickets.naming(ref, workflows))
    found = [
        Located(number, external_ref, status, is_resolved, parsed_workflow(workflow, board))
        for number, external_ref, status, is_resolved, workflow, board in rows
    ]
    located = the_one(ref, found)
    located.workflow.refuse_unless_active()
    return located


async def hold_workflow(work: UnitOfWork, workflow: Workflow) -> None:
    """Wait for the workflow's advisory lock: edges and resolutions now stand still."""
    await work.session.execute(graph.advisory_lock(WORKFLOW_LOCK, workflow.number))


async def tickets_mentioned(
    work: UnitOfWork, refs: Sequence[str], workflow_id: str
) -> dict[str, Mentioned]:
    """Each reference's ticket, all of one workflow. Raises for those unknown or foreign."""
    if not refs:
        return {}
    rows = await work.session.execute(tickets.locate(refs, work.caller.workflows))
    known = [Mentioned(*row) for row in rows]
    here = [ticket for ticket in known if ticket.workflow_id == workflow_id]
    found = {ref: matching(ref, here) for ref in refs}
    foreign = [
        ref for ref, tickets_here in found.items() if not tickets_here and matching(ref, known)
    ]
    if foreign:
        raise ForeignBlocker(foreign, workflow_id)
    missing = [ref for ref, tickets_here in found.items() if not tickets_here]
    if missing:
        raise TicketNotFound(missing)
    return {ref: tickets_here[0] for ref, tickets_here in found.items()}


def matching(ref: str, rows: Iterable[C]) -> list[C]:
    """The rows a reference can mean; its own id wins over anyone's original id."""
    number = parse_id("ticket", ref)
    candidates = list(rows)
    by_id = [row for row in candidates if row.id == number]
    return by_id or [row for row in candidates if row.external_ref == ref]


def the_one(ref: str, rows: Sequence[C]) -> C:
    found = matching(ref, rows)
    if not found:
        raise TicketNotFound([ref])
    if len(found) > 1:
        candidates = sorted((row.id, row.workflow_id) for row in found)
        raise AmbiguousTicket(ref, [(ticket_id(number), name) for number, name in candidates])
    return found[0]
