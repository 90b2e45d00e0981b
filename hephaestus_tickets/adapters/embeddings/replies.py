"""What an OpenAI-compatible server answers: vectors, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import hypot, isfinite
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from hephaestus_tickets.adapters.embeddings.space import EmbeddingUnavailable, Space, Vector
from hephaestus_tickets.domain.text import one_line

if TYPE_CHECKING:
    from openai import APIStatusError

# The request itself is refused: sent again as it is, it would be again.
REFUSALS = frozenset({400, 413, 422})
_TOO_MANY, _TIMED_OUT = 429, 408
_SERVER_FAILED = 500
_SAID_CHARACTERS = 200
_ECHO_CHARACTERS = 12
_WORD_CHARACTERS = 4  # shorter texts are part of other words
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


class _Item(BaseModel):
    index: int | None = None
    embedding: list[float]


class _Reply(BaseModel):
    data: list[_Item]


def vectors_of(content: bytes, *, count: int, space: Space) -> list[Vector]:
    """The vectors in the order of the texts, of unit length. Raises EmbeddingUnavailable."""
    try:
        items = _Reply.model_validate_json(content).data
    except ValidationError:
        # Not chained: the error quotes what came.
        raise EmbeddingUnavailable(
            "the embedding server answers something else than embeddings"
        ) from None
    indices = [place if item.index is None else item.index for place, item in enumerate(items)]
    if sorted(indices) != list(range(count)):
        raise _unexpected(count, space, f"there came {len(items)}, or not one for each text")
    vectors: list[Vector] = [[]] * count
    for index, item in zip(indices, items, strict=True):
        vectors[index] = _unit(item.embedding, count, space)
    return vectors


def _unit(numbers: list[float], count: int, space: Space) -> Vector:
    if len(numbers) != space.dimension:
        raise _unexpected(count, space, f"one of {len(numbers)} came")
    length = hypot(*numbers)
    if not isfinite(length) or length == 0:
        raise _unexpected(count, space, "one came whose numbers are not finite, or all 0")
    return [number / length for number in numbers]


def _unexpected(count: int, space: Space, what_came: str) -> EmbeddingUnavailable:
    vectors = "1 vector" if count == 1 else f"{count} vectors"
    return EmbeddingUnavailable(
        f"{vectors} of {space.dimension} numbers (EMBEDDING_DIM) should have come, but {what_came}",
        "Set EMBEDDING_MODEL and EMBEDDING_DIM to what the server makes.",
        is_misconfigured=True,
    )


def unreachable() -> EmbeddingUnavailable:
    return EmbeddingUnavailable(
        "the embedding server cannot be reached",
        "Wait a few seconds and try again; if it stays so, check that it runs and that "
        "EMBEDDING_BASE_URL is right.",
    )


def fault_of(
    error: APIStatusError, *, space: Space, key: str, texts: Sequence[str]
) -> EmbeddingUnavailable:
    """What the status says. Neither the key nor a text is quoted, though the server may have."""
    status = error.status_code
    if status in {401, 403}:
        return _misconfigured(
            f"the embedding server refuses the key (HTTP {status})",
            "Set OPENAI_API_KEY to one that it accepts.",
        )
    if status == 404:  # noqa: PLR2004 - as every reader knows it
        return _misconfigured(
            f"the embedding server has no model '{one_line(space.model, 60)}' (HTTP 404)",
            "Set EMBEDDING_MODEL to one that it has, and EMBEDDING_BASE_URL to where it is.",
        )
    if status == _TOO_MANY and error.code == "insufficient_quota":
        return _misconfigured(
            "the account of the key has no quota left (HTTP 429)",
            "Set OPENAI_API_KEY to one that has, or buy more.",
        )
    if status in {_TOO_MANY, _TIMED_OUT} or status >= _SERVER_FAILED:
        what = "asks us to slow down" if status == _TOO_MANY else "failed"
        return EmbeddingUnavailable(
            f"the embedding server {what} (HTTP {status})",
            retry_after=asked_pause(error.response.headers),
        )
    said = _quotable(_said(error.body), [key, *texts])
    return _misconfigured(
        f"the embedding server refuses the request (HTTP {status}){said and f': {said}'}",
        "Set EMBEDDING_MODEL, EMBEDDING_DIM and EMBEDDING_BASE_URL to what it serves.",
    )


def _misconfigured(reason: str, mend: str) -> EmbeddingUnavailable:
    return EmbeddingUnavailable(reason, mend, is_misconfigured=True)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`, or until its date by the server's own clock."""
    asked = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    try:
        until, now = (parsedate_to_datetime(text) for text in (asked, headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):  # one of them is no date, or has no time zone
        return None


def _said(body: object) -> str:
    match body:
        case str(said) | {"message": str(said)} | {"detail": str(said)}:
            return said
        case _:
            return ""


def _quotable(said: str, secrets: Sequence[str]) -> str:
    """One line of it; nothing where it repeats some of the key or of a text, or is a page."""
    line = one_line(said, _SAID_CHARACTERS).rstrip(".")
    starts = range(len(line) - _ECHO_CHARACTERS + 1)
    windows = {line[start : start + _ECHO_CHARACTERS] for start in starts}
    flat = [" ".join(secret.split()) for secret in secrets]
    repeats = any(window in secret for secret in flat for window in windows)
    quotes = any(len(secret) >= _WORD_CHARACTERS and secret in line for secret in flat)
    return "" if repeats or quotes or line.startswith("<") else line
