"""What happened to a ticket: its timeline, and records of what happened elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES, how_many_fit
from hephaestus_tickets.domain.cursor import InvalidCursor, decode_cursor, encode_cursor
from hephaestus_tickets.domain.errors import Invalid, NotFound
from hephaestus_tickets.domain.ids import parse_id, public_id
from hephaestus_tickets.domain.ids import ticket_id as ticket_id_of
from hephaestus_tickets.domain.text import json_size, one_line
from hephaestus_tickets.domain.vocabulary import EXTERNAL_PREFIX
from hephaestus_tickets.models import HistoryRow
from hephaestus_tickets.queries import timeline
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.schemas.arguments import SortOrder
from hephaestus_tickets.schemas.parameters import (
    Actor,
    ChangeText,
    EntryId,
    ExternalChange,
    Metadata,
    NextCursor,
    Ref,
    Sha,
    TextFrom,
)
from hephaestus_tickets.schemas.replies import ChangeRecorded, CommitLinked, Timeline
from hephaestus_tickets.schemas.types import (
    CommitMessage,
    Limit,
    Name,
)
from hephaestus_tickets.services.commit_links import commit_to_link
from hephaestus_tickets.services.lookup import ticket_for_read, ticket_for_write
from hephaestus_tickets.services.remarks import add_commit
from hephaestus_tickets.services.timeline_views import SOURCES, entry_view
from hephaestus_tickets.services.unit_of_work import UnitOfWork

METADATA_BYTES = 4_000


class ForeignChangeType(Invalid):
    def __init__(self, change_type: str) -> None:
        self.change_type = change_type
        super().__init__(
            f"'{one_line(change_type, 80)}' cannot be recorded: the tracker writes its own "
            f"history. Use a change_type that begins with '{EXTERNAL_PREFIX}'."
        )


class MetadataTooLarge(Invalid):
    def __init__(self, size: int) -> None:
        super().__init__(
            f"metadata takes {size:,} bytes as JSON; {METADATA_BYTES:,} are the most. "
            "Put the rest into a comment."
        )


class EntryNotFound(NotFound):
    def __init__(self, ticket: str, entry_id: str) -> None:
        self.entry_id = entry_id
        super().__init__(
            f"{ticket} has no timeline entry '{one_line(entry_id, 80)}'. Entry ids look like "
            "change-7, comment-88 or commit-3; get_ticket_history lists them."
        )


class TicketHistoryService:
    """The timeline to read; its writers are for administrators who mirror another system."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get_ticket_history(
        self,
        *,
        ticket_id: Ref,
        limit: Limit = 30,
        cursor: NextCursor = "",
        sort_order: SortOrder = "asc",
        entry_id: EntryId = "",
        text_from: TextFrom = 0,
    ) -> Timeline:
        """Read a ticket's timeline: every change, comment and commit link, oldest first.

        Long texts are cut; `clipped` counts what is missing, and entry_id with text_from reads on.
        """
        ticket = await ticket_for_read(self._work, ticket_id)
        if entry_id:
            return await self._entry(ticket.id, entry_id, text_from)
        after = _position_in(cursor, sort_order) if cursor else None
        window = timeline.TimelineWindow(order=sort_order, limit=limit + 1, after=after)
        rows = (await self._work.session.execute(timeline.timeline(ticket.id, window))).all()
        return _timeline(ticket.id, rows, limit, sort_order)

    async def _entry(self, ticket: int, entry_id: str, text_from: int) -> Timeline:
        for source, kind in SOURCES.items():
            number = parse_id(kind, entry_id) if entry_id.startswith(kind) else None
            if number is None:
                continue
            statement = timeline.timeline_entry(ticket, source, number)
            found = (await self._work.session.execute(statement)).first()
            if found is not None:
                view = entry_view(found, start=text_from, is_alone=True)
                return Timeline(ticket_id=ticket_id_of(ticket), entries=[view], returned=1)
        raise EntryNotFound(ticket_id_of(ticket), entry_id)

    async def record_change(
        self,
        *,
        ticket_id: Ref,
        change_type: ExternalChange,
        agent_id: Actor = None,
        field_name: Name | None = None,
        old_value: ChangeText = None,
        new_value: ChangeText = None,
        change_description: ChangeText = None,
        metadata: Metadata = None,
    ) -> ChangeRecorded:
        """Record in a ticket's history what happened to it in another system.

        Only change types beginning with 'external.': the tracker writes its own history itself.
        """
        if not change_type.startswith(EXTERNAL_PREFIX):
            raise ForeignChangeType(change_type)
        size = json_size(metadata or {})
        if size > METADATA_BYTES:
            raise MetadataTooLarge(size)
        row = HistoryRow(
            agent_id=self._work.caller.actor(agent_id),
            change_type=change_type,
            field_name=field_name,
            old_value=old_value,
            new_value=new_value,
            change_description=change_description,
            details=metadata,
        )
        return await self._recorded(ticket_id, row)

    async def record_status_transition(
        self, *, ticket_id: Ref, from_status: Name, to_status: Name, agent_id: Actor = None
    ) -> ChangeRecorded:
        """Record that a ticket changed its status in another system. It does not move here."""
        row = HistoryRow(
            agent_id=self._work.caller.actor(agent_id),
            change_type=f"{EXTERNAL_PREFIX}status_transition",
            field_name="status",
            old_value=from_status,
            new_value=to_status,
        )
        return await self._recorded(ticket_id, row)

    async def link_commit(
        self,
        *,
        ticket_id: Ref,
        commit_sha: Sha,
        agent_id: Actor = None,
        message: CommitMessage = "",
    ) -> CommitLinked:
        """Record a commit link in another agent's name; agents themselves use link_commit."""
        actor = self._work.caller.actor(agent_id)
        link = await commit_to_link(self._work, ticket_id, commit_sha, message=message)
        return await add_commit(self._work, ticket_id, actor, link)

    async def _recorded(self, ref: str, row: HistoryRow) -> ChangeRecorded:
        located = await ticket_for_write(self._work, ref)
        row.ticket_id = located.id
        row.changed_at = (await self._work.session.scalars(database_clock())).one()
        self._work.session.add(row)
        await self._work.session.flush()
        return ChangeRecorded(
            ticket_id=ticket_id_of(located.id), change_id=public_id("change", row.id)
        )


def _timeline(ticket: int, rows: Iterable[Any], limit: int, order: SortOrder) -> Timeline:
    every = list(rows)
    views = [entry_view(row, start=0, is_alone=False) for row in every[:limit]]
    sizes = [json_size(view.model_dump(mode="json")) for view in views]
    fitting = how_many_fit(sizes, REPLY_BYTES - ENVELOPE_BYTES)
    goes_on = len(every) > fitting
    last = every[fitting - 1] if goes_on else None
    return Timeline(
        ticket_id=ticket_id_of(ticket),
        entries=views[:fitting],
        returned=fitting,
        next_cursor=None if last is None else _cursor_after(last, order),
    )


def _cursor_after(row: Any, order: SortOrder) -> str:  # Any: a row of mixed columns
    at, source, number, _ = row
    return encode_cursor(f"timeline:{order}", [at.isoformat(), source, number])


def _position_in(cursor: str, order: SortOrder) -> tuple[datetime, int, int]:
    at, source, number = decode_cursor(cursor, f"timeline:{order}", (str, int, int))
    try:
        return datetime.fromisoformat(str(at)), int(source), int(number)
    except ValueError as error:
        raise InvalidCursor from error
