"""One entry of a timeline as a reply: long texts cut, and how much is missing said."""

from __future__ import annotations

from typing import Any

from hephaestus_tickets.domain.ids import public_id
from hephaestus_tickets.domain.text import prefix_within
from hephaestus_tickets.queries.timeline import CHANGE, COMMENT, COMMIT
from hephaestus_tickets.schemas.replies import TimelineEntry

SOURCES = {CHANGE: "change", COMMENT: "comment", COMMIT: "commit"}
TEXT_BYTES = 2_000
TEXT_BYTES_ALONE = 15_000
_LONG = ("old_value", "new_value", "change_description", "comment_text", "message")


def entry_view(row: Any, *, start: int, is_alone: bool) -> TimelineEntry:  # Any: a mixed row
    """`row` is (at, source, id, entry); texts are shown from character `start` on."""
    at, source, number, entry = row
    budget = TEXT_BYTES_ALONE if is_alone else TEXT_BYTES
    shown: dict[str, Any] = dict(entry)  # Any: JSON
    clipped: dict[str, int] = {}
    for name in _LONG:
        text = shown.get(name)
        if isinstance(text, str):
            shown[name] = prefix_within(text[start:], budget)
            clipped[name] = max(0, len(text) - start - len(shown[name]))
    return TimelineEntry.model_validate(
        {
            **shown,
            "entry_id": public_id(SOURCES[source], number),
            "at": at,
            "clipped": {name: count for name, count in clipped.items() if count},
        }
    )
