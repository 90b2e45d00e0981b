"""Opaque cursors: where a list goes on, bound to the order it was read in."""

from __future__ import annotations

import base64
import binascii
import json
from typing import cast

from hephaestus_tickets.domain.errors import Invalid
from hephaestus_tickets.domain.ids import LARGEST
from hephaestus_tickets.domain.text import unstorable


class InvalidCursor(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "That cursor does not fit this call. Pass next_cursor as it came, with the same "
            "arguments, or leave the cursor out to start at the beginning."
        )


def encode_cursor(order: str, position: list[str | int]) -> str:
    raw = json.dumps([order, *position], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, order: str, kinds: tuple[type, ...]) -> list[str | int]:
    """The position in a cursor of this order whose parts have these types. Raises InvalidCursor."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        parts: object = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCursor from error
    if not isinstance(parts, list) or not parts:
        raise InvalidCursor
    named, *position = cast("list[object]", parts)  # JSON: each part is checked below
    if named != order or [type(part) for part in position] != list(kinds):
        raise InvalidCursor
    if not all(_is_storable(part) for part in position):
        raise InvalidCursor
    return cast("list[str | int]", position)  # the types were compared on the line above


def _is_storable(part: object) -> bool:
    """Whether PostgreSQL can be asked about it: a cursor may be forged."""
    if isinstance(part, int):
        return abs(part) <= LARGEST
    return isinstance(part, str) and not unstorable(part)
