"""Whether a ticket can be started now, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hephaestus_tickets.domain.board import Board, Column
from hephaestus_tickets.domain.claims import Claim, column_after
from hephaestus_tickets.domain.text import comma_list
from hephaestus_tickets.domain.vocabulary import Category

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What is known of a ticket at one moment; `startable` are the blockers to begin with."""

    ticket_id: str
    status: str
    board: Board
    is_resolved: bool
    open_blockers: int
    startable: Sequence[str]
    claim: Claim | None
    in_doing: int  # tickets in the first `doing` column; 0 where that has no limit
    now: datetime

    @property
    def is_ready(self) -> bool:
        """Open, unblocked, nobody's, and where work begins."""
        return (
            not self.is_resolved
            and not self.open_blockers
            and not self._is_claimed
            and self._column.category is Category.TODO
        )

    def reasons(self) -> list[str]:
        """What stands in the way, each with what to do; or how to start."""
        told = [*self._of_the_ticket(), *self._of_the_board()]
        return told or [f"nothing is in the way: claim_ticket(ticket_id='{self.ticket_id}')"]

    @property
    def _is_claimed(self) -> bool:
        return self.claim is not None and self.claim.is_live(self.now)

    @property
    def _column(self) -> Column:
        """Where it stands, or stands again when a claim is over."""
        status = self.status
        if self.claim is not None and not self._is_claimed:
            status = column_after(self.claim, self.board, status)
        return self.board.column(status if self.board.has(status) else self.board.initial_status)

    def _of_the_ticket(self) -> Iterable[str]:
        if self.is_resolved:
            yield f"it is resolved (status '{self.status}'); change_status reopens it"
            return
        if self.open_blockers:
            begin = comma_list(self.startable, _NAMED)
            way = f"begin with {begin}" if begin else "those are being worked on"
            yield f"it waits for open blockers ({self.open_blockers} of its own): {way}"
        if self.claim is not None and self._is_claimed:
            ends = self.claim.ends_at.isoformat(timespec="seconds")
            yield f"'{self.claim.holder}' claimed it until {ends}: claim_ticket gives other work"
        elif self._column.category is Category.DOING:
            yield (
                f"it is under way in '{self.status}', though nobody claims it: "
                f"claim_ticket(ticket_id='{self.ticket_id}') takes it as it stands"
            )

    def _of_the_board(self) -> Iterable[str]:
        doing = self.board.statuses_in(Category.DOING)
        if self.is_resolved or not doing or self._column.category is not Category.TODO:
            return
        target = self.board.column(doing[0])
        if target.wip_limit is not None and self.in_doing >= target.wip_limit:
            yield (
                f"the column '{target.id}' is full ({self.in_doing} of {target.wip_limit}): "
                "move one out of it, or claim_ticket with move=false"
            )
        transitions = self.board.settings.transitions or {}
        allowed = transitions.get(self._column.id)
        if allowed is not None and target.id not in allowed:
            yield (
                f"this board does not let it move from '{self._column.id}' to '{target.id}', "
                f"only to {comma_list(allowed) or 'nowhere'}: claim_ticket with move=false"
            )
