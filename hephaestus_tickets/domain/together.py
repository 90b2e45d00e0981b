"""Several tickets changed in one call: all of them, or none with every refusal told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

from hephaestus_tickets.domain.errors import Conflict, Invalid, TicketError
from hephaestus_tickets.domain.planning import FAULT_CHARACTERS, FAULTS_TOLD
from hephaestus_tickets.domain.text import comma_list, one_line


class NamedTwice(Invalid):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"'{one_line(name, 80)}' is named twice. Name each ticket once.")


class SeveralWorkflows(Invalid):
    def __init__(self, tickets: Mapping[str, str]) -> None:
        """A ticket of each workflow, by workflow."""
        self.tickets = dict(tickets)
        named = comma_list(f"{ticket} ({workflow})" for workflow, ticket in self.tickets.items())
        super().__init__(
            f"These tickets belong to several workflows: {named}. Nothing was changed. "
            "Name tickets of one workflow in each call."
        )


class PlanRefused(Conflict):
    """Each ticket that is in the way, with its own refusal."""

    def __init__(self, refusals: Sequence[tuple[str, TicketError]], count: int) -> None:
        self.refusals = tuple(refusals)
        told = (one_line(_told(*refusal), FAULT_CHARACTERS) for refusal in self.refusals)
        super().__init__(
            f"{len(self.refusals)} of {count} tickets are refused. "
            f"{comma_list(told, FAULTS_TOLD, '; ')}. Nothing was changed."
        )


def _told(name: str, refusal: TicketError) -> str:
    return f"{one_line(name, 80)}: {refusal.code}: {str(refusal).removesuffix('.')}"


def blockers_first(tickets: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[int]:
    """The tickets in an order in which none comes before its blocker.

    `edges` go from blocked to blocker, between these tickets alone, and form no cycle.
    """
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(tickets, ()))
    for blocked, blocker in edges:
        sorter.add(blocked, blocker)
    return list(sorter.static_order())
