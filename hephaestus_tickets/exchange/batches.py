"""One batch of new tickets into a workflow: a transaction of its own, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hephaestus_tickets.exchange.edge_plan import EdgePlan, Ends, plan_edges
from hephaestus_tickets.exchange.fitting import Fitting
from hephaestus_tickets.exchange.joining import record_joined
from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.report import Note
from hephaestus_tickets.exchange.writing import (
    Stopwatch,
    insert_edges,
    insert_tickets,
    new_numbers,
)
from hephaestus_tickets.queries import exchange
from hephaestus_tickets.services.lookup import hold_workflow, workflow_for_write
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All records of a file by key, and who refers to whom."""

    records: Mapping[str, TicketRecord]
    referring: Mapping[str, Sequence[TicketRecord]]

    @classmethod
    def of(cls, records: Mapping[str, TicketRecord]) -> Catalogue:
        referring: dict[str, list[TicketRecord]] = {}
        for record in records.values():
            for target in targets_of(record):
                referring.setdefault(target, []).append(record)
        return cls(records, referring)

    def around(self, batch: Iterable[TicketRecord]) -> dict[str, TicketRecord]:
        """The batch, and every ticket of the file with an edge to one of it."""
        near = {record.key: record for record in batch}
        for key in list(near):
            near.update((record.key, record) for record in self.referring.get(key, ()))
        return near


def targets_of(record: TicketRecord) -> set[str]:
    targets = {edge.blocker for edge in record.blockers} | {link.target for link in record.links}
    return targets if record.parent is None else targets | {record.parent}


@dataclass(slots=True)
class BatchOutcome:
    """What one batch did; counted only once it is committed."""

    new: list[int] = field(default_factory=list[int])
    imported: list[str] = field(default_factory=list[str])
    already_there: int = 0
    newer_in_file: int = 0
    blockers: int = 0
    parents: int = 0
    links: int = 0
    comments: int = 0
    notes: list[Note] = field(default_factory=list[Note])


@dataclass(frozen=True, slots=True)
class BatchImport:
    """Imports batches of a file's catalogue; `mine` are the tickets of earlier batches."""

    workflow_id: str
    catalogue: Catalogue
    mine: set[int]
    watch: Stopwatch

    async def run(self, work: UnitOfWork, batch: Sequence[TicketRecord]) -> BatchOutcome:
        """Tickets that are there already, by their original id, are left as they are."""
        workflow = await workflow_for_write(work, self.workflow_id)
        await hold_workflow(work, workflow)
        near = self.catalogue.around(batch)
        known = await self._known(work, near)
        fresh = [record for record in batch if record.key not in known]
        outcome = _counted(batch, known)
        if fresh:
            fitting = Fitting.to(workflow.board)
            fitted = [fitting.fit(record) for record in fresh]
            outcome.notes += [note for _, notes in fitted for note in notes]
            await self._insert(work, [record for record, _ in fitted], near, known, outcome)
        return outcome

    async def _known(
        self, work: UnitOfWork, near: Mapping[str, TicketRecord]
    ) -> dict[str, tuple[int, datetime]]:
        wanted = {*near, *(target for record in near.values() for target in targets_of(record))}
        rows = await work.session.execute(exchange.known_tickets(self.workflow_id, sorted(wanted)))
        return {ref: (number, updated_at) for ref, number, updated_at in rows}

    async def _insert(
        self,
        work: UnitOfWork,
        fresh: Sequence[TicketRecord],
        near: Mapping[str, TicketRecord],
        known: Mapping[str, tuple[int, datetime]],
        outcome: BatchOutcome,
    ) -> None:
        new = await new_numbers(work, len(fresh))
        keys = [record.key for record in fresh]
        numbers = {key: number for key, (number, _) in known.items()}
        numbers.update(zip(keys, new, strict=True))
        ends = Ends(numbers, frozenset(keys), self.catalogue.records)
        plan = plan_edges(near.values(), ends)
        standing = await self._lock_touched(work, plan, frozenset(new))
        self.watch.lap("plan")
        await insert_tickets(work, self.workflow_id, dict(zip(new, fresh, strict=True)))
        self.watch.lap("insert")
        await self._insert_edges(work, plan, {number: key for key, number in numbers.items()})
        await record_joined(work, plan, standing, new={*new, *self.mine})
        self.watch.lap("edges")
        outcome.new, outcome.imported = new, keys
        outcome.blockers, outcome.parents = len(plan.blockers), len(plan.parents)
        outcome.links = len(plan.links)
        outcome.comments = sum(len(record.comments) for record in fresh)
        outcome.notes += plan.notes

    async def _lock_touched(
        self, work: UnitOfWork, plan: EdgePlan, new: frozenset[int]
    ) -> dict[int, int]:
        """Lock what was there and gets a blocker or parent; answers their versions.

        A parent that a ticket was given meanwhile stays.
        """
        touched = ({blocked for blocked, _ in plan.blockers} | plan.parents.keys()) - new
        if not touched:
            return {}
        versions: dict[int, int] = {}
        for number, version, parent in await work.session.execute(exchange.lock_tickets(touched)):
            versions[number] = version
            if parent is not None:
                plan.parents.pop(number, None)
        return versions

    async def _insert_edges(
        self, work: UnitOfWork, plan: EdgePlan, names: Mapping[int, str]
    ) -> None:
        blockers = exchange.blocker_edges_upstream({blocker for _, blocker in plan.blockers})
        parents = exchange.parent_edges_upstream(set(plan.parents.values()))
        plan.refuse_cycles(
            names,
            [(blocked, blocker) for blocked, blocker in await work.session.execute(blockers)],
            [(child, above) for child, above in await work.session.execute(parents) if above],
        )
        await insert_edges(work, self.workflow_id, plan)


def _counted(
    batch: Sequence[TicketRecord], known: Mapping[str, tuple[int, datetime]]
) -> BatchOutcome:
    there = [record for record in batch if record.key in known]
    newer = [record for record in there if record.updated_at > known[record.key][1]]
    return BatchOutcome(already_there=len(there), newer_in_file=len(newer))
