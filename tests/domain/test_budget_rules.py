from __future__ import annotations

import pytest

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES, how_many_fit, shrunk


def test_a_reply_has_sixty_thousand_bytes_with_room_for_its_envelope() -> None:
    assert (REPLY_BYTES, ENVELOPE_BYTES) == (60_000, 2_000)


@pytest.mark.parametrize(
    ("sizes", "budget", "count"),
    [
        pytest.param([], 10, 0, id="nothing-to-fit"),
        pytest.param([4, 4], 10, 2, id="all-with-a-comma-each"),
        pytest.param([4, 5], 10, 1, id="a-comma-too-many"),
        pytest.param([2, 2, 2, 2], 9, 3, id="from-the-first-on"),
        pytest.param([4, 9, 1], 10, 1, id="what-follows-a-large-one-waits-with-it"),
        pytest.param([99, 1], 10, 1, id="the-first-is-kept-however-large"),
        pytest.param([99], 10, 1, id="the-only-one-too"),
    ],
)
def test_items_fit_by_their_bytes(sizes: list[int], budget: int, count: int) -> None:
    assert how_many_fit(sizes, budget) == count


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        pytest.param(30, {"blocks": 2, "comments": 1, "history": 3}, id="everything-fits"),
        pytest.param(29, {"blocks": 2, "comments": 1, "history": 2}, id="the-last-list-is-cut"),
        pytest.param(27, {"blocks": 2, "comments": 1, "history": 2}, id="no-more-than-needed"),
        pytest.param(26, {"blocks": 2, "comments": 1, "history": 1}, id="further"),
        pytest.param(15, {"blocks": 2, "comments": 1, "history": 0}, id="emptied"),
        pytest.param(14, {"blocks": 2, "comments": 0, "history": 0}, id="then-the-one-before"),
        pytest.param(9, {"blocks": 1, "comments": 0, "history": 0}, id="then-the-first"),
        pytest.param(0, {"blocks": 0, "comments": 0, "history": 0}, id="nothing-fits"),
    ],
)
def test_lists_are_cut_from_the_end_of_the_last(budget: int, kept: dict[str, int]) -> None:
    sizes = {"blocks": [4, 4], "comments": [4], "history": [8, 2, 2]}
    assert shrunk(sizes, budget) == kept
