from __future__ import annotations

from dataclasses import replace

import pytest

from hephaestus_tickets.domain.board import (
    Board,
    BoardSettings,
    Column,
    ColumnInUse,
    InvalidBoard,
    UnknownStatus,
    UnknownTicketType,
    check_board,
    columns_to_vacate,
)
from hephaestus_tickets.domain.vocabulary import Category
from tests.domain.boards import BACKLOG, CANCELLED, COLUMNS, DONE, IN_PROGRESS, READY, REVIEW, board


@pytest.mark.parametrize(
    ("column", "is_terminal"),
    [
        pytest.param(BACKLOG, False, id="todo"),
        pytest.param(REVIEW, False, id="doing"),
        pytest.param(DONE, True, id="done"),
        pytest.param(CANCELLED, True, id="another-done"),
    ],
)
def test_only_a_done_column_is_terminal(column: Column, is_terminal: bool) -> None:
    assert column.is_terminal is is_terminal


def test_a_board_reopens_and_asks_for_nothing_unless_told() -> None:
    assert BoardSettings() == BoardSettings(
        require_comment_on_status_change=False, allow_reopen=True, transitions=None
    )


def test_a_column_has_no_colour_and_no_limit_unless_told() -> None:
    assert (BACKLOG.color, BACKLOG.wip_limit) == (None, None)


def test_a_board_without_settings_has_the_default_ones() -> None:
    bare = Board(
        columns=COLUMNS, ticket_types=("bug",), default_ticket_type="bug", initial_status="backlog"
    )
    assert bare.settings == BoardSettings()


def test_statuses_are_the_column_ids_in_board_order() -> None:
    assert board().statuses == ["backlog", "ready", "in_progress", "review", "done", "cancelled"]


@pytest.mark.parametrize(
    ("status", "known"),
    [
        pytest.param("review", True, id="a-column"),
        pytest.param("Review", False, id="a-name-is-not-an-id"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_board_has_the_statuses_of_its_columns(status: str, known: bool) -> None:
    assert board().has(status) is known


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.id)
def test_a_status_leads_to_its_column(column: Column) -> None:
    assert board().column(column.id) is column


def test_an_unknown_status_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UnknownStatus) as refusal:
        board().column("doing")
    assert refusal.value.status_named == "doing"
    assert refusal.value.valid == (
        "backlog", "ready", "in_progress", "review", "done", "cancelled"
    )  # fmt: skip
    assert str(refusal.value) == (
        "'doing' is not a status of this board. "
        "Use one of: backlog, ready, in_progress, review, done, cancelled."
    )


@pytest.mark.parametrize(
    ("category", "first", "statuses"),
    [
        pytest.param(Category.TODO, "backlog", ["backlog", "ready"], id="todo"),
        pytest.param(Category.DOING, "in_progress", ["in_progress", "review"], id="doing"),
        pytest.param(Category.DONE, "done", ["done", "cancelled"], id="done"),
    ],
)
def test_columns_of_a_category_come_in_board_order(
    category: Category, first: str, statuses: list[str]
) -> None:
    assert board().first(category).id == first
    assert board().statuses_in(category) == statuses


def test_a_category_may_be_empty() -> None:
    assert board(columns=(BACKLOG, DONE)).statuses_in(Category.DOING) == []


@pytest.mark.parametrize(
    ("asked", "answer"),
    [pytest.param("bug", "bug", id="named"), pytest.param("", "task", id="the-default-for-none")],
)
def test_a_ticket_type_of_the_board_is_taken(asked: str, answer: str) -> None:
    assert board().ticket_type(asked) == answer


def test_an_unknown_ticket_type_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UnknownTicketType) as refusal:
        board().ticket_type("epic")
    assert refusal.value.ticket_type == "epic"
    assert refusal.value.valid == ("bug", "task")
    assert str(refusal.value) == (
        "'epic' is not a ticket type of this board. Use one of: bug, task."
    )


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(board(), id="six-columns"),
        pytest.param(board(columns=(BACKLOG, DONE)), id="no-doing-column-is-needed"),
        pytest.param(board(initial_status="ready"), id="any-todo-column-may-be-initial"),
        pytest.param(
            board(settings=BoardSettings(transitions={"backlog": ("done",), "done": ()})),
            id="transitions-between-columns",
        ),
    ],
)
def test_a_sound_board_passes(sound: Board) -> None:
    check_board(sound)


