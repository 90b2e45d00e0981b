"""A workflow's board: columns are the statuses, nothing about them is hard-coded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.domain.mentions import pattern_faults
from hephaestus_tickets.domain.text import comma_list
from hephaestus_tickets.domain.vocabulary import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    id: str
    name: str
    category: Category
    color: str | None = None
    wip_limit: int | None = None

    @property
    def is_terminal(self) -> bool:
        return self.category is Category.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings:
    require_comment_on_status_change: bool = False
    allow_reopen: bool = True
    transitions: Mapping[str, tuple[str, ...]] | None = None
    repository: str = ""  # where its commits are; empty: the operator's default one
    branch: str = ""  # on which work counts as done; empty: the one that is checked out
    commit_patterns: tuple[str, ...] = ()
    require_commit_on_done: bool | tuple[str, ...] = False  # in every `done` column, or in these


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    columns: tuple[Column, ...]
    ticket_types: tuple[str, ...]
    default_ticket_type: str
    initial_status: str
    settings: BoardSettings = field(default_factory=BoardSettings)

    @property
    def statuses(self) -> list[str]:
        return [column.id for column in self.columns]

    def has(self, status: str) -> bool:
        return status in self.statuses

    def column(self, status: str) -> Column:
        """Raises UnknownStatus, which names the valid ones."""
        for column in self.columns:
            if column.id == status:
                return column
        raise UnknownStatus(status, self.statuses)

    def first(self, category: Category) -> Column:
        return next(column for column in self.columns if column.category is category)

    def requires_commit(self, status: str) -> bool:
        """Whether only work with a commit enters this column."""
        required = self.settings.require_commit_on_done
        if isinstance(required, tuple):
            return status in required
        return required and self.column(status).is_terminal

    def statuses_in(self, category: Category) -> list[str]:
        return [column.id for column in self.columns if column.category is category]

    def ticket_type(self, name: str) -> str:
        """The type itself, or the board's default for none. Raises UnknownTicketType."""
        chosen = name or self.default_ticket_type
        if chosen not in self.ticket_types:
            raise UnknownTicketType(chosen, self.ticket_types)
        return chosen


class UnknownStatus(Invalid):
    def __init__(self, status: str, valid: Iterable[str]) -> None:
        self.status_named = status
        self.valid = tuple(valid)
        super().__init__(
            f"'{status}' is not a status of this board. Use one of: {comma_list(self.valid)}."
        )


class UnknownTicketType(Invalid):
    def __init__(self, ticket_type: str, valid: Iterable[str]) -> None:
        self.ticket_type = ticket_type
        self.valid = tuple(valid)
        super().__init__(
            f"'{ticket_type}' is not a ticket type of this board. "
            f"Use one of: {comma_list(self.valid)}."
        )


class InvalidBoard(Invalid):
    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        told = comma_list(self.faults, 20, "; ")
        super().__init__(f"The board is not valid: {told}. Nothing was changed.")


class ColumnInUse(Conflict):
    """Tickets stand in a column that the new board would drop or give another category."""

    def __init__(self, standing: Mapping[str, Iterable[str]], counts: Mapping[str, int]) -> None:
        self.standing = {column: tuple(tickets) for column, tickets in standing.items()}
        places = "; ".join(
            f"'{column}' holds {counts[column]} ({comma_list(tickets, 10)}"
            f"{', …' if counts[column] > len(tickets) else ''})"
            for column, tickets in self.standing.items()
        )
        super().__init__(
            "Tickets stand in columns that would vanish or change their category: "
            f"{places}. Move them with change_status first, or keep those columns as they are."
        )


def check_board(board: Board) -> None:
    """Raises InvalidBoard with every fault at once."""
    faults = [
        *_column_faults(board),
        *_type_faults(board),
        *_initial_faults(board),
        *_transition_faults(board),
        *_commit_faults(board),
    ]
    if faults:
        raise InvalidBoard(faults)


def _column_faults(board: Board) -> Iterable[str]:
    for column, count in Counter(board.statuses).items():
        if count > 1:
            yield f"the column '{column}' appears {count} times"
    for category in (Category.TODO, Category.DONE):
        if not board.statuses_in(category):
            yield f"at least one column must have the category '{category}'"


def _type_faults(board: Board) -> Iterable[str]:
    for name, count in Counter(board.ticket_types).items():
        if count > 1:
            yield f"the ticket type '{name}' appears {count} times"
    if board.default_ticket_type not in board.ticket_types:
        yield f"default_ticket_type '{board.default_ticket_type}' is not one of ticket_types"


def _initial_faults(board: Board) -> Iterable[str]:
    if not board.has(board.initial_status):
        yield f"initial_status '{board.initial_status}' is not one of the columns"
    elif board.column(board.initial_status).category is not Category.TODO:
        yield f"initial_status '{board.initial_status}' must be a 'todo' column"


def _transition_faults(board: Board) -> Iterable[str]:
    for source, targets in (board.settings.transitions or {}).items():
        for status in (source, *targets):
            if not board.has(status):
                yield f"settings.transitions names '{status}', which is not one of the columns"


def _commit_faults(board: Board) -> Iterable[str]:
    yield from pattern_faults(board.settings.commit_patterns)
    required = board.settings.require_commit_on_done
    for status in required if isinstance(required, tuple) else ():
        if status not in board.statuses_in(Category.DONE):
            yield f"settings.require_commit_on_done names '{status}', which is no 'done' column"


def columns_to_vacate(old: Board, new: Board) -> list[str]:
    """Columns of `old` that `new` drops or gives another category: no ticket may stand there."""
    return [
        column.id
        for column in old.columns
        if not new.has(column.id) or new.column(column.id).category is not column.category
    ]
