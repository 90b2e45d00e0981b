"""Ticket ids inside history: the tracker's own words follow a ticket's number, others' do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from pydantic import JsonValue

from hephaestus_tickets.domain.ids import parse_id, ticket_id
from hephaestus_tickets.domain.vocabulary import EXTERNAL_PREFIX, ChangeType
from hephaestus_tickets.exchange.records import ChangeRecord

# The new number for an old one; None where no ticket of the workflow has it.
NumberOf = Callable[[int], int | None]
_REFERRING_FIELDS = frozenset({"parent_ticket_id", "blocked_by_ticket_ids", "links"})
# Their descriptions are sentences of the tracker that name another ticket.
_REFERRING_SENTENCES = frozenset({ChangeType.BLOCKED, ChangeType.UNBLOCKED})
_MENTION = re.compile(r"\bticket-([0-9]{1,19})\b")


def renumbered(change: ChangeRecord, number_of: NumberOf) -> ChangeRecord:
    """The change with every ticket id that the tracker itself wrote in it replaced.

    What agents wrote, and what was recorded about another system, stays as it is.
    """
    if change.change_type.startswith(EXTERNAL_PREFIX):
        return change
    updates: dict[str, object] = {}
    if change.field_name in _REFERRING_FIELDS:
        updates["old_value"] = _value(change.old_value, number_of)
        updates["new_value"] = _value(change.new_value, number_of)
    if change.change_type in _REFERRING_SENTENCES and change.change_description:
        updates["change_description"] = _sentence(change.change_description, number_of)
    return change.model_copy(update=updates) if updates else change


def _value(value: JsonValue, number_of: NumberOf) -> JsonValue:
    """An id, a list of ids, or a list of links."""
    if isinstance(value, str):
        return _reference(value, number_of)
    if isinstance(value, list):
        return [_value(part, number_of) for part in value]
    if isinstance(value, dict) and isinstance(value.get("ticket_id"), str):
        return {**value, "ticket_id": _reference(cast("str", value["ticket_id"]), number_of)}
    return value


def _reference(reference: str, number_of: NumberOf) -> str:
    found = _MENTION.fullmatch(reference)
    number = parse_id("ticket", reference) if found else None
    new = None if number is None else number_of(number)
    return reference if new is None else ticket_id(new)


def _sentence(sentence: str, number_of: NumberOf) -> str:
    return _MENTION.sub(lambda found: _reference(found[0], number_of), sentence)
