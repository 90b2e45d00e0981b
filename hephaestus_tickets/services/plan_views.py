"""What became of many tickets as a reply: every one of them, cut so that two hundred fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.planning import Start
from hephaestus_tickets.domain.text import ELLIPSIS, clip, json_size, prefix_within
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.schemas.replies import (
    PlannedTicketView,
    TicketsCreated,
    TicketsResolved,
    Written,
)
from hephaestus_tickets.services.moves import Moved
from hephaestus_tickets.services.planning import Draft

_TITLE = 80
_NAMED = 600  # of two lists of ids, at their longest, beside the tickets themselves
_BUDGET = REPLY_BYTES - ENVELOPE_BYTES
# With less than that for a title, statuses, which may be long, are left out.
_TITLE_BYTES = 30


def plan_reply(
    drafts: Sequence[Draft], starts: Sequence[Start], rows: Sequence[TicketRow]
) -> TicketsCreated:
    """`rows` are the tickets created; none where the plan was only checked."""
    views = [_view(draft, start) for draft, start in zip(drafts, starts, strict=True)]
    for view, row in zip(views, rows, strict=False):
        view["ticket_id"] = ticket_id(row.id)
    omitted: list[str] = []
    if _room(views) < _TITLE_BYTES:
        views = [{**view, "status": None} for view in views]
        omitted = ["status: too long for this reply; get_tickets shows it"]
    room = _room(views)
    return TicketsCreated(
        tickets=[
            PlannedTicketView.model_validate({**view, "title": _title(draft.new.title, room)})
            for view, draft in zip(views, drafts, strict=True)
        ],
        count=len(views),
        dry_run=not rows,
        omitted=omitted,
    )


def _view(draft: Draft, start: Start) -> dict[str, str | bool | None]:
    return {
        "ref": draft.entry.ref or None,
        "ticket_id": None,
        "title": "",
        "status": start.column.id,
        "is_blocked": start.open_blockers > 0,
    }


def _room(views: Sequence[dict[str, str | bool | None]]) -> int:
    """The bytes that are left for each title."""
    return (_BUDGET - sum(json_size(view) + 1 for view in views)) // len(views)


def _title(title: str, room: int) -> str:
    short = clip(title, _TITLE)
    if json_size(short) - 2 <= room:
        return short
    return prefix_within(short, room - len(ELLIPSIS.encode())) + ELLIPSIS


def resolved_reply(moved: Mapping[str, Moved], *, dry_run: bool) -> TicketsResolved:
    """What the moves did, by ticket id; of what they freed only those that are still open."""
    unblocked = [name for each in moved.values() for name in each.unblocked]
    sub_tickets = [name for each in moved.values() for name in each.open_sub_tickets]
    freed = [name for name in dict.fromkeys(unblocked) if name not in moved]
    left = [name for name in dict.fromkeys(sub_tickets) if name not in moved]
    return TicketsResolved(
        resolved=[Written(ticket_id=name, version=each.version) for name, each in moved.items()],
        unblocked_tickets=freed[:_NAMED],
        open_sub_tickets=left[:_NAMED],
        dry_run=dry_run,
        omitted=[
            *_too_many("unblocked_tickets", freed, moved),
            *_too_many("open_sub_tickets", left, moved),
        ],
    )


def _too_many(name: str, tickets: Sequence[str], moved: Mapping[str, Moved]) -> Iterator[str]:
    was_cut = any(line.startswith(f"{name}:") for each in moved.values() for line in each.omitted)
    if was_cut or len(tickets) > _NAMED:
        way = "get_ticket with related_from=0 lists those of each ticket resolved here"
        yield f"{name}: {min(len(tickets), _NAMED)} are named and there are more; {way}"
