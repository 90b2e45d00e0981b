"""Which of many new edges may stand so that none closes a cycle: linear, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hephaestus_tickets.domain.blockers import closing_path

Edge = tuple[int, int]


def refused_edges(known: Iterable[Edge], new: Sequence[Edge]) -> dict[Edge, list[int]]:
    """The new edges to leave out, each with the cycle it would have closed.

    `known` edges form no cycle. New ones are taken in order while they close none; only those
    inside a strongly connected component can, and only those are tried one by one.
    """
    every = [*known, *new]
    component = components(every)
    suspects = [edge for edge in dict.fromkeys(new) if component[edge[0]] == component[edge[1]]]
    if not suspects:
        return {}
    doubtful = set(suspects)
    standing = [
        edge for edge in every if component[edge[0]] == component[edge[1]] and edge not in doubtful
    ]
    refused: dict[Edge, list[int]] = {}
    for source, target in suspects:
        path = closing_path(standing, source, [target])
        if path:
            refused[source, target] = path
        else:
            standing.append((source, target))
    return refused


def components(edges: Iterable[Edge]) -> dict[int, int]:
    """Each node's strongly connected component (Tarjan's algorithm, without recursion)."""
    onward: dict[int, list[int]] = {}
    for source, target in edges:
        onward.setdefault(source, []).append(target)
        onward.setdefault(target, [])
    search = _Search(onward)
    for node in onward:
        if node not in search.index:
            search.explore(node)
    return search.component


class _Search:
    def __init__(self, onward: dict[int, list[int]]) -> None:
        self._onward = onward
        self.index: dict[int, int] = {}
        self.component: dict[int, int] = {}
        self._low: dict[int, int] = {}
        self._stack: list[int] = []

    def explore(self, start: int) -> None:
        path = [self._enter(start)]
        while path:
            node, targets = path[-1]
            target = next(targets, None)
            if target is None:
                path.pop()
                self._leave(node, path[-1][0] if path else None)
            elif target not in self.index:
                path.append(self._enter(target))
            elif target not in self.component:
                self._low[node] = min(self._low[node], self.index[target])

    def _enter(self, node: int) -> tuple[int, Iterator[int]]:
        self.index[node] = self._low[node] = len(self.index)
        self._stack.append(node)
        return node, iter(self._onward[node])

    def _leave(self, node: int, came_from: int | None) -> None:
        if came_from is not None:
            self._low[came_from] = min(self._low[came_from], self._low[node])
        if self._low[node] != self.index[node]:
            return
        while True:
            member = self._stack.pop()
            self.component[member] = node
            if member == node:
                return
