from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.domain.lifecycle import AlreadyResolved
from hephaestus_tickets.domain.planning import (
    FAULTS_TOLD,
    End,
    Entry,
    Ground,
    InvalidPlan,
    Start,
    cycles,
    laid_out,
)
from hephaestus_tickets.domain.together import PlanRefused, blockers_first
from tests.domain.boards import BACKLOG, IN_PROGRESS, READY, board

OPEN, FINISHED = End(number=7), End(number=8, is_resolved=True)
GROUND = Ground(
    board=board(),
    known={"ticket-7": OPEN, "#7": OPEN, "bd-7": OPEN, "ticket-8": FINISHED},
    foreign=frozenset({"ticket-9"}),
    standing={"in_progress": 1},
)


def new(place: int) -> End:
    return End(number=place, is_new=True)


def faults_of(*entries: Entry) -> list[str]:
    try:
        laid_out(entries, GROUND)
    except InvalidPlan as refusal:
        return list(refusal.faults)
    return []


def test_names_are_refs_of_the_call_or_existing_tickets_whatever_their_order() -> None:
    entries = [
        Entry(blocked_by=["b", "ticket-7"], parent="c"),
        Entry(ref="b", parent="ticket-8"),
        Entry(ref="c", initial_status="ready"),
    ]
    assert laid_out(entries, GROUND) == [
        Start(column=BACKLOG, parent=new(2), blockers=[new(1), OPEN]),
        Start(column=BACKLOG, parent=FINISHED, blockers=[]),
        Start(column=READY, parent=None, blockers=[]),
    ]


@pytest.mark.parametrize(
    ("blocked_by", "open_blockers"),
    [
        pytest.param([], 0, id="none"),
        pytest.param(["b"], 1, id="a new one"),
        pytest.param(["ticket-7"], 1, id="an existing one"),
        pytest.param(["ticket-8"], 0, id="a resolved one"),
        pytest.param(["b", "b", "ticket-7", "#7", "bd-7", "ticket-8"], 2, id="each counts once"),
    ],
)
def test_only_unresolved_blockers_are_open(blocked_by: list[str], open_blockers: int) -> None:
    start, _ = laid_out([Entry(blocked_by=blocked_by), Entry(ref="b")], GROUND)
    assert start.open_blockers == open_blockers


def test_a_ref_goes_before_an_original_id() -> None:
    start, _ = laid_out([Entry(parent="bd-7"), Entry(ref="bd-7")], GROUND)
    assert start.parent == new(1)


def test_a_ticket_that_nothing_holds_may_start_in_a_doing_column() -> None:
    entry = Entry(initial_status="in_progress", blocked_by=["ticket-8"])
    assert laid_out([entry], GROUND)[0].column == IN_PROGRESS


A_REF_LIKE_AN_ID = "this ref reads like a ticket id: give it a name with a letter in it"
UNKNOWN = "names of neither a ref here nor a ticket:"
FULL = "the column 'in_progress' takes 2 tickets; 1 stand in it and 2 would come"


@pytest.mark.parametrize(
    ("entries", "faults"),
    [
        pytest.param([Entry(ref="a"), Entry(ref="b"), Entry()], [], id="none"),
        pytest.param(
            [Entry(ref="a"), Entry(ref="a"), Entry(ref="a")],
            [f"tickets[{place}] 'a': tickets[0] has this ref already" for place in (1, 2)],
            id="one ref twice",
        ),
        pytest.param(
            [Entry(ref="ticket-7"), Entry(ref="#12"), Entry(ref="3"), Entry(ref="TICKET-4")],
            [
                f"tickets[{place}] '{ref}': {A_REF_LIKE_AN_ID}"
                for place, ref in enumerate(["ticket-7", "#12", "3", "TICKET-4"])
            ],
            id="refs like ids",
        ),
        pytest.param(
            [Entry(parent="x", blocked_by=["y", "y", "ticket-5"])],
            [f"tickets[0]: {UNKNOWN} 'y', 'ticket-5', 'x'"],
            id="unknown names",
        ),
        pytest.param(
            [Entry(blocked_by=[f"x{number}" for number in range(7)])],
            [f"tickets[0]: {UNKNOWN} 'x0', 'x1', 'x2', 'x3', 'x4' and 2 more"],
            id="many unknown names",
        ),
        pytest.param(
            [Entry(parent="ticket-9", blocked_by=["ticket-9"])],
            ["tickets[0]: names of another workflow: 'ticket-9'"],
            id="a foreign ticket",
        ),
        pytest.param(
            [Entry(ref="a", blocked_by=["a"], parent="a")],
            [
                "tickets[0] 'a': it cannot be its own blocker",
                "tickets[0] 'a': it cannot be its own parent",
            ],
            id="itself",
        ),
        pytest.param(
            [
                Entry(ref="a", blocked_by=["c"]),
                Entry(ref="b", blocked_by=["a"]),
                Entry(ref="c", blocked_by=["b", "ticket-7"]),
                Entry(ref="d", blocked_by=["a"]),
            ],
            [
                (
                    "tickets[1] 'b': blockers close a cycle: a → c → b → a, "
                    "where each waits for the next"
                )
            ],
            id="a cycle of blockers",
        ),
        pytest.param(
            [Entry(ref="a", parent="b"), Entry(ref="b", parent="a"), Entry(parent="a")],
            [
                (
                    "tickets[1] 'b': parents close a cycle: a → b → a, "
                    "where each is a sub-ticket of the next"
                )
            ],
            id="a cycle of parents",
        ),
        pytest.param(
            [Entry(ref="a", parent="b"), Entry(ref="b", blocked_by=["a"])],
            [],
            id="a parent and a blocker close no cycle together",
        ),
        pytest.param(
            [Entry(ticket_type="story", initial_status="open")],
            [
                "tickets[0]: 'story' is not a ticket type of this board. Use one of: bug, task",
                (
                    "tickets[0]: 'open' is not a status of this board. "
                    "Use one of: backlog, ready, in_progress, review, done, cancelled"
                ),
            ],
            id="words the board does not have",
        ),
        pytest.param(
            [Entry(initial_status="review", blocked_by=["b"]), Entry(ref="b")],
            [
                (
                    "tickets[0]: A new ticket cannot start in 'review': it has open blockers. "
                    "Start it in one of: backlog, ready"
                )
            ],
            id="blocked and under way",
        ),
        pytest.param(
            [Entry(initial_status="done")],
            [
                (
                    "tickets[0]: A new ticket cannot start in 'done': that column is for finished "
                    "work. Start it in one of: backlog, ready, in_progress, review"
                )
            ],
            id="done before it began",
        ),
        pytest.param(
            [Entry(tags=[f"t{number}" for number in range(31)])],
            ["tickets[0]: tags would hold 31 entries; 30 are the most"],
            id="too many tags",
        ),
        pytest.param(
            [
                Entry(blocked_by=[f"r{number}" for number in range(201)]),
                *(Entry(ref=f"r{number}") for number in range(201)),
            ],
            ["tickets[0]: blocked_by would hold 201 entries; 200 are the most"],
            id="too many blockers",
        ),
        pytest.param(
            [Entry(initial_status="in_progress"), Entry(), Entry(initial_status="in_progress")],
            [f"tickets[2]: {FULL}"],
            id="the sum is more than a column takes",
        ),
    ],
)
def test_each_fault_is_told_with_the_ticket_it_is_about(
    entries: list[Entry], faults: list[str]
) -> None:
    assert faults_of(*entries) == faults


