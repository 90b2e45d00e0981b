"""What an operation leaves behind: history, comments, index jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from hephaestus_tickets.db import INDEX_CHANNEL
from hephaestus_tickets.domain.changes import Change
from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType
from hephaestus_tickets.models import JOB_VERSIONS, CommentRow, HistoryRow, IndexJobRow
from hephaestus_tickets.services.keyword_index import comment_words, write_words
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_KINDS = {"assigned_agent_id": ChangeType.ASSIGNED, "status": ChangeType.STATUS_CHANGED}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes in the unit of work, in one agent's name and at one moment."""

    work: UnitOfWork
    agent_id: str
    now: datetime

    def event(
        self,
        ticket: int,
        change_type: ChangeType,
        *,
        change: Change | None = None,
        description: str | None = None,
        version: int | None = None,
        details: Mapping[str, Any] | None = None,  # Any: JSON
    ) -> None:
        """One history row; `version` is the ticket's version that the change made."""
        told = {**(details or {}), **({} if version is None else {"version": version})}
        self.work.session.add(
            HistoryRow(
                ticket_id=ticket,
                agent_id=self.agent_id,
                change_type=change_type,
                field_name=None if change is None else change.field_name,
                old_value=None if change is None else change.old_value,
                new_value=None if change is None else change.new_value,
                change_description=description,
                details=told or None,
                changed_at=self.now,
            )
        )

    def changes(self, ticket: int, changes: Iterable[Change], version: int) -> None:
        for change in changes:
            kind = _KINDS.get(change.field_name, ChangeType.FIELD_CHANGED)
            self.event(ticket, kind, change=change, version=version)

    async def comment(
        self,
        ticket: int,
        text: str,
        kind: CommentType,
        *,
        mentions: Sequence[str] = (),
        attachments: Sequence[str] = (),
    ) -> int | None:
        """The number of the new comment; nothing is stored for a blank one."""
        if not text.strip():
            return None
        row = CommentRow(
            ticket_id=ticket,
            agent_id=self.agent_id,
            comment_text=text,
            comment_type=kind,
            mentions=list(mentions),
            attachments=list(attachments),
            created_at=self.now,
        )
        self.work.session.add(row)
        await self.work.session.flush()
        await write_words(self.work, [comment_words(ticket, row.id, text)])
        return row.id

    async def to_index(self, ticket: int) -> None:
        """One job per ticket: a newer write makes the waiting job newer."""
        self.work.wakes.add(INDEX_CHANNEL)
        statement = insert(IndexJobRow).values(ticket_id=ticket, version=JOB_VERSIONS.next_value())
        await self.work.session.execute(
            statement.on_conflict_do_update(
                index_elements=[IndexJobRow.ticket_id],
                set_={
                    "version": statement.excluded.version,
                    "attempts": 0,
                    "next_attempt_at": self.now,
                },
            )
        )
