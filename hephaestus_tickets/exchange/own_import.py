"""Our own export into a new or empty workflow: in one transaction, so all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.ids import parse_id, ticket_id
from hephaestus_tickets.exchange.edge_plan import EdgePlan
from hephaestus_tickets.exchange.reading import Line, open_source
from hephaestus_tickets.exchange.records import FORMAT_VERSION, Header, TicketRecord
from hephaestus_tickets.exchange.renumbering import renumbered
from hephaestus_tickets.exchange.report import Report
from hephaestus_tickets.exchange.writing import (
    insert_edges,
    insert_tickets,
    new_numbers,
)
from hephaestus_tickets.queries import boards, exchange
from hephaestus_tickets.services.board_service import BoardService
from hephaestus_tickets.services.lookup import Workflow, hold_workflow, workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

BATCH = 500
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OwnImport:
    units: Units
    caller: Caller
    workflow_id: str
    progress: Progress

    async def run(self, path: Path) -> Report:
        """The workflow named, or the one the export came from.

        Raises SetupError where the file is damaged or the workflow has tickets.
        """
        _check_length(path)
        return await self.units.run(self.caller, lambda work: self._import(work, path))

    async def _import(self, work: UnitOfWork, path: Path) -> Report:
        with open_source(path) as source:
            lines = source.lines()
            header = parsed_header(next(lines))
            workflow, is_new = await self._prepare(work, header)
            numbers = await new_numbers(work, header.ticket_count)
            report = Report(workflow.workflow_id, created_workflow=is_new, lines=1)
            landing = _Landing(workflow, numbers)
            for batch in _batches(lines):
                await landing.insert(work, batch, report)
                self.progress("Importing", report.tickets, header.ticket_count)
        await landing.insert_edges(work, report)
        return report

    async def _prepare(self, work: UnitOfWork, header: Header) -> tuple[Workflow, bool]:
        """The workflow with the export's board, held until the end."""
        workflow_id = self.workflow_id or header.workflow_id
        await _refuse_unless_empty(work, workflow_id)
        board = header.board
        configured = await BoardService(work).configure_board(
            workflow_id=workflow_id,
            name=board.name,
            columns=board.columns,
            ticket_types=board.ticket_types,
            default_ticket_type=board.default_ticket_type,
            initial_status=board.initial_status,
            settings=board.settings,
            workflow_status=header.workflow_status,
        )
        # Another import may have filled it while configure_board waited for its board.
        await _refuse_unless_empty(work, workflow_id)
        statement = boards.board_for_change(is_limited=False)
        row, _ = (await work.session.execute(statement, boards.naming(workflow_id, None))).one()
        row.name = header.workflow_name
        workflow = await workflow_for_read(work, workflow_id)
        await hold_workflow(work, workflow)
        return workflow, configured.created


async def _refuse_unless_empty(work: UnitOfWork, workflow_id: str) -> None:
    if (await work.session.scalars(exchange.has_tickets(workflow_id))).one():
        raise SetupError(
            f"The workflow '{workflow_id}' has tickets already, and an export of our own is "
            "only imported into a new or an empty one: name another with --workflow."
        )


def parsed_header(line: Line) -> Header:
    try:
        header = Header.model_validate_json(line.text)
    except ValidationError as error:
        raise SetupError(
            f"The first line is not the header of an export of ours ({_fault(error)})."
        ) from error
    if header.format_version != FORMAT_VERSION:
        raise SetupError(
            f"The export is of format version {header.format_version}, this version reads "
            f"{FORMAT_VERSION}: upgrade hephaestus-tickets."
        )
    return header


def _check_length(path: Path) -> None:
    """Before anything is written: every ticket the header promises must be there."""
    with open_source(path) as source:
        lines = source.lines()
        first = next(lines, None)
        if first is None:
            raise SetupError(f"{path} is empty.")
        header = parsed_header(first)
        found = sum(1 for _ in lines)
    if found != header.ticket_count:
        raise SetupError(
            f"{path} is cut short or was edited: its header counts {header.ticket_count:,} "
            f"tickets, but {found:,} follow. Nothing was imported."
        )


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while batch := list(islice(lines, BATCH)):
        yield batch


def _fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


@dataclass(slots=True)
class _Landing:
    """Where an export's tickets arrive: its keys count from ticket-1, in the order of lines."""

    workflow: Workflow
    numbers: Sequence[int]
    plan: EdgePlan = field(default_factory=EdgePlan)

    async def insert(self, work: UnitOfWork, lines: Iterable[Line], report: Report) -> None:
        records: dict[int, TicketRecord] = {}
        for place, line in enumerate(lines, report.tickets + 1):
            record = _parsed(line, self.workflow.board, place)
            records[self.numbers[place - 1]] = self._renumbered(record)
            self._note_edges(line, record)
            report.comments += len(record.comments)
        await insert_tickets(work, self.workflow.workflow_id, records)
        report.tickets += len(records)
        report.lines += len(records)

    async def insert_edges(self, work: UnitOfWork, report: Report) -> None:
        names = {number: ticket_id(place) for place, number in enumerate(self.numbers, 1)}
        self.plan.refuse_cycles(names, [], [])
        for note in self.plan.notes:
            raise SetupError(f"The export is not whole: {note.reason}, {note.example}.")
        await insert_edges(work, self.workflow.workflow_id, self.plan)
        report.blockers, report.parents = len(self.plan.blockers), len(self.plan.parents)
        report.links = len(self.plan.links)

    def _number(self, place: int) -> int | None:
        return self.numbers[place - 1] if 0 < place <= len(self.numbers) else None

    def _renumbered(self, record: TicketRecord) -> TicketRecord:
        history = [renumbered(change, self._number) for change in record.history]
        return record.model_copy(update={"history": history})

    def _note_edges(self, line: Line, record: TicketRecord) -> None:
        for blocker in record.blockers:
            self.plan.blockers[self._edge(line, record, blocker.blocker)] = blocker
        for link in record.links:
            self.plan.links[*self._edge(line, record, link.target), link.kind] = link
        if record.parent is not None:
            child, parent = self._edge(line, record, record.parent)
            self.plan.parents[child] = parent

    def _edge(self, line: Line, record: TicketRecord, target: str) -> tuple[int, int]:
        number = self._number(parse_id("ticket", target) or 0)
        if number is None or target == record.key:
            raise SetupError(
                f"Line {line.number} of the export names '{target}', which is no other ticket of "
                "it. Nothing was imported."
            )
        return self.numbers[(parse_id("ticket", record.key) or 0) - 1], number


def _parsed(line: Line, board: Board, place: int) -> TicketRecord:
    try:
        record = TicketRecord.model_validate_json(line.text)
    except ValidationError as error:
        raise _damaged(line, _fault(error)) from error
    if record.key != ticket_id(place):
        raise _damaged(line, f"its key is '{record.key}', not '{ticket_id(place)}'")
    if not board.has(record.status):
        raise _damaged(line, f"its board has no column '{record.status}'")
    if board.column(record.status).is_terminal != record.is_resolved:
        raise _damaged(line, f"resolved does not go with the column '{record.status}'")
    return record


def _damaged(line: Line, reason: str) -> SetupError:
    return SetupError(
        f"Line {line.number} of the export is not a ticket as it should be ({reason}). "
        "Nothing was imported."
    )
