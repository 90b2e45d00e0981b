"""A typed patch on one ticket: locked, compared, checked like a creation, recorded by field."""

from __future__ import annotations

from dataclasses import dataclass

from hephaestus_tickets.domain.changes import (
    BLOCKERS_AT_MOST,
    TAGS_AT_MOST,
    Change,
    Value,
    check_count,
    diff,
    patched_list,
)
from hephaestus_tickets.domain.claims import Standing
from hephaestus_tickets.domain.errors import Invalid
from hephaestus_tickets.domain.ids import public_id, ticket_id
from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType, Priority
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import graph
from hephaestus_tickets.queries.tickets import database_clock, lock_ticket
from hephaestus_tickets.schemas.arguments import TicketUpdates
from hephaestus_tickets.schemas.replies import TicketUpdated
from hephaestus_tickets.services.claims import admit_writer, drop
from hephaestus_tickets.services.edges import check_parent, refuse_self, set_blockers, set_links
from hephaestus_tickets.services.keyword_index import own_words, renew_words
from hephaestus_tickets.services.lookup import (
    Located,
    Mentioned,
    hold_workflow,
    tickets_mentioned,
)
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.services.versions import check_version

_TEXTS = frozenset({"title", "description", "tags"})


class NotNullable(Invalid):
    def __init__(self, names: list[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{', '.join(names)} cannot be null: a ticket always has it. Nothing was changed."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    updates: TicketUpdates
    agent_id: str
    comment: str = ""
    expected_version: int | None = None
    claim_token: int | None = None


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of a ticket, before a patch or after it, as rows and as history tells them."""

    blockers: list[int]
    links: list[tuple[int, str]]

    def values(self) -> dict[str, Value]:
        return {
            "blocked_by_ticket_ids": [ticket_id(number) for number in self.blockers],
            "links": [
                {"ticket_id": ticket_id(target), "kind": str(kind)} for target, kind in self.links
            ],
        }


async def patch_ticket(work: UnitOfWork, located: Located, patch: Patch) -> TicketUpdated:
    """Load, decide, apply, record; unchanged values leave no trace."""
    updates = patch.updates
    _refuse_nulls(updates)
    if updates.touches_edges:
        await hold_workflow(work, located.workflow)
    ticket = (await work.session.scalars(lock_ticket(located.id))).one()
    await check_version(work, ticket, patch.expected_version)
    recorder = Recorder(work, patch.agent_id, (await work.session.scalars(database_clock())).one())
    board = located.workflow.board
    standing = admit_writer(recorder, ticket, board, patch.claim_token)
    mentioned = await _mentioned(work, located, updates)
    before, words = _values(ticket), own_words(ticket)
    _apply_fields(ticket, located, updates)
    if standing is Standing.HELD and ticket.assigned_agent_id != ticket.claim_holder:
        drop(ticket)  # handed to another, or to nobody
        recorder.event(ticket.id, ChangeType.CLAIM_RELEASED, description="assigned anew")
    await _apply_parent(work, ticket, updates, mentioned)
    old, new = await _apply_edges(recorder, ticket, updates, mentioned)
    after = _values(ticket) | new.values()
    changes = diff(before | old.values(), after)
    if _TEXTS.intersection(change.field_name for change in changes):
        await renew_words(work, ticket, words)
    comment = await _record(recorder, ticket, changes, patch.comment)
    return TicketUpdated(
        ticket_id=ticket_id(ticket.id),
        version=ticket.version,
        changed=[change.field_name for change in changes],
        is_blocked=ticket.open_blockers > 0,
        comment_id=comment,
    )


def _refuse_nulls(updates: TicketUpdates) -> None:
    never_null = ("title", "ticket_type", "priority")
    nulls = [
        name
        for name in never_null
        if name in updates.model_fields_set and getattr(updates, name) is None
    ]
    if nulls:
        raise NotNullable(nulls)


async def _mentioned(
    work: UnitOfWork, located: Located, updates: TicketUpdates
) -> dict[str, Mentioned]:
    """Every ticket the patch names; those to be removed need not be known."""
    refs = [
        *(updates.blocked_by_ticket_ids or ()),
        *(updates.add_blocked_by_ticket_ids or ()),
        *(updates.remove_blocked_by_ticket_ids or ()),
        *(link.ticket_id for link in updates.links or ()),
        *([updates.parent_ticket_id] if updates.parent_ticket_id else ()),
    ]
    return await tickets_mentioned(work, refs, located.workflow.workflow_id)


def _values(ticket: TicketRow) -> dict[str, Value]:
    parent = ticket.parent_ticket_id
    return {
        "title": ticket.title,
        "description": ticket.description,
        "ticket_type": ticket.ticket_type,
        "priority": Priority.from_rank(ticket.priority).value,
        "assigned_agent_id": ticket.assigned_agent_id,
        "parent_ticket_id": None if parent is None else ticket_id(parent),
        "tags": list(ticket.tags),
        "related_task_ids": list(ticket.related_task_ids),
    }


def _apply_fields(ticket: TicketRow, located: Located, updates: TicketUpdates) -> None:
    given = updates.model_fields_set
    if updates.title is not None:
        ticket.title = updates.title
    if "description" in given:
        ticket.description = updates.description or ""
    if updates.ticket_type is not None and updates.ticket_type != ticket.ticket_type:
        ticket.ticket_type = located.workflow.board.ticket_type(updates.ticket_type)
    if updates.priority is not None:
        ticket.priority = updates.priority.rank
    if "assigned_agent_id" in given:
        ticket.assigned_agent_id = updates.assigned_agent_id or None
    if "related_task_ids" in given:
        ticket.related_task_ids = list(dict.fromkeys(updates.related_task_ids or ()))
    ticket.tags = _patched_tags(ticket, updates)


def _patched_tags(ticket: TicketRow, updates: TicketUpdates) -> list[str]:
    cleared = "tags" in updates.model_fields_set and updates.tags is None
    replacement = [] if cleared else updates.tags
    tags = patched_list(ticket.tags, replacement, updates.add_tags or (), updates.remove_tags or ())
    check_count("tags", tags, TAGS_AT_MOST)
    return tags


async def _apply_parent(
    work: UnitOfWork, ticket: TicketRow, updates: TicketUpdates, mentioned: dict[str, Mentioned]
) -> None:
    if "parent_ticket_id" not in updates.model_fields_set:
        return
    if updates.parent_ticket_id is None:
        ticket.parent_ticket_id = None
        return
    parent = mentioned[updates.parent_ticket_id]
    if parent.id != ticket.parent_ticket_id:
        await check_parent(work, ticket.id, parent)
        ticket.parent_ticket_id = parent.id


async def _apply_edges(
    recorder: Recorder, ticket: TicketRow, updates: TicketUpdates, mentioned: dict[str, Mentioned]
) -> tuple[_Edges, _Edges]:
    """The edges before and after; read and written only where the patch names them."""
    blockers_before, blockers_after = await _apply_blockers(recorder, ticket, updates, mentioned)
    links_before, links_after = await _apply_links(recorder, ticket, updates, mentioned)
    return _Edges(blockers_before, links_before), _Edges(blockers_after, links_after)


async def _apply_blockers(
    recorder: Recorder, ticket: TicketRow, updates: TicketUpdates, mentioned: dict[str, Mentioned]
) -> tuple[list[int], list[int]]:
    if not updates.touches_blockers:
        return [], []
    session = recorder.work.session
    old = list(await session.scalars(graph.blocker_ids(ticket.id)))
    kept = await _refs_of(recorder, ticket, old)
    named = kept | mentioned
    wanted = _numbers(updates.blocked_by_ticket_ids, mentioned)
    if "blocked_by_ticket_ids" not in updates.model_fields_set:
        wanted = [ticket_id(number) for number in old]
    removed = _numbers(updates.remove_blocked_by_ticket_ids, mentioned)
    added = _numbers(updates.add_blocked_by_ticket_ids, mentioned)
    by_id = {ticket_id(other.id): other for other in named.values()}
    after = [by_id[ref] for ref in patched_list(wanted, None, added, removed)]
    check_count("blocked_by_ticket_ids", after, BLOCKERS_AT_MOST)
    refuse_self(ticket.id, after, "blocker")
    await set_blockers(recorder, ticket, old, after)
    return old, sorted(blocker.id for blocker in after)


async def _refs_of(
    recorder: Recorder, ticket: TicketRow, numbers: list[int]
) -> dict[str, Mentioned]:
    refs = [ticket_id(number) for number in numbers]
    return await tickets_mentioned(recorder.work, refs, ticket.workflow_id)


def _numbers(refs: list[str] | None, mentioned: dict[str, Mentioned]) -> list[str]:
    """Ticket ids for references, which may be original ids."""
    return [ticket_id(mentioned[ref].id) for ref in refs or ()]


async def _apply_links(
    recorder: Recorder, ticket: TicketRow, updates: TicketUpdates, mentioned: dict[str, Mentioned]
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    if "links" not in updates.model_fields_set:
        return [], []
    rows = await recorder.work.session.execute(graph.links_out(ticket.id))
    old = [(target, kind) for target, kind in rows]
    new = [(mentioned[link.ticket_id], link.kind) for link in updates.links or ()]
    await set_links(recorder, ticket, new)
    return old, sorted({(target.id, str(kind)) for target, kind in new})


async def _record(
    recorder: Recorder, ticket: TicketRow, changes: list[Change], comment: str
) -> str | None:
    if changes:
        ticket.version += 1
        recorder.changes(ticket.id, changes, ticket.version)
    number = await recorder.comment(ticket.id, comment, CommentType.GENERAL)
    if changes or number:
        ticket.updated_at = recorder.now
        await recorder.to_index(ticket.id)
    return public_id("comment", number) if number else None
