"""What happened to a beads issue, as far as it tells: times, comments, history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType
from hephaestus_tickets.exchange import beads_words as words
from hephaestus_tickets.exchange.beads_fields import IssueFields
from hephaestus_tickets.exchange.cleaning import COMMENT_AT_MOST, pieces
from hephaestus_tickets.exchange.records import ChangeRecord, CommentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    resolved_at: datetime | None


def times_of(issue: IssueFields, status: str, now: datetime) -> Times:
    """The issue's times in an order that can be true: nothing ends before it begins."""
    updated = issue.moment("updated_at")
    ended = issue.moment("closed_at") or issue.moment("deleted_at")
    created = issue.moment("created_at")
    if created is None:
        issue.note("repaired", "without a time of creation: its earliest other time stands for it")
        created = min((at for at in (updated, ended) if at is not None), default=now)
    return Times(
        created_at=created,
        updated_at=_not_before(issue, "updated_at", updated or ended or created, created),
        started_at=_started(issue, status, updated, created),
        resolved_at=_resolved(issue, status, ended, updated or created, created),
    )


def _not_before(issue: IssueFields, name: str, moment: datetime, created: datetime) -> datetime:
    if moment < created:
        issue.note("repaired", f"'{name}' before the creation: moved to it")
        return created
    return moment


def _started(
    issue: IssueFields, status: str, updated: datetime | None, created: datetime
) -> datetime | None:
    started = issue.moment("started_at")
    if started is None and status in words.STARTED:
        started = updated or created
    return None if started is None else _not_before(issue, "started_at", started, created)


def _resolved(
    issue: IssueFields, status: str, ended: datetime | None, otherwise: datetime, created: datetime
) -> datetime | None:
    if status not in words.OVER:
        if ended is not None:
            issue.note("dropped", "closing time of an issue that is open")
        return None
    if ended is None:
        issue.note("repaired", "resolved without a time: its last update stands for it")
    return _not_before(issue, "closed_at", ended or otherwise, created)


def comments_of(
    issue: IssueFields, status: str, times: Times, author: str, overflow: Sequence[str]
) -> list[CommentRecord]:
    """The rest of an over-long description, the comments, and how it ended."""
    comments = _parts(overflow, author, times.created_at, CommentType.GENERAL)
    for entry in issue.objects("comments"):
        text = _sized(issue, entry.text("text"))
        by = entry.agent("author") or author
        at = entry.moment("created_at") or times.created_at
        comments += _parts(text, by, at, CommentType.GENERAL)
    return comments + _endings(issue, status, times, author)


def _sized(issue: IssueFields, text: str) -> list[str]:
    if not text.strip():
        issue.note("dropped", "empty comment")
        return []
    if len(text) > COMMENT_AT_MOST:
        issue.note("repaired", f"comment over {COMMENT_AT_MOST:,} characters: in several parts")
    return pieces(text, COMMENT_AT_MOST)


def _parts(
    texts: Iterable[str], author: str, at: datetime, kind: CommentType
) -> list[CommentRecord]:
    return [
        CommentRecord(agent_id=author, comment_text=text, comment_type=kind, created_at=at)
        for text in texts
    ]


def _endings(issue: IssueFields, status: str, times: Times, author: str) -> list[CommentRecord]:
    """The close reason and the delete reason, by who ended it."""
    by = _closer(issue, author)
    reasons = dict.fromkeys(
        text for name in ("close_reason", "delete_reason") if (text := issue.text(name)).strip()
    )
    over = status in words.OVER
    if reasons and not over:
        issue.note("mapped", "close reason of an issue that is open → a comment")
    kind = CommentType.RESOLUTION if over else CommentType.GENERAL
    at = times.resolved_at or times.updated_at
    return [
        comment
        for text in reasons
        for comment in _parts(pieces(text, COMMENT_AT_MOST), by, at, kind)
    ]


def _closer(issue: IssueFields, author: str) -> str:
    """Who closed it is seldom told: the assignee stands for them, else the author."""
    return (
        issue.agent("deleted_by") or issue.agent("closed_by") or issue.agent("assignee") or author
    )


def history_of(
    issue: IssueFields,
    status: str,
    times: Times,
    author: str,
    imported: dict[str, JsonValue],
) -> list[ChangeRecord]:
    """Created, perhaps started, perhaps resolved: one change for each version of the ticket."""
    steps = [words.BACKLOG]
    changes = [_created(times, author, issue.example, imported)]
    by = _closer(issue, author)
    if times.started_at is not None:
        reached = status if status in words.STARTED else words.IN_PROGRESS
        worker = issue.agent("assignee") or author
        at = times.started_at
        changes.append(_move(ChangeType.STATUS_CHANGED, worker, at, (steps[-1], reached), 2))
        steps.append(reached)
    if status != steps[-1]:
        kind = ChangeType.RESOLVED if times.resolved_at else ChangeType.STATUS_CHANGED
        at = times.resolved_at or times.updated_at
        version = len(changes) + 1
        changes.append(_move(kind, by, at, (steps[-1], status), version))
    return changes


def _created(
    times: Times, author: str, identity: str, imported: dict[str, JsonValue]
) -> ChangeRecord:
    metadata: dict[str, JsonValue] = {"version": 1}
    if imported:
        metadata["imported"] = dict(imported)
    return ChangeRecord(
        agent_id=author,
        change_type=ChangeType.CREATED,
        changed_at=times.created_at,
        change_description=f"imported from beads: {identity}",
        metadata=metadata,
    )


def _move(
    kind: ChangeType, agent: str, at: datetime, path: tuple[str, str], version: int
) -> ChangeRecord:
    return ChangeRecord(
        agent_id=agent,
        change_type=kind,
        changed_at=at,
        field_name="status",
        old_value=path[0],
        new_value=path[1],
        metadata={"version": version},
    )
