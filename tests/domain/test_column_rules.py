from __future__ import annotations

import pytest

from hephaestus_tickets.domain.board import BoardSettings, Column, UnknownStatus
from hephaestus_tickets.domain.lifecycle import (
    CommentRequired,
    StartsElsewhere,
    WipLimitReached,
    check_comment,
    check_wip_limit,
    plan_start,
)
from tests.domain.boards import DONE, IN_PROGRESS, REVIEW, board


@pytest.mark.parametrize(
    ("asked", "is_blocked", "column"),
    [
        pytest.param("", False, "backlog", id="the-initial-column-for-none"),
        pytest.param("ready", False, "ready", id="another-todo-column"),
        pytest.param("review", False, "review", id="under-way"),
        pytest.param("", True, "backlog", id="blocked-in-the-initial-column"),
        pytest.param("ready", True, "ready", id="blocked-in-another-todo-column"),
    ],
)
def test_a_new_ticket_starts(asked: str, is_blocked: bool, column: str) -> None:
    assert plan_start(board(), asked, is_blocked=is_blocked).id == column


@pytest.mark.parametrize(
    ("asked", "is_blocked", "sentence"),
    [
        pytest.param(
            "done",
            False,
            "A new ticket cannot start in 'done': that column is for finished work. "
            "Start it in one of: backlog, ready, in_progress, review.",
            id="finished",
        ),
        pytest.param(
            "cancelled",
            True,
            "A new ticket cannot start in 'cancelled': that column is for finished work. "
            "Start it in one of: backlog, ready.",
            id="finished-and-blocked",
        ),
        pytest.param(
            "in_progress",
            True,
            "A new ticket cannot start in 'in_progress': it has open blockers. "
            "Start it in one of: backlog, ready.",
            id="blocked",
        ),
    ],
)
def test_a_new_ticket_cannot_start(asked: str, is_blocked: bool, sentence: str) -> None:
    with pytest.raises(StartsElsewhere) as refusal:
        plan_start(board(), asked, is_blocked=is_blocked)
    assert refusal.value.status_named == asked
    assert str(refusal.value) == sentence


def test_a_new_ticket_cannot_start_in_an_unknown_status() -> None:
    with pytest.raises(UnknownStatus):
        plan_start(board(), "doing", is_blocked=False)


@pytest.mark.parametrize(
    ("column", "standing"),
    [
        pytest.param(IN_PROGRESS, 0, id="empty"),
        pytest.param(IN_PROGRESS, 1, id="one-place-left"),
        pytest.param(REVIEW, 1000, id="no-limit"),
        pytest.param(DONE, 1000, id="no-limit-at-the-end"),
    ],
)
def test_a_column_with_room_takes_one_more(column: Column, standing: int) -> None:
    check_wip_limit(column, standing)


@pytest.mark.parametrize(
    "standing", [pytest.param(2, id="full"), pytest.param(3, id="over-full-since-the-limit-fell")]
)
def test_a_full_column_takes_no_more(standing: int) -> None:
    with pytest.raises(WipLimitReached) as refusal:
        check_wip_limit(IN_PROGRESS, standing)
    assert refusal.value.column == "in_progress"
    assert str(refusal.value) == (
        f"The column 'in_progress' is full: {standing} tickets stand in it and its limit is 2. "
        "Move one out first, or choose another column."
    )


COMMENTED = board(settings=BoardSettings(require_comment_on_status_change=True))


@pytest.mark.parametrize("comment", [pytest.param("", id="empty"), pytest.param(" \n", id="blank")])
def test_a_board_may_want_a_comment_with_every_change_of_status(comment: str) -> None:
    with pytest.raises(CommentRequired) as refusal:
        check_comment(COMMENTED, comment, changes_status=True)
    assert str(refusal.value) == (
        "This board wants a comment with every change of status: say why in 'comment'."
    )


def test_a_comment_is_wanted_only_for_a_change_and_only_where_the_board_says_so() -> None:
    check_comment(COMMENTED, "reviewed", changes_status=True)
    check_comment(COMMENTED, "", changes_status=False)
    check_comment(board(), "", changes_status=True)
