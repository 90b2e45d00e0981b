"""Records fitted to a board: its columns where they stand, its types extended by what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.domain.vocabulary import Category
from hephaestus_tickets.exchange.beads_words import BACKLOG, CANCELLED, DONE, IN_PROGRESS, REVIEW
from hephaestus_tickets.exchange.records import ChangeRecord, TicketRecord
from hephaestus_tickets.exchange.report import Note

TYPES_AT_MOST = 50


def wanted_types(board: Board, records: Iterable[TicketRecord]) -> list[str]:
    """The board's types and those the records bring, the commonest first, as far as there is room.

    A ticket's type is part of what it says; a board only lists the types it knows.
    """
    counts = Counter(record.ticket_type for record in records)
    new = [name for name, _ in counts.most_common() if name not in board.ticket_types]
    return [*board.ticket_types, *new][: max(TYPES_AT_MOST, len(board.ticket_types))]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How the words of the default board read on another one."""

    columns: Mapping[str, str]
    types: frozenset[str]
    default_type: str

    @classmethod
    def to(cls, board: Board) -> Fitting:
        todo = board.initial_status
        doing = board.statuses_in(Category.DOING)
        done = board.statuses_in(Category.DONE)
        columns = {
            BACKLOG: _own(board, BACKLOG, Category.TODO) or todo,
            IN_PROGRESS: _own(board, IN_PROGRESS, Category.DOING) or next(iter(doing), todo),
            REVIEW: _own(board, REVIEW, Category.DOING) or next(reversed(doing), todo),
            DONE: _own(board, DONE, Category.DONE) or done[0],
            CANCELLED: _own(board, CANCELLED, Category.DONE) or done[-1],
        }
        return cls(columns, frozenset(board.ticket_types), board.default_ticket_type)

    def fit(self, record: TicketRecord) -> tuple[TicketRecord, list[Note]]:
        """The record as it can stand on the board, and what had to give."""
        notes: list[Note] = []
        changes: dict[str, object] = {}
        if record.ticket_type not in self.types:
            unknown = one_line(record.ticket_type, 40)
            reason = f"type '{unknown}', for which the board has no room → {self.default_type}"
            notes.append(Note("repaired", reason, record.key))
            changes["ticket_type"] = self.default_type
        column = self.columns[record.status]
        if any(self.columns[name] != name for name in self.columns):
            changes |= {"status": column, "history": self._retold(record)}
        if column != record.status:
            reason = f"column '{record.status}' → '{column}' of this board"
            notes.append(Note("mapped", reason, record.key))
        return (record.model_copy(update=changes) if changes else record), notes

    def _retold(self, record: TicketRecord) -> list[ChangeRecord]:
        return [
            change
            if change.field_name != "status"
            else change.model_copy(
                update={
                    "old_value": self.columns[str(change.old_value)],
                    "new_value": self.columns[str(change.new_value)],
                }
            )
            for change in record.history
        ]


def _own(board: Board, status: str, category: Category) -> str | None:
    return status if status in board.statuses_in(category) else None
