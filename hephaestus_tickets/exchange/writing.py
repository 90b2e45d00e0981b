"""Many rows at once: one statement per table, whatever their number."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hephaestus_tickets.db import INDEX_CHANNEL
from hephaestus_tickets.exchange.edge_plan import EdgePlan
from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.rows import (
    Row,
    blocker_row,
    change_rows,
    comment_rows,
    commit_rows,
    link_row,
    ticket_row,
    weights_of,
)
from hephaestus_tickets.models import (
    Base,
    BlockerRow,
    CommentRow,
    CommitRow,
    HistoryRow,
    IndexJobRow,
    LinkRow,
    TicketRow,
)
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.services.keyword_index import Words, write_words, written_words
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
    work.wakes.add(INDEX_CHANNEL)
    words = [Words(number, 0, weights_of(record)) for number, record in numbered]
    await write_words(work, [*words, *await written_words(work, list(records))])


async def insert_edges(work: UnitOfWork, workflow_id: str, plan: EdgePlan) -> None:
    """Blockers, parents and links between tickets that stand; the workflow's lock is held."""
    edges = [blocker_row(it, *edge, workflow_id) for edge, it in plan.blockers.items()]
    links = [link_row(it, *ends[:2], workflow_id) for ends, it in plan.links.items()]
    await insert_rows(work, BlockerRow, edges)
    await insert_rows(work, LinkRow, links)
    if plan.parents:
        rows = [{"child": child, "parent": parent} for child, parent in plan.parents.items()]
        await work.session.execute(exchange.SET_PARENTS, {"rows": json.dumps(rows)})
    if plan.blockers:
        blocked = sorted({number for number, _ in plan.blockers})
        await work.session.execute(exchange.COUNT_OPEN_BLOCKERS, {"tickets": blocked})


async def new_numbers(work: UnitOfWork, count: int) -> list[int]:
    return sorted(await work.session.scalars(exchange.next_ticket_ids(count)))
