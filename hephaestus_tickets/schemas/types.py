"""The words of a call as types: each refuses what cannot be stored, with its limit."""

import unicodedata
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from hephaestus_tickets.domain.text import normalise, unstorable


def _storable(text: str) -> str:
    reason = unstorable(text)
    if reason:
        raise ValueError(reason)
    return text


def _storable_json(value: JsonValue) -> JsonValue:
    """Refuses what PostgreSQL's jsonb cannot hold, however deep it is."""
    if isinstance(value, str):
        _storable(value)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("contains a number that JSON cannot hold")
    if isinstance(value, dict):
        _storable_json([*value, *value.values()])
    if isinstance(value, list):
        for part in value:
            _storable_json(part)
    return value


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
SearchedText = Annotated[str, Storable, Stripped, Field(min_length=1, max_length=100_000)]
CommitMessage = Annotated[str, Storable, Field(max_length=10_000)]
Word = Annotated[str, Storable, Printable, Stripped, Field(max_length=200)]
Name = Annotated[str, Storable, Printable, Stripped, Field(min_length=1, max_length=100)]
AgentId = Annotated[str, Storable, Printable, Stripped, Field(max_length=200)]
WorkflowId = Annotated[str, Storable, Printable, Stripped, Field(max_length=100)]
TicketRef = Annotated[str, Storable, Stripped, Field(min_length=1, max_length=200)]
# Tags are kept in the form in which they are compared, so that "API" and "api" are one tag.
# The limits count the normal form, which can be eighteen times as long as what was sent.
Tag = Annotated[str, Normalised, Storable, Printable, Field(min_length=1, max_length=50)]
SourcePath = Annotated[str, Storable, Field(max_length=4_096), WithJsonSchema({"type": "string"})]
Path = Annotated[str, Storable, Printable, Field(min_length=1, max_length=300)]

Tags = Annotated[list[Tag], Field(max_length=30)]
TicketRefs = Annotated[list[TicketRef], Field(max_length=200)]
TaskIds = Annotated[list[Name], Field(max_length=50)]
Mentions = Annotated[list[Name], Field(max_length=20)]
Attachments = Annotated[list[Path], Field(max_length=20)]

StorableJson = AfterValidator(_storable_json)
StorableObject = Annotated[dict[str, JsonValue], StorableJson]
Cursor = Annotated[str, Storable, Field(max_length=300)]
Offset = Annotated[int, Field(ge=0, le=10_000_000)]
Limit = Annotated[int, Field(ge=1, le=100)]

Moment = Annotated[datetime, AfterValidator(_aware)]
Timestamp = Annotated[datetime, PlainSerializer(_to_second, return_type=str)]
