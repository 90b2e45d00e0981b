from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.domain.ranking import KeywordScore, Ranking, fused, relative

RANKINGS: list[Ranking] = ["zscore", "rrf"]
both = pytest.mark.parametrize("ranking", RANKINGS)
legs = st.dictionaries(st.integers(1, 30), st.floats(-1, 1000), max_size=20)


def words(scores: dict[int, float]) -> dict[int, KeywordScore]:
    return {ticket: KeywordScore(score, 0.0) for ticket, score in scores.items()}


@both
def test_nothing_found_is_nothing_ranked(ranking: Ranking) -> None:
    assert fused({}, {}, ranking) == {}


@both
@given(semantic=legs, keyword=legs)
def test_each_ticket_of_either_leg_is_ranked_once_between_0_and_1(
    semantic: dict[int, float], keyword: dict[int, float], ranking: Ranking
) -> None:
    scores = fused(semantic, words(keyword), ranking)
    assert scores.keys() == semantic.keys() | keyword.keys()
    assert all(0 <= score <= 1 for score in scores.values())
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


@both
def test_who_is_best_in_both_legs_is_first(ranking: Ranking) -> None:
    scores = fused({1: 0.2, 2: 0.9, 3: 0.4}, words({3: 1.0, 2: 7.0}), ranking)
    assert next(iter(scores)) == 2


@both
def test_a_leg_that_found_nothing_has_no_say(ranking: Ranking) -> None:
    assert list(fused({1: 0.2, 2: 0.9, 3: 0.4}, {}, ranking)) == [2, 3, 1]
    assert list(fused({}, words({3: 1.0, 2: 7.0}), ranking)) == [2, 3]


@both
def test_of_equal_tickets_the_newer_comes_first(ranking: Ranking) -> None:
    assert list(fused({7: 0.5, 9: 0.5}, {}, "zscore")) == [9, 7]


def test_first_in_every_leg_scores_1_by_reciprocal_ranks() -> None:
    assert fused({4: 0.5}, words({4: 3.0}), "rrf") == {4: pytest.approx(1.0)}


def test_reciprocal_ranks_weigh_meaning_7_to_3_with_k_60() -> None:
    scores = fused({1: 0.9, 2: 0.8}, words({2: 5.0}), "rrf")
    assert scores[2] == pytest.approx((0.7 / 62 + 0.3 / 61) * 61)
    assert scores[1] == pytest.approx(0.7)


def test_a_far_outlier_among_many_is_near_1_and_the_average_near_0() -> None:
    semantic = dict.fromkeys(range(1, 150), 0.1) | {200: 0.9}
    scores = fused(semantic, {}, "zscore")
    assert scores[200] > 0.99
    assert scores[1] < 0.01


def test_how_much_of_the_title_a_ticket_has_decides_between_equals() -> None:
    keyword = {1: KeywordScore(5.0, 1.0), 2: KeywordScore(5.0, 4.0), 3: KeywordScore(1.0, 1.0)}
    assert list(fused({}, keyword, "zscore")) == [2, 1, 3]


def test_a_single_leg_is_told_relative_to_its_best() -> None:
    assert relative({1: 2.0, 2: 8.0}) == {2: 1.0, 1: 0.25}
    assert relative({}) == {}
