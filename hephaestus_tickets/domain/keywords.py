"""What a text is found by: its words as terms, whole and in parts, in the form they are compared.

`AuthTokenService` is found by itself and by `auth`, `token` and `service`; `src/auth/token.py:42`
by its parts and as a whole. Words of English and Russian are stemmed (Snowball); scripts that
put no blanks between words are cut into pairs of characters. Any text has terms or none: there is
no syntax, and so no error.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Protocol, cast

import Stemmer

TITLE_WEIGHT = 3
LONGEST_TERM = 64  # characters; what is longer is a key or a dump, and found by its beginning
LONGEST_TEXT = 20_000  # characters of one text that have terms
MOST_FREQUENT = 1_000  # a term that stands more often in one text counts as if it did not
LONGEST_QUERY = 4_000  # characters
MOST_QUERY_TERMS = 200
_REMEMBERED = 50_000

_RUN = re.compile(r"\w+(?:[-./:@+#]+\w+)*")
_WORD = re.compile(r"[^\W_]+")
_UNBROKEN = re.compile(r"\S+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]+)"
)
_CYRILLIC = re.compile("[\u0400-\u04ff]+")
# Words that say nothing of what a ticket is about, and stand in nearly every one.
_STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have he her his i
    if in into is it its me my no nor not of on or our she should so some such than that the
    their them then there these they this those to too us was we were what when where which
    while who why will with would you your
    """.split()  # noqa: SIM905 - words, to be read as such
)


def terms_of(text: str) -> list[str]:
    """The text's terms in its order, each as often as it stands there."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_TEXT])
    return [term for run in _RUN.finditer(plain) for term in _terms_of_any(run[0])]


def placed_terms(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """The same with the places where they begin; within a word none is told apart."""
    plain = text[:LONGEST_TEXT]
    if unicodedata.is_normalized("NFKC", plain):
        return [(run.start(), _terms_of_any(run[0])) for run in _RUN.finditer(plain)]
    return [(word.start(), tuple(terms_of(word[0]))) for word in _UNBROKEN.finditer(plain)]


def term_weights(title: str, others: Iterable[str] = ()) -> Counter[str]:
    """How much each term weighs in a ticket: in its title so many times more."""
    weights = Counter({term: TITLE_WEIGHT * count for term, count in _counted(title)})
    for text in others:
        weights.update(dict(_counted(text)))
    return weights


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A term of a query: what it weighs, and whether it stands in the query's first line."""

    term: str
    weight: float
    is_in_title: bool


def query_terms(text: str) -> list[QueryTerm]:
    """The terms of a query, of which the first line is taken for a title, the weightiest first.

    What is said again adds less and less: a term weighs the root of its frequency.
    """
    title, _, rest = text[:LONGEST_QUERY].partition("\n")
    in_title = frozenset(terms_of(title))
    weights = term_weights(title, [rest]).most_common(MOST_QUERY_TERMS)
    return [QueryTerm(term, sqrt(weight), term in in_title) for term, weight in weights]


def _counted(text: str) -> Iterable[tuple[str, int]]:
    return Counter(terms_of(text)).items()


def _terms_of_any(run: str) -> tuple[str, ...]:
    """What is long is no word that comes again."""
    return _terms_known(run) if len(run) <= LONGEST_TERM else _terms_of_run(run)


@lru_cache(_REMEMBERED)
def _terms_known(run: str) -> tuple[str, ...]:
    return _terms_of_run(run)


def _terms_of_run(run: str) -> tuple[str, ...]:
    words = _WORD.findall(run)
    parts = tuple(term for word in words for term in _terms_of_word(word))
    return (*parts, run.casefold()[:LONGEST_TERM]) if len(words) > 1 else parts


def _terms_of_word(word: str) -> Iterator[str]:
    if _UNSPACED.search(word):
        yield from _pairs(word)
        return
    yield from _term(word)
    if word.isascii() and not (word.islower() or word.isdecimal()):
        parts = _CAMEL.findall(word)
        if len(parts) > 1:
            for part in parts:
                yield from _term(part)


def _pairs(word: str) -> Iterator[str]:
    """Each two neighbours of an unspaced script; what stands between such runs as a word."""
    for run in _UNSPACED.split(word.casefold()):
        if not _UNSPACED.fullmatch(run):
            yield from _term(run)
        elif len(run) == 1:
            yield run
        else:
            yield from (run[at : at + 2] for at in range(len(run) - 1))


def _term(word: str) -> Iterator[str]:
    folded = word.casefold()
    if folded and folded not in _STOP_WORDS:
        yield _stemmed(folded[:LONGEST_TERM])


def _stemmed(word: str) -> str:
    return _stemmer("russian" if _CYRILLIC.fullmatch(word) else "english").stemWord(word)


class _Snowball(Protocol):
    def stemWord(self, word: str, /) -> str: ...  # noqa: N802 - its name there


@lru_cache
def _stemmer(language: str) -> _Snowball:
    made = Stemmer.Stemmer(language)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAttributeAccessIssue] - untyped
    return cast("_Snowball", made)
