"""The place in a text that matched a query, short enough for a list."""

from __future__ import annotations

from itertools import islice, takewhile

from hephaestus_tickets.domain.keywords import LONGEST_TEXT, placed_terms
from hephaestus_tickets.domain.text import ELLIPSIS, clip

SNIPPET = 160
_BEFORE = 40  # characters shown before the first word that matched


def snippet(text: str, terms: frozenset[str]) -> str:
    """The stretch in which most different terms of the query stand; empty where none does."""
    plain = " ".join(text[:LONGEST_TEXT].split())
    places = [
        (at, found) for at, here in placed_terms(plain) if (found := terms.intersection(here))
    ]
    if not places:
        return ""
    if len(plain) <= SNIPPET:
        return plain
    best = max(range(len(places)), key=lambda at: _terms_from(places, at))
    begin = _word_before(plain, max(0, places[best][0] - _BEFORE))
    shown = clip(plain[begin:], SNIPPET)
    return f"{ELLIPSIS}{shown}" if begin else shown


def _terms_from(places: list[tuple[int, frozenset[str]]], first: int) -> int:
    """How many different terms begin within a snippet's length from here."""
    end = places[first][0] + SNIPPET - _BEFORE
    within = takewhile(lambda place: place[0] <= end, islice(places, first, None))
    return len(frozenset[str]().union(*(terms for _, terms in within)))


def _word_before(text: str, at: int) -> int:
    """The start of the word that the place is in."""
    return text.rfind(" ", 0, at + 1) + 1 if at else 0
