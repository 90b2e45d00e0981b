"""What an agent needs to start, and why a ticket is ready or not, within a reply's budget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.text import clip, prefix_within
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import claim_facts
from hephaestus_tickets.schemas.claim_replies import (
    HandOverView,
    OpenBlockerView,
    ReadyTicket,
    ResolvedBlocker,
    TicketClaimed,
)
from hephaestus_tickets.schemas.replies import CommitView
from hephaestus_tickets.services import ticket_views
from hephaestus_tickets.services.claims import claim_of
from hephaestus_tickets.services.unit_of_work import UnitOfWork

RELATED, RECENT, TEXT_BYTES = 20, 10, 600
CHAIN = 50
# A row of a JSON list, in the form PostgreSQL gave it; the reply's own types check it.
JsonRow = dict[str, Any]


async def claimed(work: UnitOfWork, ticket: TicketRow) -> TicketClaimed:
    """The reply to a claim of the ticket, which is the writer's now."""
    await work.session.flush()
    wanted = {
        "ticket": ticket.id,
        "related": RELATED,
        "recent": RECENT,
        "characters": TEXT_BYTES,
    }
    rows = await work.session.execute(claim_facts.start(), wanted)
    around = dict(rows.mappings().one())
    claim = claim_of(ticket)
    if claim is None:
        raise LookupError(f"ticket {ticket.id} was claimed and has no claim")
    # By then it is over: the reply itself tells of the claim.
    shown, omitted = ticket_views.shown(ticket, 0, claim.ends_at)
    return TicketClaimed(
        ticket_id=shown.ticket_id,
        version=ticket.version,
        claim_token=claim.token,
        claim_ends_at=claim.ends_at,
        ticket=shown,
        blocked_by=[_resolved(row) for row in around["blocked_by"][:RELATED]],
        commits=[_commit(row) for row in around["commits"][:RECENT]],
        hand_over=_hand_over(around["hand_over"]),
        omitted=[*omitted, *_left_out(shown.ticket_id, around)],
    )


def _resolved(row: JsonRow) -> ResolvedBlocker:
    return ResolvedBlocker(
        ticket_id=ticket_id(row["id"]),
        title=clip(row["title"], ticket_views.TITLE_OF_RELATED),
        status=row["status"],
        resolution=row["resolution"] and prefix_within(row["resolution"], TEXT_BYTES),
    )


def _commit(row: JsonRow) -> CommitView:
    return CommitView.model_validate({**row, "message": prefix_within(row["message"], TEXT_BYTES)})


def _hand_over(details: JsonRow | None) -> HandOverView | None:
    return HandOverView.model_validate(details["hand_over"]) if details else None


def _left_out(ticket: str, around: JsonRow) -> list[str]:
    told: list[str] = []
    if len(around["blocked_by"]) > RELATED:
        told.append(f"more blockers: get_ticket(ticket_id='{ticket}', related_from={RELATED})")
    if len(around["commits"]) > RECENT:
        told.append(f"earlier commits: get_ticket_history(ticket_id='{ticket}')")
    if around["comments"]:
        told.append(f"{around['comments']} comments: get_ticket(ticket_id='{ticket}')")
    return told


def ready_ticket(ticket: TicketRow, last_blocker: int | None) -> ReadyTicket:
    return ReadyTicket(
        **ticket_views.summary(ticket).model_dump(), reason=_reason(ticket, last_blocker)
    )


def _reason(ticket: TicketRow, last_blocker: int | None) -> str:
    if ticket.claim_holder:
        why = f"the claim of {ticket.claim_holder} ended"
    elif last_blocker is not None:
        why = f"its last blocker {ticket_id(last_blocker)} is resolved"
    else:
        why = "nothing blocks it"
    mine = f", assigned to {ticket.assigned_agent_id}" if ticket.assigned_agent_id else ""
    return why if ticket.claim_holder else f"{why}{mine}"


def open_blocker(row: Sequence[Any], now: datetime) -> OpenBlockerView:  # Any: a row's columns
    number, title, status, blocks, open_blockers, holder, ends_at = row
    claim = ticket_views.live_claim(holder, ends_at, now)
    return OpenBlockerView(
        ticket_id=ticket_id(number),
        title=clip(title, ticket_views.TITLE_OF_RELATED),
        status=status,
        blocks=ticket_id(blocks),
        claim=claim,
        can_start=not open_blockers and claim is None,
    )
