"""Rows as replies: clipped to what a reply may hold, saying what was left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES, how_many_fit, shrunk
from hephaestus_tickets.domain.ids import public_id, ticket_id
from hephaestus_tickets.domain.text import clip, json_size, prefix_within
from hephaestus_tickets.domain.vocabulary import Priority
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.schemas.replies import (
    ChangeView,
    ClaimView,
    CommentView,
    CommitView,
    LinkView,
    Reply,
    TicketDetails,
    TicketRefView,
    TicketSummary,
    TicketView,
)

R = TypeVar("R", bound=Reply)
# A row of a JSON list, in the form PostgreSQL gave it; the reply's own types check it.
JsonRow = dict[str, Any]

TITLE_IN_A_LIST = 120
TITLE_OF_RELATED = 80
RELATED = 30
RECENT = 10
DESCRIPTION_BYTES = 16_000
COMMENT_BYTES = 1_500
MESSAGE_BYTES = 300


def summary(ticket: TicketRow) -> TicketSummary:
    return TicketSummary(
        ticket_id=ticket_id(ticket.id),
        title=clip(ticket.title, TITLE_IN_A_LIST),
        status=ticket.status,
        priority=Priority.from_rank(ticket.priority),
        ticket_type=ticket.ticket_type,
        assigned_agent_id=ticket.assigned_agent_id,
        is_blocked=ticket.open_blockers > 0,
        is_resolved=ticket.is_resolved,
        updated_at=ticket.updated_at,
        external_ref=ticket.external_ref,
    )


def shown(ticket: TicketRow, description_from: int, now: datetime) -> tuple[TicketView, list[str]]:
    """The ticket with its description from there on, and what of it is left out."""
    description, omitted = _description(ticket, description_from)
    return _view(ticket, description, now), omitted


def details(ticket: TicketRow, around: JsonRow, description_from: int) -> TicketDetails:
    """A ticket with its surroundings (`queries.timeline.surroundings`), within a reply's budget."""
    view, omitted = shown(ticket, description_from, around["now"])
    # In the order of what an agent needs first: what does not fit is cut from the last list on.
    lists: dict[str, list[Reply]] = {
        "blocked_by": [_related(row) for row in around["blocked_by"]],
        "blocks": [_related(row) for row in around["blocks"]],
        "comments": [_comment(row) for row in around["comments"]],
        "sub_tickets": [_related(row) for row in around["sub_tickets"]],
        "commits": [_commit(row) for row in around["commits"]],
        "links": [_link(row) for row in around["links"]],
        "history": [_change(row) for row in around["history"]],
    }
    kept = _kept(lists, _room_beside(view))
    omitted += _left_out(view.ticket_id, around, kept) + _cut(view.ticket_id, around, kept)
    return _whole(view, kept, omitted)


def related(ticket: TicketRow, around: JsonRow, start: int) -> TicketDetails:
    """Only the ticket's relations, which began at the `start`-th: each list moves on."""
    view = _view(ticket, "", around["now"])
    share = _room_beside(view) // len(_RELATED)
    kept: dict[str, list[Reply]] = {}
    for name in _RELATED:
        as_reply = _link if name == "links" else _related
        items: list[Reply] = [as_reply(row) for row in around[name][:RELATED]]
        kept[name] = items[: how_many_fit([_size(item) for item in items], share)]
    omitted = ["description, comments, commits and history: call get_ticket without related_from"]
    return _whole(view, kept, omitted + _left_out(view.ticket_id, around, kept, start))


_RELATED = ("blocked_by", "blocks", "sub_tickets", "links")
_LATEST = ("comments", "commits", "history")


def _whole(view: TicketView, kept: dict[str, list[Reply]], omitted: list[str]) -> TicketDetails:
    latest_last = {name: kept[name][::-1] for name in _LATEST if name in kept}
    others = {name: items for name, items in kept.items() if name != "links"}
    # model_validate: the lists were built above as what their names say.
    return TicketDetails.model_validate(
        {
            "ticket": view.model_copy(update={"links": kept["links"]}),
            "omitted": omitted,
            **others,
            **latest_last,
        }
    )


def _room_beside(view: TicketView) -> int:
    return REPLY_BYTES - ENVELOPE_BYTES - _size(view)


def _kept(lists: dict[str, list[Reply]], budget: int) -> dict[str, list[Reply]]:
    limits = {name: RECENT if name in _LATEST else RELATED for name in lists}
    short = {name: items[: limits[name]] for name, items in lists.items()}
    sizes = {name: [_size(item) for item in items] for name, items in short.items()}
    return {name: short[name][:count] for name, count in shrunk(sizes, budget).items()}


