"""The board that the rules are tried on: two columns to start in, two to work in, two to end in."""

from __future__ import annotations

from hephaestus_tickets.domain.board import Board, BoardSettings, Column
from hephaestus_tickets.domain.vocabulary import Category

BACKLOG = Column(id="backlog", name="Backlog", category=Category.TODO)
READY = Column(id="ready", name="Ready", category=Category.TODO)
IN_PROGRESS = Column(id="in_progress", name="In progress", category=Category.DOING, wip_limit=2)
REVIEW = Column(id="review", name="Review", category=Category.DOING)
DONE = Column(id="done", name="Done", category=Category.DONE)
CANCELLED = Column(id="cancelled", name="Cancelled", category=Category.DONE)

COLUMNS = (BACKLOG, READY, IN_PROGRESS, REVIEW, DONE, CANCELLED)


def board(
    *,
    columns: tuple[Column, ...] = COLUMNS,
    ticket_types: tuple[str, ...] = ("bug", "task"),
    default_ticket_type: str = "task",
    initial_status: str = "backlog",
    settings: BoardSettings | None = None,
) -> Board:
    return Board(
        columns=columns,
        ticket_types=ticket_types,
        default_ticket_type=default_ticket_type,
        initial_status=initial_status,
        settings=settings or BoardSettings(),
    )
