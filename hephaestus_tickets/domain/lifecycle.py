"""Where a ticket may stand and what moving it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hephaestus_tickets.domain.board import Board, Column
from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.domain.text import comma_list, one_line
from hephaestus_tickets.domain.vocabulary import Category

BLOCKERS_NAMED = 10
TITLE_IN_A_SENTENCE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFacts:
    """What the rules need to know of a ticket."""

    ticket_id: str
    title: str
    status: str
    is_resolved: bool = False
    started_at: datetime | None = None
    completed_at: datetime | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBlocker:
    ticket_id: str
    title: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A decided move: the ticket's new standing, and what else it brings about."""

    from_status: str
    to_status: str
    is_resolved: bool
    started_at: datetime | None
    completed_at: datetime | None
    resolved_at: datetime | None
    resolves: bool
    reopens: bool

    @property
    def changes_status(self) -> bool:
        return self.from_status != self.to_status


class TicketBlocked(Conflict):
    def __init__(self, ticket_id: str, blockers: Iterable[OpenBlocker]) -> None:
        self.ticket_id = ticket_id
        self.blockers = tuple(blockers)
        named = "; ".join(
            f"{blocker.ticket_id} '{one_line(blocker.title, TITLE_IN_A_SENTENCE)}'"
            f" ({blocker.status})"
            for blocker in self.blockers[:BLOCKERS_NAMED]
        )
        more = len(self.blockers) - BLOCKERS_NAMED
        super().__init__(
            f"{ticket_id} is blocked by {named}{f' and {more} more' if more > 0 else ''}. "
            "Resolve what blocks it first (resolve_ticket), or remove the blocker "
            "(update_ticket with remove_blocked_by_ticket_ids)."
        )


class AlreadyResolved(Conflict):
    def __init__(self, ticket_id: str, status: str) -> None:
        self.ticket_id = ticket_id
        super().__init__(
            f"{ticket_id} is already resolved (status '{status}'). "
            "Nothing to do; to work on it again, reopen it with change_status."
        )


class ReopenNotAllowed(Conflict):
    def __init__(self, ticket_id: str, status: str) -> None:
        self.ticket_id = ticket_id
        super().__init__(
            f"{ticket_id} is resolved (status '{status}') and this board does not reopen tickets. "
            "Create a new ticket and link it instead."
        )


class TransitionNotAllowed(Conflict):
    def __init__(self, ticket_id: str, source: str, target: str, allowed: Iterable[str]) -> None:
        self.ticket_id = ticket_id
        self.allowed = tuple(allowed)
        ways = comma_list(self.allowed) or "nowhere"
        super().__init__(
            f"{ticket_id} cannot move from '{source}' to '{target}' on this board. "
            f"From '{source}' it can move to: {ways}."
        )


class WipLimitReached(Conflict):
    def __init__(self, column: Column, standing: int) -> None:
        self.column = column.id
        super().__init__(
            f"The column '{column.id}' is full: {standing} tickets stand in it and its limit is "
            f"{column.wip_limit}. Move one out first, or choose another column."
        )


class CommentRequired(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "This board wants a comment with every change of status: say why in 'comment'."
        )


class StartsElsewhere(Conflict):
    """A new ticket is put in a column where a ticket cannot begin."""

    def __init__(self, status: str, reason: str, allowed: Iterable[str]) -> None:
        self.status_named = status
        super().__init__(
            f"A new ticket cannot start in '{status}': {reason}. "
            f"Start it in one of: {comma_list(allowed)}."
        )


def plan_move(
    ticket: TicketFacts,
    board: Board,
    open_blockers: Iterable[OpenBlocker],
    new_status: str,
    now: datetime,
) -> Move:
    """Decide a change of status; moving to the same status changes nothing and is never refused."""
    target = board.column(new_status)
    if new_status == ticket.status:
        return _stay(ticket)
    _check_transition(ticket, board, new_status)
    reopens = ticket.is_resolved and not target.is_terminal
    if reopens and not board.settings.allow_reopen:
        raise ReopenNotAllowed(ticket.ticket_id, ticket.status)
    blockers = tuple(open_blockers)
    if blockers and new_status != board.initial_status:
        raise TicketBlocked(ticket.ticket_id, blockers)
    return _arrive(ticket, target, now)


def plan_resolution(
    ticket: TicketFacts, board: Board, open_blockers: Iterable[OpenBlocker], now: datetime
) -> Move:
    """Decide a resolution: into the board's first `done` column."""
    if ticket.is_resolved:
        raise AlreadyResolved(ticket.ticket_id, ticket.status)
    blockers = tuple(open_blockers)
    if blockers:
        raise TicketBlocked(ticket.ticket_id, blockers)
    target = board.first(Category.DONE)
    _check_transition(ticket, board, target.id)
    return _arrive(ticket, target, now)


def _check_transition(ticket: TicketFacts, board: Board, new_status: str) -> None:
    transitions = board.settings.transitions
    if transitions is None or ticket.status not in transitions:
        return
    allowed = transitions[ticket.status]
    if new_status not in allowed:
        raise TransitionNotAllowed(ticket.ticket_id, ticket.status, new_status, allowed)


def _stay(ticket: TicketFacts) -> Move:
    return Move(
        from_status=ticket.status,
        to_status=ticket.status,
        is_resolved=ticket.is_resolved,
        started_at=ticket.started_at,
        completed_at=ticket.completed_at,
        resolved_at=ticket.resolved_at,
        resolves=False,
        reopens=False,
    )


def _arrive(ticket: TicketFacts, target: Column, now: datetime) -> Move:
    resolves = target.is_terminal and not ticket.is_resolved
    starts = target.category is Category.DOING and ticket.started_at is None
    over = target.is_terminal
    return Move(
        from_status=ticket.status,
        to_status=target.id,
        is_resolved=over,
        started_at=now if starts else ticket.started_at,
        completed_at=now if resolves else ticket.completed_at if over else None,
        resolved_at=now if resolves else ticket.resolved_at if over else None,
        resolves=resolves,
        reopens=ticket.is_resolved and not over,
    )


def plan_start(board: Board, initial_status: str, *, is_blocked: bool) -> Column:
    """The column a new ticket starts in; empty means the board's initial one."""
    column = board.column(initial_status or board.initial_status)
    todo = board.statuses_in(Category.TODO)
    if column.is_terminal:
        reason = "that column is for finished work"
        doing = [] if is_blocked else board.statuses_in(Category.DOING)
        raise StartsElsewhere(column.id, reason, [*todo, *doing])
    if is_blocked and column.category is not Category.TODO:
        raise StartsElsewhere(column.id, "it has open blockers", todo)
    return column


def check_wip_limit(column: Column, standing: int) -> None:
    """Refuse one more ticket in a column where `standing` tickets already fill its limit."""
    if column.wip_limit is not None and standing >= column.wip_limit:
        raise WipLimitReached(column, standing)


def check_comment(board: Board, comment: str, *, changes_status: bool) -> None:
    if board.settings.require_comment_on_status_change and changes_status and not comment.strip():
        raise CommentRequired
