from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.domain.keywords import terms_of
from hephaestus_tickets.domain.snippets import SNIPPET, snippet

FILLER = "Nothing to be seen here at all. " * 20


def found(text: str, query: str) -> str:
    return snippet(text, frozenset(terms_of(query)))


def test_a_short_text_is_shown_whole() -> None:
    assert found("The token\nis   lost", "token") == "The token is lost"


def test_the_place_is_shown_where_most_words_of_the_query_stand() -> None:
    text = f"A token. {FILLER} The auth token of the login is lost. {FILLER}"
    shown = found(text, "auth token login")
    assert "The auth token of the login is lost." in shown
    assert shown.startswith("…")
    assert shown.endswith("…")


def test_nothing_is_shown_where_nothing_matched() -> None:
    assert found(FILLER, "token") == ""


@pytest.mark.parametrize("query", ["src/auth/token.py", "TokenService", "E0308"])
def test_an_identifier_is_found_in_its_place(query: str) -> None:
    assert query in found(f"{FILLER} see {query} there {FILLER}", query)


@given(st.text(), st.text())
def test_a_snippet_is_short_whatever_the_text(text: str, query: str) -> None:
    assert len(found(text, query)) <= SNIPPET + 1
