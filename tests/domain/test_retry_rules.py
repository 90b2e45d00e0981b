from __future__ import annotations

import pytest

from hephaestus_tickets.domain.retry import ATTEMPTS, is_retryable, pause_before


@pytest.mark.parametrize(
    ("sqlstate", "again"),
    [
        pytest.param("40001", True, id="serialization-failure"),
        pytest.param("40P01", True, id="deadlock"),
        pytest.param("23505", False, id="unique-violation"),
        pytest.param("57014", False, id="cancelled-statement"),
        pytest.param("08006", False, id="lost-connection"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="not-from-the-database"),
    ],
)
def test_only_deadlocks_and_serialization_failures_are_tried_again(
    sqlstate: str | None, again: bool
) -> None:
    assert is_retryable(sqlstate) is again


def test_a_unit_of_work_is_retried_three_times() -> None:
    assert ATTEMPTS == 1 + 3


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [
        pytest.param(2, 0.02, id="second"),
        pytest.param(3, 0.04, id="third"),
        pytest.param(4, 0.08, id="fourth"),
    ],
)
def test_each_pause_is_twice_the_one_before(attempt: int, seconds: float) -> None:
    assert pause_before(attempt) == pytest.approx(seconds)
