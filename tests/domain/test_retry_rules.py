from __future__ import annotations

import pytest

from hephaestus_tickets.domain.retry import (
    ATTEMPTS,
    AWAY_SECONDS,
    Effect,
    Failure,
    Stage,
    Verdict,
    is_clash,
    pause_after,
    verdict_on,
)


@pytest.mark.parametrize(
    ("sqlstate", "clash"),
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
def test_only_deadlocks_and_serialization_failures_are_clashes(
    sqlstate: str | None, clash: bool
) -> None:
    assert is_clash(sqlstate) is clash


READS, WRITES, PRINTS = Effect.NOTHING, Effect.ROWS, Effect.OUTPUT
CONNECTING, WORKING, COMMITTING = Stage.CONNECTING, Stage.WORKING, Stage.COMMITTING
AGAIN, LATER, UNKNOWN, REFUSED = Verdict.AGAIN, Verdict.LATER, Verdict.UNKNOWN, Verdict.REFUSED


@pytest.mark.parametrize(
    ("stage", "reads", "writes", "prints"),
    [
        pytest.param(CONNECTING, LATER, LATER, LATER, id="never-had"),
        pytest.param(WORKING, LATER, LATER, REFUSED, id="before-the-commit"),
        pytest.param(COMMITTING, LATER, UNKNOWN, REFUSED, id="during-the-commit"),
    ],
)
def test_after_a_lost_connection_nothing_is_done_twice(
    stage: Stage, reads: Verdict, writes: Verdict, prints: Verdict
) -> None:
    failure = Failure(stage=stage, is_lost=True)
    verdicts = [verdict_on(failure, effect) for effect in (READS, WRITES, PRINTS)]
    assert verdicts == [reads, writes, prints]


@pytest.mark.parametrize("stage", [WORKING, COMMITTING])
def test_a_clash_is_tried_again_even_at_the_commit_unless_output_is_out(stage: Stage) -> None:
    failure = Failure(stage=stage, is_clash=True)
    verdicts = [verdict_on(failure, effect) for effect in (READS, WRITES, PRINTS)]
    assert verdicts == [AGAIN, AGAIN, REFUSED]


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("stage", Stage)
def test_any_other_failure_is_final(stage: Stage, effect: Effect) -> None:
    assert verdict_on(Failure(stage=stage), effect) is REFUSED


def test_a_unit_of_work_is_retried_three_times() -> None:
    assert ATTEMPTS == 1 + 3


@pytest.mark.parametrize(
    ("undone", "seconds"),
    [
        pytest.param(1, 0.02, id="second-attempt"),
        pytest.param(2, 0.04, id="third-attempt"),
        pytest.param(3, 0.08, id="fourth-attempt"),
        pytest.param(4, None, id="no-fifth"),
    ],
)
def test_each_pause_is_twice_the_one_before(undone: int, seconds: float | None) -> None:
    assert pause_after(AGAIN, undone=undone, away_seconds=0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("undone", "away_seconds", "seconds"),
    [
        pytest.param(0, 0, 0.05, id="just-gone"),
        pytest.param(0, AWAY_SECONDS - 0.1, 0.05, id="nearly-too-long"),
        pytest.param(0, AWAY_SECONDS, None, id="too-long"),
        pytest.param(1, 0, 0.1, id="cut-off-once"),
        pytest.param(3, 0, 0.4, id="cut-off-three-times"),
        pytest.param(4, 0, None, id="cut-off-too-often"),
    ],
)
def test_a_database_that_is_away_is_waited_for_with_a_bound(
    undone: int, away_seconds: float, seconds: float | None
) -> None:
    pause = pause_after(LATER, undone=undone, away_seconds=away_seconds)
    assert pause == pytest.approx(seconds)


@pytest.mark.parametrize("verdict", [UNKNOWN, REFUSED])
def test_what_may_have_been_done_or_cannot_pass_is_never_tried_again(verdict: Verdict) -> None:
    assert pause_after(verdict, undone=1, away_seconds=0) is None