def test_a_column_fuller_than_its_limit_has_no_room_for_the_first() -> None:
    ground = replace(GROUND, standing={"in_progress": 5})
    with pytest.raises(InvalidPlan) as refused:
        laid_out([Entry(), Entry(initial_status="in_progress")], ground)
    assert refused.value.faults[0].startswith("tickets[1]: the column 'in_progress' takes 2")


def test_every_fault_is_told_in_the_order_of_the_tickets() -> None:
    assert faults_of(
        Entry(parent="x", ticket_type="story"), Entry(ref="1"), Entry(blocked_by=["y"])
    ) == [
        f"tickets[0]: {UNKNOWN} 'x'",
        "tickets[0]: 'story' is not a ticket type of this board. Use one of: bug, task",
        f"tickets[1] '1': {A_REF_LIKE_AN_ID}",
        f"tickets[2]: {UNKNOWN} 'y'",
    ]


def test_however_many_faults_there_are_their_sentence_stays_short() -> None:
    with pytest.raises(InvalidPlan) as refused:
        laid_out([Entry(parent="🔥" * 200, ticket_type="🔥" * 200)] * 200, GROUND)
    assert len(refused.value.faults) == 400
    assert f"and {400 - FAULTS_TOLD} more. Nothing was created." in str(refused.value)
    assert len(str(refused.value).encode()) < 60_000


def test_however_many_tickets_are_refused_their_sentence_stays_short() -> None:
    refusal = AlreadyResolved("ticket-12", "🔥" * 1_000)
    told = str(PlanRefused([("🔥" * 200, refusal)] * 200, 200))
    assert f"and {200 - FAULTS_TOLD} more. Nothing was changed." in told
    assert len(told.encode()) < 60_000


# Each of the 25 edges among five tickets is there or not.
graphs = st.integers(min_value=0, max_value=2**25 - 1).map(
    lambda bits: {
        node: [target for target in range(5) if bits >> (5 * node + target) & 1]
        for node in range(5)
    }
)


def has_cycle(edges: set[tuple[int, int]]) -> bool:
    """Whether some ticket is reached from itself, by going on until nothing new is reached."""
    reached = set(edges)
    while further := {(a, d) for a, b in reached for c, d in edges if b == c} - reached:
        reached |= further
    return any(a == b for a, b in reached)


@given(graph=graphs)
def test_the_cycles_found_are_those_that_brute_force_finds(graph: dict[int, list[int]]) -> None:
    edges = {(node, target) for node, targets in graph.items() for target in targets}
    found = cycles(graph)
    assert bool(found) is has_cycle(edges)
    for path in found:
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert set(pairwise(path)) <= edges
    assert not has_cycle(edges - {(path[-2], path[-1]) for path in found})


@given(graph=graphs, order=st.permutations(range(5)))
def test_no_ticket_comes_before_its_blocker(graph: dict[int, list[int]], order: list[int]) -> None:
    edges = [(node, target) for node, targets in graph.items() for target in targets]
    edges = [edge for edge in edges if edge[0] < edge[1]]  # so that there is no cycle
    ordered = blockers_first(order, edges)
    assert sorted(ordered) == sorted(order)
    assert all(ordered.index(blocker) < ordered.index(blocked) for blocked, blocker in edges)
