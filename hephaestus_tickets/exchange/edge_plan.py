"""Which edges a batch of new tickets brings, and which of them can stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hephaestus_tickets.exchange.acyclic import Edge, refused_edges
from hephaestus_tickets.exchange.records import BlockerRecord, LinkRecord, TicketRecord
from hephaestus_tickets.exchange.report import Note

PATH_SHOWN = 4


@dataclass(slots=True)
class EdgePlan:
    """Edges between numbers; each was decided on in the order of the file."""

    blockers: dict[Edge, BlockerRecord] = field(default_factory=dict[Edge, BlockerRecord])
    parents: dict[int, int] = field(default_factory=dict[int, int])
    links: dict[tuple[int, int, str], LinkRecord] = field(
        default_factory=dict[tuple[int, int, str], LinkRecord]
    )
    notes: list[Note] = field(default_factory=list[Note])

    def refuse_cycles(
        self, names: Mapping[int, str], blockers: Iterable[Edge], parents: Iterable[Edge]
    ) -> None:
        """Drop what would close a cycle together with the edges that stand already."""
        cycles = refused_edges(blockers, list(self.blockers))
        for edge, path in cycles.items():
            del self.blockers[edge]
            self._drop("blocker that closes a cycle", path, names)
        loops = refused_edges(parents, list(self.parents.items()))
        for (child, _), path in loops.items():
            del self.parents[child]
            self._drop("parent that closes a cycle", path, names)

    def _drop(self, reason: str, path: Sequence[int], names: Mapping[int, str]) -> None:
        shown = [names.get(number, f"ticket-{number}") for number in path]
        if len(shown) > PATH_SHOWN:
            shown = [*shown[:2], f"… {len(shown) - 3} …", shown[-1]]
        self.notes.append(Note("dropped", reason, " → ".join(shown)))


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the ends of a batch's edges are: numbers by key, and which tickets are new."""

    numbers: Mapping[str, int]
    new: frozenset[str]
    to_come: Mapping[str, object]

    def missing(self, record: TicketRecord, target: str) -> bool:
        """Whether an edge of a new ticket leads nowhere, now and later."""
        return record.key in self.new and target not in self.numbers and target not in self.to_come

    def edge(self, record: TicketRecord, target: str) -> Edge | None:
        """The edge as numbers, where one of its ends is new and the other is there."""
        if target not in self.numbers or record.key not in self.numbers:
            return None
        if record.key not in self.new and target not in self.new:
            return None
        return self.numbers[record.key], self.numbers[target]


def plan_edges(records: Iterable[TicketRecord], ends: Ends) -> EdgePlan:
    """An edge goes in with the later of its two tickets: a stopped import misses none of them."""
    plan = EdgePlan()
    for record in records:
        _plan_blockers(plan, record, ends)
        _plan_parent(plan, record, ends)
        _plan_links(plan, record, ends)
    return plan


def _plan_blockers(plan: EdgePlan, record: TicketRecord, ends: Ends) -> None:
    for blocker in record.blockers:
        edge = ends.edge(record, blocker.blocker)
        if edge is not None:
            plan.blockers[edge] = blocker
        elif ends.missing(record, blocker.blocker):
            _dangling(plan, "blocker", record, blocker.blocker)


def _plan_parent(plan: EdgePlan, record: TicketRecord, ends: Ends) -> None:
    if record.parent is None:
        return
    edge = ends.edge(record, record.parent)
    if edge is not None:
        plan.parents[edge[0]] = edge[1]
    elif ends.missing(record, record.parent):
        _dangling(plan, "parent", record, record.parent)


def _plan_links(plan: EdgePlan, record: TicketRecord, ends: Ends) -> None:
    for link in record.links:
        edge = ends.edge(record, link.target)
        if edge is not None:
            plan.links[*edge, link.kind] = link
        elif ends.missing(record, link.target):
            _dangling(plan, "link", record, link.target)


def _dangling(plan: EdgePlan, what: str, record: TicketRecord, target: str) -> None:
    reason = f"{what} that is neither in the file nor in the workflow"
    plan.notes.append(Note("dropped", reason, f"{record.key} → {target}"))
