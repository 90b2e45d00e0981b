"""Many rows at once: one statement per table, whatever their number."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.rows import (
    Row,
    change_rows,
    comment_rows,
    commit_rows,
    ticket_row,
)
from hephaestus_tickets.models import (
    Base,
    CommentRow,
    CommitRow,
    HistoryRow,
    IndexJobRow,
    TicketRow,
)
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.services.unit_of_work import UnitOfWork

JSON_BYTES = 8_000_000


@dataclass(slots=True)
class Stopwatch:
    """Where the time of an import goes, in seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, phase: str) -> None:
        """What passed since the last lap was this phase."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._since
        self._since = now


async def insert_rows(work: UnitOfWork, row: type[Base], rows: Sequence[Row]) -> None:
    for part in _parts(rows):
        statement = exchange.insert_from_json(row, list(rows[0]))
        await work.session.execute(statement, {"rows": part})


def _parts(rows: Iterable[Row]) -> Iterable[str]:
    """JSON arrays of a few megabytes each: a value may be no longer than PostgreSQL takes."""
    encoded: list[str] = []
    size = 0
    for row in rows:
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        if encoded and size + len(text) > JSON_BYTES:
            yield f"[{','.join(encoded)}]"
            encoded, size = [], 0
        encoded.append(text)
        size += len(text)
    if encoded:
        yield f"[{','.join(encoded)}]"


async def insert_tickets(
    work: UnitOfWork, workflow_id: str, records: Mapping[int, TicketRecord]
) -> None:
    """Tickets by their new numbers, with comments, commits, history and a place in the index."""
    numbered = records.items()
    tickets = [ticket_row(record, number, workflow_id) for number, record in numbered]
    comments = [row for number, it in numbered for row in comment_rows(it.comments, number)]
    commits = [row for number, it in numbered for row in commit_rows(it.commits, number)]
    changes = [row for number, it in numbered for row in change_rows(it.history, number)]
    jobs: list[Row] = [{"ticket_id": number} for number in records]
    await insert_rows(work, TicketRow, tickets)
    await insert_rows(work, CommentRow, comments)
    await insert_rows(work, CommitRow, commits)
    await insert_rows(work, HistoryRow, changes)
    await insert_rows(work, IndexJobRow, jobs)


async def set_parents(work: UnitOfWork, parents: Mapping[int, int]) -> None:
    """Parents by sub-ticket, for those that have none."""
    if parents:
        rows = [{"child": child, "parent": parent} for child, parent in parents.items()]
        await work.session.execute(exchange.SET_PARENTS, {"rows": json.dumps(rows)})


async def count_open_blockers(work: UnitOfWork, blocked: Iterable[int]) -> None:
    numbers = sorted(set(blocked))
    if numbers:
        await work.session.execute(exchange.COUNT_OPEN_BLOCKERS, {"tickets": numbers})


async def new_numbers(work: UnitOfWork, count: int) -> list[int]:
    return sorted(await work.session.scalars(exchange.next_ticket_ids(count)))
