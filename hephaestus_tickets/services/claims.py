"""A ticket's claim as its row has it: read, taken, renewed, given back, each with its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hephaestus_tickets.domain.board import Board
from hephaestus_tickets.domain.changes import Value, diff
from hephaestus_tickets.domain.claims import (
    TRACKER,
    Claim,
    Standing,
    Writer,
    column_after,
    standing_of,
)
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.lifecycle import Move
from hephaestus_tickets.domain.vocabulary import ChangeType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.services.recording import Recorder


def claim_of(ticket: TicketRow) -> Claim | None:
    """The claim, live or over; None where there is none."""
    if (
        ticket.claim_holder is None
        or ticket.claim_session is None
        or ticket.claim_token is None
        or ticket.claim_ends_at is None
        or ticket.claim_lease_seconds is None
        or ticket.claim_from_status is None
    ):
        return None
    return Claim(
        holder=ticket.claim_holder,
        session=ticket.claim_session,
        token=ticket.claim_token,
        ends_at=ticket.claim_ends_at,
        lease_seconds=ticket.claim_lease_seconds,
        from_status=ticket.claim_from_status,
    )


def writer_of(recorder: Recorder, token: int | None) -> Writer:
    return Writer(agent_id=recorder.agent_id, session=recorder.work.caller.session, token=token)


def admit_writer(
    recorder: Recorder, ticket: TicketRow, board: Board, token: int | None
) -> Standing:
    """Whether the writer may change the locked ticket; whoever holds its claim renews it by that.

    A claim whose time is over is ended first. Raises ClaimHeld or ClaimLost.
    """
    claim = claim_of(ticket)
    standing = standing_of(ticket_id(ticket.id), claim, writer_of(recorder, token), recorder.now)
    if standing is Standing.HELD and claim is not None:
        ticket.claim_ends_at = claim.renewed_until(recorder.now)
    elif standing is Standing.LAPSED:
        expire(recorder, ticket, board)
    return standing


def renew_if_held(recorder: Recorder, ticket: TicketRow) -> None:
    """For what everybody may write, and by which a holder renews all the same."""
    claim = claim_of(ticket)
    if claim and claim.is_live(recorder.now) and writer_of(recorder, None).holds(claim):
        ticket.claim_ends_at = claim.renewed_until(recorder.now)


def take(
    recorder: Recorder, ticket: TicketRow, move: Move | None, *, token: int, lease_seconds: int
) -> None:
    """The locked ticket is free: now it is the recorder's agent's."""
    before = _visible(ticket)
    ticket.claim_from_status = ticket.status
    ticket.assigned_agent_id = recorder.agent_id
    if move is not None:
        ticket.status, ticket.started_at = move.to_status, move.started_at
    _hold(recorder, ticket, token, lease_seconds)
    _record(recorder, ticket, before, ChangeType.CLAIMED)


def take_over(recorder: Recorder, ticket: TicketRow, *, token: int, lease_seconds: int) -> None:
    """An agent's own claim goes on in another session; its first token holds no more."""
    _hold(recorder, ticket, token, lease_seconds)
    recorder.event(ticket.id, ChangeType.CLAIM_RESUMED, description=_until(ticket.claim_ends_at))


def _hold(recorder: Recorder, ticket: TicketRow, token: int, lease_seconds: int) -> None:
    ticket.claim_holder = recorder.agent_id
    ticket.claim_session = recorder.work.caller.session
    ticket.claim_token = token
    ticket.claim_lease_seconds = lease_seconds
    ticket.claim_ends_at = recorder.now + timedelta(seconds=lease_seconds)


def expire(recorder: Recorder, ticket: TicketRow, board: Board) -> None:
    """The lease is over: the ticket is ready work again. The tracker itself does this."""
    holder = ticket.claim_holder
    by_tracker = replace(recorder, agent_id=TRACKER)
    ended = ticket.claim_ends_at and ticket.claim_ends_at.isoformat(timespec="seconds")
    description = f"the claim of {holder} ended at {ended}"
    give_back(by_tracker, ticket, board, ChangeType.CLAIM_EXPIRED, description=description)


def give_back(
    recorder: Recorder,
    ticket: TicketRow,
    board: Board,
    kind: ChangeType,
    *,
    description: str | None = None,
    details: Mapping[str, Any] | None = None,  # Any: JSON
) -> None:
    """Into the column it was taken from, assigned to nobody."""
    claim = claim_of(ticket)
    before = _visible(ticket)
    if claim is not None:
        ticket.status = column_after(claim, board, ticket.status)
    ticket.assigned_agent_id = None
    drop(ticket)
    _record(recorder, ticket, before, kind, description=description, details=details)


def drop(ticket: TicketRow) -> None:
    """The claim ends; the ticket stays as it is."""
    ticket.claim_holder = ticket.claim_session = ticket.claim_from_status = None
    ticket.claim_token = ticket.claim_lease_seconds = ticket.claim_ends_at = None


def _visible(ticket: TicketRow) -> dict[str, Value]:
    return {"status": ticket.status, "assigned_agent_id": ticket.assigned_agent_id}


def _record(
    recorder: Recorder,
    ticket: TicketRow,
    before: dict[str, Value],
    kind: ChangeType,
    *,
    description: str | None = None,
    details: Mapping[str, Any] | None = None,  # Any: JSON
) -> None:
    changes = diff(before, _visible(ticket))
    if changes:
        ticket.version += 1
        recorder.changes(ticket.id, changes, ticket.version)
    told = description or _until(ticket.claim_ends_at)
    recorder.event(ticket.id, kind, description=told, details=details)
    ticket.updated_at = recorder.now


def _until(moment: datetime | None) -> str | None:
    return moment and f"until {moment.isoformat(timespec='seconds')}"
