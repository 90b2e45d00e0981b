"""What a scan did as a reply, cut so that two hundred links fit."""

from __future__ import annotations

from collections.abc import Sequence

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.text import ELLIPSIS, json_size, one_line, prefix_within
from hephaestus_tickets.schemas.scans import CommitsScanned, LinkFound, NotResolved
from hephaestus_tickets.services.scan_links import Orders, Written
from hephaestus_tickets.services.scanning import Ground

_NAMED = 300  # of ids, at their longest, beside the links themselves
_REASON_CHARACTERS = 300
_BUDGET = REPLY_BYTES - ENVELOPE_BYTES


def scan_reply(ground: Ground, orders: Orders, written: Written, commits: int) -> CommitsScanned:
    unblocked = _still_open(written)
    reply = CommitsScanned(
        commits=commits,
        linked=[
            LinkFound(
                ticket_id=ticket_id(link.ticket),
                commit_sha=link.sha,
                verified=orders.commits[link.sha].facts is not None,
            )
            for link in written.linked
        ],
        unverified_because=_doubt(orders, written),
        resolved=[ticket_id(number) for number in written.moved],
        unblocked_tickets=unblocked[:_NAMED],
        head=ground.head,
        complete=orders.is_whole,
        dry_run=orders.dry_run,
        omitted=_omitted(unblocked, written),
    )
    room = _BUDGET - json_size(reply.model_dump(mode="json"))
    return reply.model_copy(update={"not_resolved": _reasons(written.refused, room)})


def _doubt(orders: Orders, written: Written) -> str | None:
    """Of the first that has one: it is mostly the same for all."""
    return next(filter(None, (orders.commits[link.sha].doubt for link in written.linked)), None)


def _still_open(written: Written) -> list[str]:
    """What the resolutions freed, but for what another of them resolved."""
    freed = [name for each in written.moved.values() for name in each.unblocked]
    resolved = {ticket_id(number) for number in written.moved}
    return [name for name in dict.fromkeys(freed) if name not in resolved]


def _omitted(unblocked: Sequence[str], written: Written) -> list[str]:
    was_cut = any(
        line.startswith("unblocked_tickets:")
        for each in written.moved.values()
        for line in each.omitted
    )
    if not was_cut and len(unblocked) <= _NAMED:
        return []
    told = min(len(unblocked), _NAMED)
    way = "get_ticket with related_from=0 lists those of each ticket resolved here"
    return [f"unblocked_tickets: {told} are named and there are more; {way}"]


def _reasons(refused: dict[int, TicketError], room: int) -> list[NotResolved]:
    views = [NotResolved(ticket_id=ticket_id(number), reason="") for number in refused]
    bare = sum(json_size({"ticket_id": view.ticket_id, "reason": ""}) + 1 for view in views)
    each = (room - bare) // max(len(views), 1)
    return [
        view.model_copy(update={"reason": _clipped(str(refusal), each)})
        for view, refusal in zip(views, refused.values(), strict=True)
    ]


def _clipped(reason: str, room: int) -> str:
    short = one_line(reason, _REASON_CHARACTERS)
    if json_size(short) - 2 <= room:
        return short
    return prefix_within(short, room - len(ELLIPSIS.encode())) + ELLIPSIS
