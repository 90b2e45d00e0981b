"""Numbers outside: `ticket-1024`, `comment-88`."""

from __future__ import annotations

import re

LARGEST = 2**63 - 1
_NUMBERED = re.compile(r"(?:(?P<kind>[a-z]+)-|#)?0*(?P<number>[0-9]{1,19})", re.ASCII)


def public_id(kind: str, number: int) -> str:
    return f"{kind}-{number}"


def ticket_id(number: int) -> str:
    return public_id("ticket", number)


def parse_id(kind: str, text: str) -> int | None:
    """The number in `kind-12`, `12` or `#12`; None where the text is no such id or past bigint."""
    found = _NUMBERED.fullmatch(text.strip().lower())
    if found is None or found["kind"] not in (None, kind):
        return None
    number = int(found["number"])
    return number if 0 < number <= LARGEST else None