def _left_out(
    ticket: str, around: JsonRow, kept: dict[str, list[Reply]], start: int = 0
) -> list[str]:
    told: list[str] = []
    for name, items in kept.items():
        if len(around[name]) > len(items):
            further = f"get_ticket(ticket_id='{ticket}', related_from={start + len(items)})"
            way = _timeline(ticket) if name in _LATEST else further
            told.append(f"{name}: {len(items)} are shown, there are more; {way}")
    return told


def _cut(ticket: str, around: JsonRow, kept: dict[str, list[Reply]]) -> list[str]:
    """Which of the texts that are shown are not whole."""
    comments = [
        public_id("comment", row["id"])
        for row in around["comments"][: len(kept["comments"])]
        if _is_cut(row["comment_text"], COMMENT_BYTES)
    ]
    told: list[str] = []
    if comments:
        told.append(f"the rest of {', '.join(comments)}: {_timeline(ticket, 'entry_id=…')}")
    commits = around["commits"][: len(kept["commits"])]
    if any(_is_cut(row["message"], MESSAGE_BYTES) for row in commits):
        told.append(f"long commit messages: {_timeline(ticket)}")
    if any(row["is_cut"] for row in around["history"][: len(kept["history"])]):
        told.append(f"long values in history: {_timeline(ticket)}")
    return told


def _timeline(ticket: str, more: str = "") -> str:
    return f"get_ticket_history(ticket_id='{ticket}'{f', {more}' if more else ''})"


def _description(ticket: TicketRow, start: int) -> tuple[str, list[str]]:
    rest = ticket.description[start:]
    shown = prefix_within(rest, DESCRIPTION_BYTES)
    end = start + len(shown)
    if len(shown) == len(rest):
        return shown, []
    call = f"get_ticket(ticket_id='{ticket_id(ticket.id)}', description_from={end})"
    return shown, [f"description goes on to character {len(ticket.description)}: {call}"]


def _view(ticket: TicketRow, description: str, now: datetime) -> TicketView:
    parent = ticket.parent_ticket_id
    return TicketView(
        ticket_id=ticket_id(ticket.id),
        workflow_id=ticket.workflow_id,
        title=ticket.title,
        description=description,
        ticket_type=ticket.ticket_type,
        priority=Priority.from_rank(ticket.priority),
        status=ticket.status,
        is_blocked=ticket.open_blockers > 0,
        is_resolved=ticket.is_resolved,
        assigned_agent_id=ticket.assigned_agent_id,
        created_by=ticket.created_by,
        parent_ticket_id=None if parent is None else ticket_id(parent),
        tags=ticket.tags,
        related_task_ids=ticket.related_task_ids,
        external_ref=ticket.external_ref,
        created_at=ticket.created_at,
        updated_at=ticket.updated_at,
        started_at=ticket.started_at,
        completed_at=ticket.completed_at,
        resolved_at=ticket.resolved_at,
        claim=live_claim(ticket.claim_holder, ticket.claim_ends_at, now),
        version=ticket.version,
    )


def live_claim(holder: str | None, ends_at: datetime | None, now: datetime) -> ClaimView | None:
    """None where there is none, or its time is over."""
    if holder is None or ends_at is None or ends_at <= now:
        return None
    return ClaimView(agent_id=holder, ends_at=ends_at)


def _related(row: JsonRow) -> TicketRefView:
    title = clip(row["title"], TITLE_OF_RELATED)
    return TicketRefView.model_validate({**row, "ticket_id": ticket_id(row["id"]), "title": title})


def _link(row: JsonRow) -> LinkView:
    title = clip(row["title"], TITLE_OF_RELATED)
    return LinkView.model_validate({**row, "ticket_id": ticket_id(row["id"]), "title": title})


def _comment(row: JsonRow) -> CommentView:
    text = prefix_within(row["comment_text"], COMMENT_BYTES)
    fields = {**row, "comment_id": public_id("comment", row["id"]), "comment_text": text}
    return CommentView.model_validate(fields)


def _commit(row: JsonRow) -> CommitView:
    return CommitView.model_validate(
        {**row, "message": prefix_within(row["message"], MESSAGE_BYTES)}
    )


def _change(row: JsonRow) -> ChangeView:
    return ChangeView.model_validate({**row, "change_id": public_id("change", row["id"])})


def _is_cut(text: str, budget: int) -> bool:
    return prefix_within(text, budget) != text


def _size(reply: Reply) -> int:
    return json_size(reply.model_dump(mode="json"))
