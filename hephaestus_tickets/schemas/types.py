"""The words of a call as types: each refuses what cannot be stored, with its limit."""

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
)

from hephaestus_tickets.domain.text import normalise, unstorable


def _storable(text: str) -> str:
    reason = unstorable(text)
    if reason:
        raise ValueError(reason)
    return text


def _storable_json(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise ValueError("holds NaN, an infinity or too deep a nesting") from error
    for text in _texts_of(value):
        _storable(text)
    return value


def _texts_of(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_of(item)
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _texts_of(item)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("contains control characters")
    return text


def _one_line(text: str) -> str:
    plain = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    return " ".join(plain.split())


def _aware(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of the calendar's range") from error


def _to_second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Before pydantic's own check: its message for a lone surrogate does not say what is wrong.
Storable = BeforeValidator(lambda value: _storable(value) if isinstance(value, str) else value)
Printable = AfterValidator(_printable)
OneLine = BeforeValidator(lambda value: _one_line(value) if isinstance(value, str) else value)
Normalised = BeforeValidator(lambda value: normalise(value) if isinstance(value, str) else value)
Stripped = StringConstraints(strip_whitespace=True)

# A title is one line: blanks and control characters become single spaces.
Title = Annotated[str, OneLine, Storable, Field(min_length=1, max_length=500)]
Description = Annotated[str, Storable, Field(max_length=100_000)]
CommentText = Annotated[str, Storable, Field(min_length=1, max_length=50_000)]
OptionalComment = Annotated[str, Storable, Field(max_length=50_000)]
CommitMessage = Annotated[str, Storable, Field(max_length=10_000)]
Word = Annotated[str, Storable, Printable, Stripped, Field(max_length=200)]
Name = Annotated[str, Storable, Printable, Stripped, Field(min_length=1, max_length=100)]
AgentId = Annotated[str, Storable, Printable, Stripped, Field(max_length=200)]
WorkflowId = Annotated[str, Storable, Printable, Stripped, Field(max_length=100)]
TicketRef = Annotated[str, Storable, Stripped, Field(min_length=1, max_length=200)]
# Tags are kept in the form in which they are compared, so that "API" and "api" are one tag.
# The limits count the normal form, which can be eighteen times as long as what was sent.
Tag = Annotated[str, Normalised, Storable, Printable, Field(min_length=1, max_length=50)]
Path = Annotated[str, Storable, Printable, Field(min_length=1, max_length=300)]

Tags = Annotated[list[Tag], Field(max_length=30)]
TicketRefs = Annotated[list[TicketRef], Field(max_length=200)]
TaskIds = Annotated[list[Name], Field(max_length=50)]
Mentions = Annotated[list[Name], Field(max_length=20)]
Attachments = Annotated[list[Path], Field(max_length=20)]

StorableObject = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]
Cursor = Annotated[str, Storable, Field(max_length=500)]
Offset = Annotated[int, Field(ge=0, le=10_000_000)]
Limit = Annotated[int, Field(ge=1, le=100)]

Moment = Annotated[datetime, AfterValidator(_aware)]
Timestamp = Annotated[datetime, PlainSerializer(_to_second, return_type=str)]
