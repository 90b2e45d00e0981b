"""What calls about ready work and claims answer."""

from pydantic import Field

from hephaestus_tickets.schemas.replies import (
    ClaimView,
    CommitView,
    Reply,
    TicketSummary,
    TicketView,
    Written,
)
from hephaestus_tickets.schemas.types import Timestamp


class ReadyTicket(TicketSummary):
    reason: str = Field(description="Why it can be started now")


class ReadyTickets(Reply):
    tickets: list[ReadyTicket] = Field(default=[])
    returned: int
    more: bool = Field(default=False, description="There are more than these")


class OpenBlockerView(Reply):
    ticket_id: str
    title: str
    status: str
    blocks: str = Field(description="The nearer ticket of the chain that waits for it")
    claim: ClaimView | None = None
    can_start: bool = Field(default=False, description="Neither blocked nor claimed itself")


class TicketExplained(Reply):
    ticket_id: str
    is_ready: bool = False
    reasons: list[str] = Field(default=[])
    open_blockers: list[OpenBlockerView] = Field(
        default=[], description="The chain of what it waits for, the nearest first"
    )
    claim: ClaimView | None = None
    omitted: list[str] = Field(default=[])


class HandOverView(Reply):
    """What whoever had a ticket last left for the next one."""

    agent_id: str
    done: list[str] = Field(default=[])
    left: list[str] = Field(default=[])
    decisions: list[str] = Field(default=[])
    dead_ends: list[str] = Field(default=[])
    next_step: str = ""


class ResolvedBlocker(Reply):
    ticket_id: str
    title: str
    status: str
    resolution: str | None = None


class TicketClaimed(Written):
    claim_token: int = Field(description="Shows later calls that the claim is yours")
    claim_ends_at: Timestamp
    ticket: TicketView
    blocked_by: list[ResolvedBlocker] = Field(default=[], description="How each was resolved")
    commits: list[CommitView] = Field(default=[])
    hand_over: HandOverView | None = None
    omitted: list[str] = Field(default=[])


class ClaimRenewed(Written):
    claim_ends_at: Timestamp


class ClaimReleased(Written):
    status: str
    comment_id: str | None = None
