from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import compress, pairwise, permutations, product

import pytest

from hephaestus_tickets.domain.blockers import (
    BlockerCycle,
    ForeignBlocker,
    ParentCycle,
    SelfReference,
    check_no_blocker_cycle,
    check_no_parent_cycle,
    closing_path,
    path_between,
)

Edge = tuple[int, int]

# 1 → 2 → 3 → 4 with the short cut 1 → 3, a loop at 4, and 5 ↔ 6 apart from them.
ROADS = [(1, 2), (2, 3), (1, 3), (3, 4), (4, 4), (5, 6), (6, 5)]


@pytest.mark.parametrize(
    ("start", "goal", "path"),
    [
        pytest.param(1, 2, [1, 2], id="one-step"),
        pytest.param(1, 4, [1, 3, 4], id="the-short-cut-wins"),
        pytest.param(2, 4, [2, 3, 4], id="two-steps"),
        pytest.param(4, 1, [], id="edges-are-not-walked-backwards"),
        pytest.param(4, 3, [], id="a-loop-at-the-start-ends-the-search"),
        pytest.param(1, 6, [], id="another-island"),
        pytest.param(5, 4, [], id="a-cycle-that-misses-the-goal-ends-the-search"),
        pytest.param(3, 3, [3], id="already-there"),
        pytest.param(9, 1, [], id="an-unknown-start"),
        pytest.param(1, 9, [], id="an-unknown-goal"),
    ],
)
def test_a_path_is_the_shortest_one_or_empty(start: int, goal: int, path: list[int]) -> None:
    assert path_between(ROADS, start, goal) == path


def test_no_edges_lead_nowhere() -> None:
    assert path_between([], 1, 2) == []


@pytest.mark.parametrize(
    ("edges", "targets", "path"),
    [
        pytest.param([], [2], [], id="the-first-edge"),
        pytest.param([(2, 1)], [2], [1, 2, 1], id="the-way-back-exists"),
        pytest.param([(2, 3), (3, 1)], [2], [1, 2, 3, 1], id="a-longer-way-back"),
        pytest.param([(2, 3), (3, 1), (2, 1)], [2], [1, 2, 1], id="the-shortest-way-back"),
        pytest.param([(1, 2)], [2], [], id="the-same-edge-again"),
        pytest.param([(1, 2), (2, 3)], [3], [], id="a-short-cut"),
        pytest.param([(3, 1)], [2, 3], [1, 3, 1], id="only-the-second-target-closes-it"),
        pytest.param([(2, 1), (3, 1)], [3, 2], [1, 3, 1], id="the-first-target-is-named"),
        pytest.param([(2, 1)], [], [], id="no-targets"),
        pytest.param([], [1], [1, 1], id="itself"),
        pytest.param([(2, 3), (3, 2)], [4], [], id="an-old-cycle-elsewhere"),
    ],
)
def test_the_path_closed_by_new_edges_from_ticket_1(
    edges: list[Edge], targets: list[int], path: list[int]
) -> None:
    assert closing_path(edges, 1, targets) == path


def test_edges_may_be_read_only_once() -> None:
    assert closing_path(iter([(3, 1)]), 1, iter([2, 3])) == [1, 3, 1]


def is_acyclic(edges: Iterable[Edge]) -> bool:
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for source, target in edges:
        sorter.add(source, target)
    try:
        sorter.prepare()
    except CycleError:
        return False
    return True


def shortest_length(edges: set[Edge], start: int, goal: int, nodes: Iterable[int]) -> int | None:
    """Tickets on the shortest path, found by trying every order of every choice of stops."""
    if start == goal:
        return 1
    between = [node for node in nodes if node not in (start, goal)]
    for stops in range(len(between) + 1):
        for chosen in permutations(between, stops):
            if all(step in edges for step in pairwise((start, *chosen, goal))):
                return stops + 2
    return None


def check_against_oracle(edges: set[Edge], source: int, target: int, nodes: range) -> None:
    found = closing_path(edges, source, [target])
    back = shortest_length(edges, target, source, nodes)
    assert len(found) == (0 if back is None else back + 1)
    if is_acyclic(edges):
        assert bool(found) is not is_acyclic({*edges, (source, target)})
    if found:
        assert found[:2] == [source, target]
        assert found[-1] == source
        assert set(pairwise(found)) <= {*edges, (source, target)}


@pytest.mark.parametrize(
    ("count", "pairs"),
    [
        pytest.param(3, list(product(range(1, 4), repeat=2)), id="three-with-loops"),
        pytest.param(4, list(permutations(range(1, 5), 2)), id="four"),
    ],
)
def test_every_graph_of_a_few_tickets_agrees_with_brute_force(
    count: int, pairs: list[Edge]
) -> None:
    # Tickets are alike, so the edge 1 → 2 stands for any.
    for kept in product((False, True), repeat=len(pairs)):
        check_against_oracle(set(compress(pairs, kept)), 1, 2, range(1, count + 1))


def test_a_blocker_cycle_is_refused_with_its_path() -> None:
    with pytest.raises(BlockerCycle) as refusal:
        check_no_blocker_cycle([(2, 3), (3, 1)], 1, [7, 2])
    assert refusal.value.path == ("ticket-1", "ticket-2", "ticket-3", "ticket-1")
    assert str(refusal.value) == (
        "That blocker would close a cycle: ticket-1 → ticket-2 → ticket-3 → ticket-1, where each "
        "waits for the next. Leave it out, or remove one of the existing blockers on that path."
    )


def test_a_parent_cycle_is_refused_with_its_path() -> None:
    with pytest.raises(ParentCycle) as refusal:
        check_no_parent_cycle([(2, 3), (3, 1)], 1, 2)
    assert refusal.value.path == ("ticket-1", "ticket-2", "ticket-3", "ticket-1")
    assert str(refusal.value) == (
        "That parent would close a cycle: ticket-1 → ticket-2 → ticket-3 → ticket-1, where each "
        "is a sub-ticket of the next. Choose another parent."
    )


def test_edges_without_a_cycle_are_let_through() -> None:
    check_no_blocker_cycle([(1, 2), (2, 3)], 1, [3])
    check_no_parent_cycle([(2, 3)], 1, 2)


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        pytest.param(2, "1 → 2", id="short"),
        pytest.param(12, "1 → 2 → 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → 12", id="just-fits"),
        pytest.param(
            13, "1 → 2 → 3 → 4 → 5 → 6 → … 1 more … → 8 → 9 → 10 → 11 → 12 → 13", id="one-too-many"
        ),
        pytest.param(
            40, "1 → 2 → 3 → 4 → 5 → 6 → … 28 more … → 35 → 36 → 37 → 38 → 39 → 40", id="long"
        ),
    ],
)
def test_a_long_path_is_shown_by_its_ends(length: int, shown: str) -> None:
    path = [str(number) for number in range(1, length + 1)]
    assert f"close a cycle: {shown}, where each" in str(BlockerCycle(path))
    assert len(BlockerCycle(path).path) == length


def test_a_foreign_blocker_names_the_tickets_and_the_workflow() -> None:
    refusal = ForeignBlocker(["ticket-4", "ticket-5"], "web")
    assert refusal.tickets == ("ticket-4", "ticket-5")
    assert str(refusal) == (
        "ticket-4, ticket-5 belong to another workflow than 'web'. "
        "Blockers, parents and links stay within one workflow."
    )


def test_a_ticket_is_not_its_own_blocker() -> None:
    refusal = SelfReference("ticket-4", "blocker")
    assert refusal.ticket_id == "ticket-4"
    assert str(refusal) == "ticket-4 cannot be its own blocker. Name another ticket."
