from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.domain.keywords import (
    LONGEST_TERM,
    LONGEST_TEXT,
    query_terms,
    term_weights,
    terms_of,
)

TERMS: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", []),
    "punctuation": ("!!! ''' () -- ;", []),
    "words": ("Users cannot log in", ["user", "cannot", "log"]),
    "stop words": ("it is not what we were", []),
    "a hyphen": ("auth-token", ["auth", "token", "auth-token"]),
    "CamelCase": ("AuthTokenService", ["authtokenservic", "auth", "token", "servic"]),
    "an acronym": ("parseXMLDoc", ["parsexmldoc", "pars", "xml", "doc"]),
    "snake case": ("max_retry_count", ["max", "retri", "count", "max_retry_count"]),
    "a path": (
        "src/auth/token.py:42",
        ["src", "auth", "token", "py", "42", "src/auth/token.py:42"],
    ),
    "an error code": ("error[E0308]", ["error", "e0308"]),
    "a version": ("v1.2.3", ["v1", "2", "3", "v1.2.3"]),
    "an id": ("MAPREDUCE-123", ["mapreduc", "123", "mapreduce-123"]),
    "Russian": ("Не удалось сохранить файлы", ["не", "уда", "сохран", "файл"]),  # noqa: RUF001 - Russian
    "German": ("Die Größe", ["die", "grösse"]),
    "Chinese": ("无法打开文件 foo", ["无法", "法打", "打开", "开文", "文件", "foo"]),
    "one ideograph": ("键", ["键"]),
    "ligatures and width": ("ﬁne ＡＰＩ", ["fine", "api"]),  # noqa: RUF001 - they are meant
}


@pytest.mark.parametrize(("text", "expected"), TERMS.values(), ids=TERMS)
def test_a_text_has_these_terms(text: str, expected: list[str]) -> None:
    assert terms_of(text) == expected


@given(st.text())
def test_any_text_has_terms_or_none(text: str) -> None:
    assert all(0 < len(term) <= 2 * LONGEST_TERM for term in terms_of(text))


@pytest.mark.parametrize(
    ("written", "asked"),
    [("files", "file"), ("файлы", "файлов"), ("AuthToken", "auth token"), ("ÉTÉ", "été")],
)
def test_forms_of_a_word_are_found_by_each_other(written: str, asked: str) -> None:
    assert set(terms_of(asked)) <= set(terms_of(written))


def test_a_word_of_the_title_weighs_three_times_as_much() -> None:
    assert term_weights("login fails", ["login page"]) == {"login": 4, "fail": 3, "page": 1}


def test_a_long_text_is_read_to_a_limit() -> None:
    assert terms_of("x" * LONGEST_TEXT + " beyond") == ["x" * LONGEST_TERM]


def test_the_first_line_of_a_query_is_its_title() -> None:
    terms = query_terms("login fails\nlogin again and again and again and again")
    assert [(each.term, each.weight, each.is_in_title) for each in terms] == [
        ("login", 2.0, True),
        ("again", 2.0, False),
        ("fail", 3**0.5, True),
    ]
