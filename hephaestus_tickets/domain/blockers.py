"""Graph rules: blockers form no cycle, and neither do parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.text import comma_list

PATH_NAMED = 12


class BlockerCycle(Conflict):
    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"That blocker would close a cycle: {arrows(self.path)}, where each waits for the "
            "next. Leave it out, or remove one of the existing blockers on that path."
        )


class ParentCycle(Conflict):
    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"That parent would close a cycle: {arrows(self.path)}, where each is a sub-ticket "
            "of the next. Choose another parent."
        )


class ForeignBlocker(Conflict):
    def __init__(self, tickets: Iterable[str], workflow_id: str) -> None:
        self.tickets = tuple(tickets)
        super().__init__(
            f"{comma_list(self.tickets)} {'belong' if len(self.tickets) > 1 else 'belongs'} "
            f"to another workflow than '{workflow_id}'. "
            "Blockers, parents and links stay within one workflow."
        )


class SelfReference(Invalid):
    def __init__(self, ticket: str, role: str) -> None:
        self.ticket_id = ticket
        super().__init__(f"{ticket} cannot be its own {role}. Name another ticket.")


def arrows(path: Sequence[str]) -> str:
    """The path in one line; of a long one its two ends."""
    if len(path) <= PATH_NAMED:
        return " → ".join(path)
    half = PATH_NAMED // 2
    return " → ".join([*path[:half], f"… {len(path) - 2 * half} more …", *path[-half:]])


def path_between(edges: Iterable[tuple[int, int]], start: int, goal: int) -> list[int]:
    """A shortest path start → … → goal along the edges; empty where there is none."""
    onward: dict[int, list[int]] = {}
    for source, target in edges:
        onward.setdefault(source, []).append(target)
    came_from: dict[int, int] = {start: start}
    queue = [start]
    for node in queue:  # it grows while it is read
        for target in onward.get(node, ()):
            if target not in came_from:
                came_from[target] = node
                queue.append(target)
    return _walk_back(came_from, start, goal) if goal in came_from else []


def _walk_back(came_from: dict[int, int], start: int, goal: int) -> list[int]:
    path = [goal]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def closing_path(
    edges: Iterable[tuple[int, int]], source: int, targets: Iterable[int]
) -> list[int]:
    """The cycle that new edges source → target would close, written source → … → source.

    `edges` are the existing ones (each from what waits to what it waits for); empty: no cycle.
    """
    known = list(edges)
    for target in targets:
        back = path_between(known, target, source)
        if back:
            return [source, *back]
    return []


def check_no_blocker_cycle(
    edges: Iterable[tuple[int, int]], blocked: int, blockers: Iterable[int]
) -> None:
    path = closing_path(edges, blocked, blockers)
    if path:
        raise BlockerCycle([ticket_id(number) for number in path])


def check_no_parent_cycle(edges: Iterable[tuple[int, int]], ticket: int, parent: int) -> None:
    path = closing_path(edges, ticket, [parent])
    if path:
        raise ParentCycle([ticket_id(number) for number in path])
