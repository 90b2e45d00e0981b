"""A line of a beads export as a ticket's record, or as the reason why it is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue, ValidationError

from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.domain.vocabulary import Priority
from hephaestus_tickets.exchange import beads_words as words
from hephaestus_tickets.exchange.beads_edges import Edges, edges_of
from hephaestus_tickets.exchange.beads_fields import IssueFields
from hephaestus_tickets.exchange.beads_story import Times, comments_of, history_of, times_of
from hephaestus_tickets.exchange.beads_texts import (
    description_of,
    leftovers_of,
    related_of,
    tags_of,
    title_of,
)
from hephaestus_tickets.exchange.cleaning import AGENT_AT_MOST, NAME_AT_MOST, clean_line
from hephaestus_tickets.exchange.reading import LONGEST_LINE, Line, json_object
from hephaestus_tickets.exchange.records import TicketRecord
from hephaestus_tickets.exchange.report import Note

NOBODY = "beads"


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of one line: a record or none, and what there is to say about it."""

    record: TicketRecord | None
    notes: list[Note] = field(default_factory=list[Note])


def map_line(line: Line, now: datetime) -> Mapped:
    """Never raises: a line that cannot be a ticket is noted with its number.

    `now` stands in for a time of creation that is nowhere in the issue.
    """
    where = f"line {line.number}"
    if line.is_too_long:
        return _refused(f"longer than {LONGEST_LINE // 2**20} MiB", where)
    values = json_object(line.text)
    if values is None:
        return _refused("not a JSON object", where)
    kind = values.get("_type", "issue")
    if kind != "issue":
        return _refused(f"of another kind: _type '{one_line(str(kind), 40)}'", where)
    identity = values.get("id")
    if not isinstance(identity, str) or not _is_usable(identity):
        return _refused("without a usable id", where)
    issue = IssueFields(values, identity)
    if line.is_repaired:
        issue.note("repaired", "bytes that are not UTF-8 replaced by U+FFFD")
    try:
        return Mapped(_record(issue, identity, now), issue.notes)
    except (ValidationError, RecursionError) as error:
        return _refused(f"not a ticket even when repaired ({_reason(error)})", where)


def _refused(reason: str, where: str) -> Mapped:
    return Mapped(None, [Note("refused", reason, where)])


def _is_usable(identity: str) -> bool:
    return 0 < len(identity) <= AGENT_AT_MOST and clean_line(identity, AGENT_AT_MOST) == identity


def _reason(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"


def _record(issue: IssueFields, identity: str, now: datetime) -> TicketRecord:
    status = _status(issue)
    times = times_of(issue, status, now)
    author = _author(issue)
    edges = edges_of(issue, identity, author, times.created_at)
    history = history_of(issue, status, times, author, _imported(issue, status))
    title = title_of(issue, identity)
    description = description_of(issue, title)
    return TicketRecord(
        key=identity,
        external_ref=identity,
        title=title,
        description=description.text,
        ticket_type=_ticket_type(issue),
        priority=_priority(issue),
        status=status,
        created_by=author,
        assigned_agent_id=issue.agent("assignee") or None,
        tags=tags_of(issue),
        related_task_ids=related_of(issue),
        comments=comments_of(issue, status, times, author, description.overflow),
        version=len(history),
        history=history,
        **_time_fields(times),
        **_edge_fields(edges),
    )


def _time_fields(times: Times) -> dict[str, Any]:  # Any: the record's own types check it
    return {
        "created_at": times.created_at,
        "updated_at": times.updated_at,
        "started_at": times.started_at,
        "completed_at": times.resolved_at,
        "resolved_at": times.resolved_at,
    }


def _edge_fields(edges: Edges) -> dict[str, Any]:  # Any: the record's own types check it
    return {"parent": edges.parent, "blockers": edges.blockers, "links": edges.links}


def _author(issue: IssueFields) -> str:
    author = issue.agent("created_by") or issue.agent("owner")
    if not author:
        issue.note("repaired", f"without an author: '{NOBODY}' stands as the one who created it")
    return author or NOBODY


def _status(issue: IssueFields) -> str:
    """The column of the default board; other boards are fitted when the ticket is written."""
    written = issue.text("status").strip()
    if written in words.PLAIN_STATUSES:
        return words.PLAIN_STATUSES[written]
    plain = written.casefold().replace("-", "_").replace(" ", "_")
    near = words.NEAR_STATUSES.get(plain) or words.PLAIN_STATUSES.get(plain)
    if plain == words.TOMBSTONE:
        issue.note("mapped", "deleted issue (tombstone) → cancelled, the reason as its resolution")
        return words.CANCELLED
    if near is not None:
        issue.note("mapped", f"status '{one_line(written, 40)}' → {near}")
        return near
    guess = words.DONE if issue.values.get("closed_at") else words.BACKLOG
    issue.note("repaired", f"unknown status '{one_line(written, 40)}' → {guess}")
    return guess


def _priority(issue: IssueFields) -> Priority:
    value = issue.values.get("priority", 2)
    if isinstance(value, str):
        written = value.strip().casefold().removeprefix("p")
        value = int(written) if written in ("0", "1", "2", "3", "4") else value
    if isinstance(value, bool) or not isinstance(value, int) or value not in words.PRIORITIES:
        issue.note("repaired", "unknown priority → medium")
        return Priority.MEDIUM
    if value == 4:  # noqa: PLR2004 - P4, the one priority that shares its word with another
        issue.note("mapped", "priority P4 → low, as P3")
    return words.PRIORITIES[value]


def _ticket_type(issue: IssueFields) -> str:
    """The type as beads names it; a tombstone's is what it was before."""
    written = issue.text("original_type") or issue.text("issue_type")
    cleaned = clean_line(written, NAME_AT_MOST)
    if not cleaned:
        issue.note("repaired", "without a type → task")
    return cleaned or "task"


def _imported(issue: IssueFields, status: str) -> dict[str, JsonValue]:
    """What has no place in a ticket, kept with its creation in the history."""
    kept: dict[str, JsonValue] = {}
    written = issue.values.get("status")
    if isinstance(written, str) and words.PLAIN_STATUSES.get(written) != status:
        kept["status"] = clean_line(written, NAME_AT_MOST)
    if issue.values.get("priority") == 4:  # noqa: PLR2004 - as above
        kept["priority"] = 4
    return leftovers_of(issue, kept)