@pytest.mark.parametrize(
    ("faulty", "faults"),
    [
        pytest.param(
            board(columns=(*COLUMNS, READY, DONE, DONE)),
            ("the column 'ready' appears 2 times", "the column 'done' appears 3 times"),
            id="a-column-twice",
        ),
        pytest.param(
            board(columns=(BACKLOG, REVIEW)),
            ("at least one column must have the category 'done'",),
            id="nowhere-to-end",
        ),
        pytest.param(
            board(columns=(replace(BACKLOG, category=Category.DOING), DONE)),
            (
                "at least one column must have the category 'todo'",
                "initial_status 'backlog' must be a 'todo' column",
            ),
            id="nowhere-to-start",
        ),
        pytest.param(
            board(ticket_types=("bug", "task", "bug")),
            ("the ticket type 'bug' appears 2 times",),
            id="a-type-twice",
        ),
        pytest.param(
            board(default_ticket_type="epic"),
            ("default_ticket_type 'epic' is not one of ticket_types",),
            id="an-unknown-default-type",
        ),
        pytest.param(
            board(initial_status="new"),
            ("initial_status 'new' is not one of the columns",),
            id="an-unknown-initial-status",
        ),
        pytest.param(
            board(initial_status="review"),
            ("initial_status 'review' must be a 'todo' column",),
            id="starting-under-way",
        ),
        pytest.param(
            board(settings=BoardSettings(transitions={"new": ("done",)})),
            ("settings.transitions names 'new', which is not one of the columns",),
            id="a-transition-from-nowhere",
        ),
        pytest.param(
            board(settings=BoardSettings(transitions={"backlog": ("done", "gone")})),
            ("settings.transitions names 'gone', which is not one of the columns",),
            id="a-transition-to-nowhere",
        ),
    ],
)
def test_each_fault_of_a_board_is_named(faulty: Board, faults: tuple[str, ...]) -> None:
    with pytest.raises(InvalidBoard) as refusal:
        check_board(faulty)
    assert refusal.value.faults == faults


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidBoard) as refusal:
        check_board(
            board(
                columns=(BACKLOG,),
                default_ticket_type="epic",
                initial_status="new",
                settings=BoardSettings(transitions={"backlog": ("gone",)}),
            )
        )
    assert str(refusal.value) == (
        "The board is not valid: at least one column must have the category 'done'; "
        "default_ticket_type 'epic' is not one of ticket_types; "
        "initial_status 'new' is not one of the columns; "
        "settings.transitions names 'gone', which is not one of the columns. Nothing was changed."
    )


@pytest.mark.parametrize(
    ("new", "to_vacate"),
    [
        pytest.param(board(), [], id="nothing-changes"),
        pytest.param(board(columns=(*COLUMNS[1:], BACKLOG)), [], id="another-order"),
        pytest.param(
            board(columns=(replace(BACKLOG, name="New", wip_limit=3), *COLUMNS[1:])),
            [],
            id="another-name-and-limit",
        ),
        pytest.param(board(columns=(BACKLOG, READY, DONE)), ["in_progress", "review", "cancelled"],
                     id="dropped"),
        pytest.param(
            board(columns=(*COLUMNS[:3], replace(REVIEW, category=Category.DONE), *COLUMNS[4:])),
            ["review"],
            id="another-category",
        ),
    ],
)  # fmt: skip
def test_columns_that_vanish_or_change_category_must_be_empty(
    new: Board, to_vacate: list[str]
) -> None:
    assert columns_to_vacate(board(), new) == to_vacate


def test_a_column_in_use_names_its_tickets_and_how_many_more_there_are() -> None:
    refusal = ColumnInUse(
        {"review": ["ticket-1", "ticket-2"], IN_PROGRESS.id: ["ticket-3"]},
        {"review": 7, IN_PROGRESS.id: 1},
    )
    assert refusal.standing == {"review": ("ticket-1", "ticket-2"), "in_progress": ("ticket-3",)}
    assert str(refusal) == (
        "Tickets stand in columns that would vanish or change their category: "
        "'review' holds 7 (ticket-1, ticket-2, …); 'in_progress' holds 1 (ticket-3). "
        "Move them with change_status first, or keep those columns as they are."
    )
