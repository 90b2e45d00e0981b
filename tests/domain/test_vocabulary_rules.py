from __future__ import annotations

from enum import StrEnum

import pytest

from hephaestus_tickets.domain.vocabulary import (
    EXTERNAL_PREFIX,
    Category,
    ChangeType,
    CommentType,
    LinkKind,
    LinkMethod,
    Priority,
    WorkflowStatus,
)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        pytest.param(Priority, "critical high medium low", id="priorities"),
        pytest.param(Category, "todo doing done", id="categories"),
        pytest.param(
            CommentType,
            "general status_change assignment blocker resolution clarification",
            id="comment-types",
        ),
        pytest.param(LinkKind, "relates_to duplicates discovered_from supersedes", id="link-kinds"),
        pytest.param(WorkflowStatus, "active paused completed archived", id="workflow-statuses"),
        pytest.param(
            ChangeType,
            "created field_changed status_changed assigned resolved reopened "
            "blocked unblocked commit_linked board_changed "
            "claimed claim_resumed claim_released claim_expired",
            id="change-types",
        ),
        pytest.param(LinkMethod, "manual auto_detected imported", id="link-methods"),
    ],
)
def test_a_closed_set_holds_exactly_these_words(words: type[StrEnum], values: str) -> None:
    assert [word.value for word in words] == values.split()


@pytest.mark.parametrize(
    ("priority", "rank"),
    [
        pytest.param(Priority.CRITICAL, 3, id="critical"),
        pytest.param(Priority.HIGH, 2, id="high"),
        pytest.param(Priority.MEDIUM, 1, id="medium"),
        pytest.param(Priority.LOW, 0, id="low"),
    ],
)
def test_priorities_are_stored_as_ranks_that_sort(priority: Priority, rank: int) -> None:
    assert priority.rank == rank
    assert Priority.from_rank(rank) is priority


def test_no_change_type_of_ours_looks_external() -> None:
    assert EXTERNAL_PREFIX == "external."
    assert not [change for change in ChangeType if change.startswith(EXTERNAL_PREFIX)]
