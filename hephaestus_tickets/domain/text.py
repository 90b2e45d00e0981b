"""Text as it is compared and shown: normal forms, clipping, sizes in bytes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable

ELLIPSIS = "…"


def normalise(text: str) -> str:
    """The form in which two texts are compared: NFKC, case-folded, blanks collapsed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def unstorable(text: str) -> str:
    """Why PostgreSQL or UTF-8 cannot hold this text; empty where they can."""
    if "\x00" in text:
        return "contains the character U+0000, which cannot be stored"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains a lone surrogate, which is not valid Unicode text"
    return ""


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; a cut text ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, for a sentence or a list."""
    return clip(" ".join(text.split()), limit)


def quotable(text: str, limit: int = 60) -> str:
    """What a caller sent, fit to be quoted in a sentence: short, on one line, encodable."""
    return one_line(text.encode("utf-8", "replace").decode(), limit)


def json_size(value: object) -> int:
    """Bytes of UTF-8 that the value takes as compact JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def prefix_within(text: str, budget: int) -> str:
    """The longest prefix whose JSON form takes at most `budget` bytes, quotes not counted."""
    # No character takes less than a byte: what lies beyond need not be measured.
    head = text[:budget]
    if json_size(head) - 2 <= budget:
        return head
    low, high = 0, len(head)
    while low < high:
        middle = (low + high + 1) // 2
        if json_size(head[:middle]) - 2 <= budget:
            low = middle
        else:
            high = middle - 1
    return head[:low]


def comma_list(words: Iterable[str], limit: int = 30, comma: str = ", ") -> str:
    """`a, b, c`, with the number of those left out when there are more than `limit`."""
    every = list(words)
    shown = comma.join(every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"
