"""Claims: one agent holds a ticket until a time, and whoever else writes to it is refused.

Times are those of the database, read after the ticket's row is locked: whether a claim has ended
is the same for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.domain.vocabulary import Category

# In whose name the tracker itself writes history.
TRACKER = "tracker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """How long a claim holds where its taker does not say, and what a taker may say; seconds."""

    usual: int = 900
    shortest: int = 10
    longest: int = 86_400

    def chosen(self, seconds: int | None) -> int:
        """Raises LeaseOutOfBounds."""
        if seconds is None:
            return self.usual
        if not self.shortest <= seconds <= self.longest:
            raise LeaseOutOfBounds(seconds, self.shortest, self.longest)
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`session` is who took it; `from_status` the column it was taken from."""

    holder: str
    session: str
    token: int
    ends_at: datetime
    lease_seconds: int
    from_status: str

    def is_live(self, now: datetime) -> bool:
        return self.ends_at > now

    def renewed_until(self, now: datetime) -> datetime:
        """A renewal never shortens a claim."""
        return max(self.ends_at, now + timedelta(seconds=self.lease_seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: the agent, the session it speaks through, the token it shows."""

    agent_id: str
    session: str = ""
    token: int | None = None

    def holds(self, claim: Claim) -> bool:
        """By the token, or by the agent and the session that took it."""
        if self.token is not None:
            return self.token == claim.token
        return (
            self.agent_id == claim.holder and bool(self.session) and self.session == claim.session
        )


class Standing(Enum):
    """How a claim stands to a writer."""

    FREE = auto()  # there is none
    HELD = auto()  # the writer has it
    LAPSED = auto()  # its time is over, which is still to be recorded


class LeaseOutOfBounds(Invalid):
    def __init__(self, seconds: int, shortest: int, longest: int) -> None:
        self.seconds = seconds
        super().__init__(
            f"A claim cannot last {seconds} seconds here. Use lease_seconds from {shortest} to "
            f"{longest}, and renew_claim while you work."
        )


class ClaimHeld(Conflict):
    """A live claim of another agent, or of this agent in another session."""

    def __init__(self, ticket_id: str, claim: Claim, now: datetime, *, is_own: bool) -> None:
        self.ticket_id = ticket_id
        self.holder = claim.holder
        self.ends_at = claim.ends_at
        left = max(1, round((claim.ends_at - now).total_seconds()))
        held = f"{ticket_id} is claimed by '{claim.holder}' until {_moment(claim.ends_at)}"
        ways = (
            "That is you in another session. Pass the claim_token you were given, or take it over "
            "with claim_ticket(resume=true)."
            if is_own
            else "Do not retry before then: claim_ticket without ticket_id gives you other work. "
            "add_comment and link_commit are always allowed."
        )
        super().__init__(f"{held} ({left} seconds from now). {ways}")


class ClaimLost(Conflict):
    """The writer shows the token of a claim that is over."""

    def __init__(self, ticket_id: str, token: int) -> None:
        self.ticket_id = ticket_id
        super().__init__(
            f"The claim of {ticket_id} with token {token} is over: it ended, was released or was "
            "taken anew. Stop working on it. Read it with get_ticket, and call claim_ticket to "
            "take it again if it is free."
        )


class NotClaimed(Conflict):
    def __init__(self, ticket_id: str) -> None:
        self.ticket_id = ticket_id
        super().__init__(f"{ticket_id} is not claimed by anybody. Use claim_ticket to take it.")


class NothingReady(Conflict):
    def __init__(self, workflow_id: str, *, is_narrowed: bool) -> None:
        self.workflow_id = workflow_id
        way = "with other filters, or " if is_narrowed else ""
        super().__init__(
            f"No ticket of the workflow '{workflow_id}' is ready for you"
            f"{' with these filters' if is_narrowed else ''}: the open ones are claimed, blocked, "
            f"under way or assigned to others (explain_ticket says why one is). "
            f"You can try again {way}when something was resolved or given back."
        )


def standing_of(ticket_id: str, claim: Claim | None, writer: Writer, now: datetime) -> Standing:
    """Raises ClaimHeld or ClaimLost where the writer may not write."""
    if claim is None or not claim.is_live(now):
        if writer.token is not None:
            raise ClaimLost(ticket_id, writer.token)
        return Standing.FREE if claim is None else Standing.LAPSED
    if writer.holds(claim):
        return Standing.HELD
    if writer.token is not None:
        raise ClaimLost(ticket_id, writer.token)
    raise ClaimHeld(ticket_id, claim, now, is_own=writer.agent_id == claim.holder)


def column_after(claim: Claim, board: Board, status: str) -> str:
    """Where a ticket stands whose claim has ended by itself or was given up.

    Back where it was taken from, so that it is ready work again; a column that the board has
    no more is the initial one.
    """
    if not board.has(status) or board.column(status).category is not Category.DOING:
        return status
    return claim.from_status if board.has(claim.from_status) else board.initial_status


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
