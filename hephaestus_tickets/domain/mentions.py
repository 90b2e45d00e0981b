"""Tickets that a commit's message mentions, and those that it says it closes.

Every search is by one expression without nested repetition, so that no message and no pattern
takes longer than its length.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from hephaestus_tickets.domain.ids import parse_id, ticket_id
from hephaestus_tickets.domain.text import one_line

PATTERNS_AT_MOST, PATTERN_CHARACTERS = 20, 100
_PLACE = "{id}"

# Of scripts that part their words by blanks: in the others an id stands amidst the text.
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
_ID = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?"
# What hangs together: a word, but a path, an address or an assignment too.
_CHUNK = re.compile(rf"(?:{_LETTER}|[./\\@=&%~-])++")
_WORD_ID = re.compile(rf"(?=[0-9._-]*[A-Za-z])(?=[A-Za-z.]*[0-9_-]){_ID}")
_ADDRESS = re.compile(r"://[^\s<>\"]*+")

_BLANKS = r"[^\S\n]*+(?:\n[^\S\n]*+)?"  # a wrapped line at most, never a new paragraph
_CLOSER = re.compile(
    rf"""
    (?P<denied>(?:\bnot|n['\u2019]t|\bnever|\bcannot)\s++
        (?:(?:yet|even|quite|really|actually|entirely|properly|fully|completely)\s++)?)?
    (?<![\w./-])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b
    [^\S\n]*+:?{_BLANKS}
    (?P<noun>(?:issue|ticket|bug)s?\s++)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_COMMA = re.compile(
    r"""["'`]{0,2}\s*+(?:,\s*+(?:(?:and\b|&)\s*+)?|(?:and\b|&)\s*+)""", re.IGNORECASE
)
_QUOTES = re.compile("[\"'`#]{0,2}")
_REVERT = re.compile(r'\s*+revert(?:\s*+["\u201c]|[:(])', re.IGNORECASE)
_REVERTS = "this reverts commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A ticket's id, or what may be the original id of one; a number alone may be either."""

    ref: str
    closes: bool


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    start: int
    end: int
    ref: str


def mentions(
    message: str, patterns: Sequence[str], known: Collection[str] | None = None
) -> list[Mention]:
    """What a message mentions, in order and each once.

    That is `ticket-42`, words that may be original ids, and what the patterns find: texts with
    `{id}` in them. Only those in `known`, where it is given: what is no ticket's id is no part of
    a list either, so that "Fixes utf-8, ticket-2 needs more" closes nothing.
    """
    found: dict[str, bool] = {}
    starts: set[int] = set() if _is_revert(message) else set(_after_closers(message))
    for place in sorted(_places(message, patterns)):
        if known is not None and place.ref not in known:
            continue
        closes = place.start in starts
        if closes:
            starts.update(_after_comma(message, place.end))
        found[place.ref] = found.get(place.ref, False) or closes
    return [Mention(ref=ref, closes=closes) for ref, closes in found.items()]


def pattern_faults(patterns: Sequence[str]) -> Iterator[str]:
    """Why these cannot be patterns, one sentence's part each."""
    if len(patterns) > PATTERNS_AT_MOST:
        yield f"there are {len(patterns)} commit patterns, of at most {PATTERNS_AT_MOST}"
    for pattern in patterns:
        named = f"the commit pattern '{one_line(pattern, 40)}'"
        if len(pattern) > PATTERN_CHARACTERS:
            yield f"{named} has more than {PATTERN_CHARACTERS} characters"
        if pattern.count(_PLACE) != 1:
            yield f"{named} must hold {_PLACE} once, as in 'bug {_PLACE}'"
        elif not pattern.replace(_PLACE, "").strip():
            yield f"{named} needs more than {_PLACE}: some text that stands beside it"


def _is_revert(message: str) -> bool:
    return _REVERT.match(message) is not None or _REVERTS in message.lower()


def _places(message: str, patterns: Sequence[str]) -> Iterator[_Place]:
    plain = _ADDRESS.sub(lambda found: " " * len(found[0]), message)
    yield from _words(plain)
    for pattern in patterns:
        # An address is looked into only by a pattern that is part of one.
        text = message if "/" in pattern else plain
        for found in _compiled(pattern).finditer(text):
            yield _Place(found.start(), found.end(), _ref(found["id"]))


def _words(text: str) -> Iterator[_Place]:
    for found in _CHUNK.finditer(text):
        word = found[0].rstrip("._-")
        if _WORD_ID.fullmatch(word):
            yield _Place(found.start(), found.start() + len(word), _ref(word))


def _ref(text: str) -> str:
    """A ticket's own id in its one form, other words as they are."""
    number = None if text.isdigit() else parse_id("ticket", text)
    return text if number is None else ticket_id(number)


def _compiled(pattern: str) -> re.Pattern[str]:
    before, _, after = pattern.partition(_PLACE)
    begins = rf"(?<!{_LETTER})" if before else rf"(?<!{_LETTER})(?<![./\\@-])"
    is_open = not after or after[-1].isalnum()
    ends = rf"(?!{_LETTER})" if is_open else ""
    text = rf"{begins}{re.escape(before)}(?P<id>{_ID}){re.escape(after)}{ends}"
    return re.compile(text, re.IGNORECASE)


def _after_closers(message: str) -> Iterator[int]:
    """Where a mention would stand that a closing word is for."""
    for found in _CLOSER.finditer(message):
        if found["denied"]:
            continue
        yield from _quoted_from(message, found.end())
        if found["noun"]:  # which may belong to a pattern
            yield found.start("noun")


def _after_comma(message: str, end: int) -> Iterator[int]:
    """Where the next mention of a list would stand, after the one that ends there."""
    comma = _COMMA.match(message, end)
    if comma is not None:
        yield from _quoted_from(message, comma.end())


def _quoted_from(message: str, start: int) -> range:
    quotes = _QUOTES.match(message, start)
    return range(start, (quotes.end() if quotes else start) + 1)
