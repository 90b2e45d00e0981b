"""A beads export into a workflow: read whole, then written in batches that each commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.caller import Caller, WorkflowNotFound
from hephaestus_tickets.exchange.batches import BatchImport, BatchOutcome, Catalogue
from hephaestus_tickets.exchange.beads import Mapped, map_line
from hephaestus_tickets.exchange.fitting import wanted_types
from hephaestus_tickets.exchange.reading import Source, open_source
from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.report import Note, Report
from hephaestus_tickets.exchange.writing import Stopwatch
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.services.board_service import DEFAULT_BOARD, BoardService
from hephaestus_tickets.services.lookup import workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

BATCH = 1_000
BATCH_CHARACTERS = 4_000_000
LINES_BETWEEN_PROGRESS = 100

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


def _silent(_phase: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class BeadsImport:
    """Idempotent: a ticket of the workflow with an issue's id as external_ref is that issue."""

    units: Units
    caller: Caller
    workflow_id: str
    progress: Progress = _silent
    batch: int = BATCH
    watch: Stopwatch = field(default_factory=Stopwatch)

    async def run(self, path: Path) -> Report:
        """Raises SetupError for a file that cannot be read, TicketError for what is refused."""
        report = Report(self.workflow_id)
        with open_source(path) as source:
            read = self._read(source, report)
        records = {key: mapped.record for key, mapped in read.items() if mapped.record is not None}
        report.created_workflow, report.new_types = await self._prepare(records)
        self.watch.lap("prepare")
        importing = BatchImport(self.workflow_id, Catalogue.of(records), set(), self.watch)
        done = 0
        for batch in batches(records.values(), self.batch):
            outcome = await self._run_batch(importing, batch)
            self.watch.lap("commit")
            importing.mine.update(outcome.new)
            _count(report, outcome)
            for key in outcome.imported:
                report.add(read[key].notes)
            done += len(batch)
            self.progress("Writing", done, len(records))
        return report

    def _read(self, source: Source, report: Report) -> dict[str, Mapped]:
        """What each line maps to; of two with one id the newer stands."""
        now = datetime.now(UTC)
        found: dict[str, Mapped] = {}
        self.watch.lap("open")
        for line in source.lines():
            self.watch.lap("read")
            report.lines += 1
            mapped = map_line(line, now)
            if mapped.record is None:
                report.add(mapped.notes)
            else:
                _keep_newer(found, mapped, mapped.record, report, line.number)
            self.watch.lap("map")
            if line.number % LINES_BETWEEN_PROGRESS == 0:
                self.progress("Reading", source.position, source.size)
        return found

    async def _prepare(self, records: dict[str, TicketRecord]) -> tuple[bool, list[str]]:
        """Whether the workflow had to be created, and the types its board had to learn."""

        async def prepare(work: UnitOfWork) -> tuple[bool, list[str]]:
            board, is_new = await self._board(work)
            rows = await work.session.execute(
                exchange.known_tickets(self.workflow_id, list(records))
            )
            there = {ref for ref, _, _ in rows}
            new = [record for key, record in records.items() if key not in there]
            types = wanted_types(board, new)
            learned = types[len(board.ticket_types) :]
            if new and (is_new or learned):
                boards = BoardService(work)
                await boards.configure_board(workflow_id=self.workflow_id, ticket_types=types)
            return is_new and bool(new), learned

        return await self.units.run(self.caller, prepare)

    async def _board(self, work: UnitOfWork) -> tuple[Board, bool]:
        try:
            workflow = await workflow_for_read(work, self.workflow_id)
        except WorkflowNotFound:
            return DEFAULT_BOARD, True
        workflow.refuse_unless_active()
        return workflow.board, False

    async def _run_batch(
        self, importing: BatchImport, batch: Sequence[TicketRecord]
    ) -> BatchOutcome:
        return await self.units.run(self.caller, lambda work: importing.run(work, batch))


def _keep_newer(
    found: dict[str, Mapped], mapped: Mapped, record: TicketRecord, report: Report, number: int
) -> None:
    before = found.get(record.key)
    if before is not None:
        note = Note("dropped", "the same id again: the newer line stands", f"line {number}")
        report.add([note])
        if before.record is not None and before.record.updated_at >= record.updated_at:
            return
    found[record.key] = mapped


def batches(records: Iterable[TicketRecord], size: int) -> Iterator[list[TicketRecord]]:
    """In the order of the file, each short enough for one statement and a short transaction."""
    batch: list[TicketRecord] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(record.description)
        characters += sum(len(comment.comment_text) for comment in record.comments)
        if len(batch) >= size or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _count(report: Report, outcome: BatchOutcome) -> None:
    report.tickets += len(outcome.new)
    report.already_there += outcome.already_there
    report.newer_in_file += outcome.newer_in_file
    report.blockers += outcome.blockers
    report.parents += outcome.parents
    report.links += outcome.links
    report.comments += outcome.comments
    report.add(outcome.notes)
