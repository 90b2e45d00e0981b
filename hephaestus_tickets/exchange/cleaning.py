"""Values from elsewhere made storable: each answers the value and whether it had to change."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from hephaestus_tickets.domain.text import clip, normalise

TITLE_AT_MOST = 500
DESCRIPTION_AT_MOST = 100_000
COMMENT_AT_MOST = 50_000
NAME_AT_MOST = 100
AGENT_AT_MOST = 200
TAG_AT_MOST = 50
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# A tracker's times lie between these; Go writes its zero time as the year 1.
_YEARS = range(1970, 2201)


def clean_text(value: str) -> str:
    """Without control characters but tab and line ends; lone surrogates become U+FFFD."""
    return _UNSTORABLE.sub(_replacement, value)


def _replacement(found: re.Match[str]) -> str:
    return "\ufffd" if found[0] >= "\ud800" else ""


def clean_line(value: str, limit: int) -> str:
    """One printable line of at most `limit` characters."""
    if value.isprintable() and len(value) <= limit:
        return " ".join(value.split())
    visible = "".join(
        character if character.isprintable() else _visible(character)
        for character in clean_text(value)
    )
    return clip(" ".join(visible.split()), limit)


def _visible(character: str) -> str:
    """Blanks and line ends of any kind become spaces; format and private characters go."""
    return " " if unicodedata.category(character) in ("Cc", "Zs", "Zl", "Zp") else ""


def clean_title(value: str) -> str:
    """One line; format characters (joiners of emoji, direction marks) stay."""
    if value.isprintable():
        return " ".join(value.split())
    plain = "".join(
        " " if unicodedata.category(character) == "Cc" else character
        for character in clean_text(value)
    )
    return " ".join(plain.split())


def clean_tag(value: str) -> str:
    """As create_ticket keeps a tag: normalised, printable, at most 50 characters."""
    return clean_line(normalise(clean_line(value, 10 * TAG_AT_MOST)), TAG_AT_MOST)


def pieces(value: str, size: int) -> list[str]:
    """The text in parts of at most `size` characters, cut at a line end where one is near."""
    parts: list[str] = []
    while len(value) > size:
        near = value.rfind("\n", size // 2, size)
        cut = near + 1 if near >= 0 else size
        parts.append(value[:cut])
        value = value[cut:]
    return [*parts, value]


def parsed_moment(value: object) -> datetime | None:
    """An ISO time, aware and in UTC; None for anything else, and for a zero time."""
    if not isinstance(value, str) or len(value) > NAME_AT_MOST:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.year not in _YEARS:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
