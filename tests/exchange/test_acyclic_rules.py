from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.exchange.acyclic import Edge, components, refused_edges


@pytest.mark.parametrize(
    ("known", "new", "refused"),
    [
        pytest.param([], [(1, 2), (2, 3)], {}, id="a chain"),
        pytest.param([], [(1, 2), (2, 1)], {(2, 1): [2, 1, 2]}, id="two wait for each other"),
        pytest.param([], [(1, 2), (2, 3), (3, 1)], {(3, 1): [3, 1, 2, 3]}, id="three in a ring"),
        pytest.param([(2, 1)], [(1, 2)], {(1, 2): [1, 2, 1]}, id="against what stands already"),
        pytest.param([], [(1, 2), (1, 2)], {}, id="the same edge twice"),
        pytest.param([], [(1, 2), (1, 3), (2, 4), (3, 4)], {}, id="a diamond"),
    ],
)
def test_only_edges_that_close_a_cycle_are_refused(
    known: list[Edge], new: list[Edge], refused: dict[Edge, list[int]]
) -> None:
    assert refused_edges(known, new) == refused


def test_a_chain_of_a_hundred_thousand_needs_no_recursion() -> None:
    chain = [(number, number + 1) for number in range(100_000)]
    assert refused_edges([], chain) == {}


def reaches(edges: list[Edge], start: int, goal: int) -> bool:
    seen, frontier = {start}, [start]
    while frontier:
        node = frontier.pop()
        for source, target in edges:
            if source == node and target not in seen:
                seen.add(target)
                frontier.append(target)
    return goal in seen


NODES = st.integers(1, 7)
EDGES = st.lists(st.tuples(NODES, NODES).filter(lambda edge: edge[0] != edge[1]), max_size=20)


@given(EDGES)
def test_the_refused_are_those_a_slow_and_simple_walk_refuses(new: list[Edge]) -> None:
    standing: list[Edge] = []
    refused: set[Edge] = set()
    for source, target in dict.fromkeys(new):
        if reaches(standing, target, source):
            refused.add((source, target))
        else:
            standing.append((source, target))
    assert set(refused_edges([], new)) == refused


@given(EDGES)
def test_components_are_the_tickets_that_reach_each_other(edges: list[Edge]) -> None:
    component = components(edges)
    for one in component:
        for other in component:
            mutual = reaches(edges, one, other) and reaches(edges, other, one)
            assert (component[one] == component[other]) == mutual
