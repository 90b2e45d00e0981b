"""Bytes become lines of a bounded length; of a longer one only its two ends are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mcp_types import RequestId

# The longest text an argument may have, 100,000 characters, takes 1.2 MB if each is escaped.
LONGEST_MESSAGE = 4 * 1024 * 1024
_END = 512

# Clients write the id before or after everything that can be long, never in the midst of it.
_ID = rb'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")'
_SHORT = rb'"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"'
_ID_FIRST = re.compile(rb"\s*\{\s*(?:" + _SHORT + rb"\s*,\s*)*" + _ID + rb"\s*,")
# A quote within a text is escaped and an inner object has a brace to follow: this one is outermost.
_ID_LAST = re.compile(rb",\s*" + _ID + rb"\s*(?:,\s*" + _SHORT + rb"\s*)*\}\s*\Z")


@dataclass(frozen=True, slots=True)
class TooLong:
    """What is left of a line that was longer than LONGEST_MESSAGE."""

    head: bytes
    tail: bytes

    def request(self) -> RequestId | None:
        """The id of the request that it was; None where neither end tells it."""
        return _request(self.head, self.tail)


def request_of(line: bytes) -> RequestId | None:
    """The id of a request that is no valid message, to answer it all the same; None if none."""
    is_whole = line.rstrip().endswith(b"}")
    return _request(line[:_END], line[-_END:]) if is_whole else None


def _request(head: bytes, tail: bytes) -> RequestId | None:
    found = _ID_FIRST.match(head) or _ID_LAST.search(tail)
    return _parsed(found[1]) if found else None


def _parsed(raw: bytes) -> RequestId | None:
    try:
        return json.loads(raw)
    except ValueError:  # of these bytes only a text that is no UTF-8, or has a wrong escape
        return None


class Lines:
    """Puts lines together from what is read, whatever the pieces."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._head: bytes | None = None

    def of(self, chunk: bytes) -> Iterator[bytes | TooLong]:
        """The lines that the chunk ends."""
        *ends, begun = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._taken()
        self._add(begun)

    def last(self) -> Iterator[bytes | TooLong]:
        """What the end of the input left without its newline."""
        if self._begun.strip():
            yield self._taken()

    def _add(self, piece: bytes) -> None:
        self._begun += piece
        if self._head is None and len(self._begun) > LONGEST_MESSAGE:
            self._head = bytes(self._begun[:_END])
        if self._head is not None:
            self._begun = self._begun[-_END:]

    def _taken(self) -> bytes | TooLong:
        whole, head = bytes(self._begun), self._head
        self._begun, self._head = bytearray(), None
        return whole if head is None else TooLong(head, whole)
