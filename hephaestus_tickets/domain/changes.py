"""What an update changes: one Change per field that really differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TypeAlias

from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.domain.text import comma_list, one_line, quotable

_VALUE = 100  # characters of a value in a sentence
TAGS_AT_MOST = 30
BLOCKERS_AT_MOST = 200
Value: TypeAlias = str | int | bool | list[str] | list[dict[str, str]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    field_name: str
    old_value: Value
    new_value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChange:
    """The last change of a field as the history tells it; `value` is what it is now, as JSON."""

    field_name: str
    agent_id: str
    value: str | None = None

    def __str__(self) -> str:
        now = f", now {one_line(self.value, _VALUE)}" if self.value else ""
        return f"{self.field_name} by {self.agent_id}{now}"


class UnknownField(Invalid):
    def __init__(self, names: Iterable[str], valid: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"update_ticket does not know {comma_list(map(quotable, self.names))}. "
            f"Nothing was changed. Fields it takes: {comma_list(valid, 40)}."
        )


class ReadOnlyField(Invalid):
    def __init__(self, instead: Mapping[str, str]) -> None:
        self.names = tuple(instead)
        ways = "; ".join(f"{name}: {way}" for name, way in instead.items())
        super().__init__(
            f"update_ticket does not set {comma_list(self.names)}. Nothing was changed. {ways}."
        )


class VersionConflict(Conflict):
    def __init__(
        self, ticket_id: str, expected: int, actual: int, changes: Sequence[RecordedChange]
    ) -> None:
        self.ticket_id = ticket_id
        self.expected = expected
        self.actual = actual
        since = "; ".join(map(str, changes))
        super().__init__(
            f"{ticket_id} is at version {actual}, not {expected}. "
            f"{f'Changed since: {since}. ' if since else ''}"
            "Read it again with get_ticket, then repeat the call with the version it has now."
        )


class TooMany(Invalid):
    def __init__(self, name: str, count: int, at_most: int) -> None:
        self.name = name
        super().__init__(f"{name} would hold {count} entries; {at_most} are the most.")


def check_count(name: str, entries: Sized, at_most: int) -> None:
    if len(entries) > at_most:
        raise TooMany(name, len(entries), at_most)


READ_ONLY_FIELDS: Mapping[str, str] = {
    "ticket_id": "an id never changes",
    "id": "an id never changes",
    "workflow_id": "a ticket stays in its workflow",
    "status": "use change_status or resolve_ticket",
    "is_resolved": "use resolve_ticket, or change_status to reopen",
    "is_blocked": "it follows from blocked_by_ticket_ids",
    "version": "the tracker counts it; expected_version is an argument of its own",
    "created_by": "the tracker sets it",
    "created_at": "the tracker sets it",
    "updated_at": "the tracker sets it",
    "started_at": "the tracker sets it",
    "completed_at": "the tracker sets it",
    "resolved_at": "the tracker sets it",
    "external_ref": "the import sets it",
    "comments": "use add_comment",
    "commits": "use link_commit",
}


def check_field_names(names: Iterable[str], valid: Sequence[str]) -> None:
    """Refuse unknown and read-only names, before anything is written."""
    strange = [name for name in names if name not in valid]
    read_only = {name: READ_ONLY_FIELDS[name] for name in strange if name in READ_ONLY_FIELDS}
    unknown = [name for name in strange if name not in READ_ONLY_FIELDS]
    if unknown:
        raise UnknownField(unknown, valid)
    if read_only:
        raise ReadOnlyField(read_only)


def diff(before: Mapping[str, Value], after: Mapping[str, Value]) -> list[Change]:
    """The fields of `after` whose value differs from `before`, in the order of `after`."""
    return [
        Change(field_name=name, old_value=before.get(name), new_value=value)
        for name, value in after.items()
        if before.get(name) != value
    ]


def patched_list(
    current: Sequence[str],
    replacement: Sequence[str] | None,
    added: Iterable[str],
    removed: Iterable[str],
) -> list[str]:
    """The list after a patch: replaced first, then added to, then taken from; no doubles."""
    start = list(current if replacement is None else replacement)
    gone = set(removed)
    return [item for item in dict.fromkeys([*start, *added]) if item not in gone]
