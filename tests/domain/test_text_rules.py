from __future__ import annotations

from itertools import product

import pytest

from hephaestus_tickets.domain.text import (
    clip,
    comma_list,
    json_size,
    normalise,
    one_line,
    prefix_within,
    quotable,
    unstorable,
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        pytest.param("Login", "login", id="case"),
        pytest.param("  two \t\n words ", "two words", id="blanks"),
        pytest.param("STRASSE", "strasse", id="upper-case"),
        pytest.param("Straße", "strasse", id="sharp-s"),
        pytest.param("\ufb01le", "file", id="ligature"),
        pytest.param("\uff2c\uff4f\uff47", "log", id="wide-letters"),
        pytest.param("e\u0301", "\u00e9", id="an-accent-apart"),
        pytest.param("a\u00a0b", "a b", id="a-blank-that-does-not-break"),
        pytest.param("\u0390", "\u0390", id="folding-does-not-take-an-accent-apart"),
        pytest.param("\u0399\u0308\u0301", "\u0390", id="its-capital-is-the-same-text"),
        pytest.param("", "", id="empty"),
    ],
)
def test_texts_that_read_alike_have_one_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


NASTY = ["a", "A", " ", "\u0130", "\u00df", "\u03aa", "\u0390", "\u0301", "\u0345", "\ufb01"]


def test_a_normal_form_is_its_own_normal_form() -> None:
    for characters in product(NASTY, repeat=3):
        normal = normalise("".join(characters))
        assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("plain", "", id="plain"),
        pytest.param("\U0001f600\x01\uffff", "", id="emoji-control-and-last-of-the-plane"),
        pytest.param("\ud7ff\ue000", "", id="the-neighbours-of-surrogates"),
        pytest.param(
            "a\x00b", "contains the character U+0000, which cannot be stored", id="null-character"
        ),
        pytest.param(
            "\ud800",
            "contains a lone surrogate, which is not valid Unicode text",
            id="first-surrogate",
        ),
        pytest.param(
            "a\udfff",
            "contains a lone surrogate, which is not valid Unicode text",
            id="last-surrogate",
        ),
    ],
)
def test_text_that_cannot_be_stored_says_why(text: str, reason: str) -> None:
    assert unstorable(text) == reason


@pytest.mark.parametrize(
    ("text", "limit", "clipped"),
    [
        pytest.param("", 5, "", id="empty"),
        pytest.param("short", 5, "short", id="just-fits"),
        pytest.param("longer", 5, "long…", id="cut"),
        pytest.param("two words", 5, "two…", id="no-blank-before-the-ellipsis"),
        pytest.param("longer", 1, "…", id="only-the-ellipsis"),
    ],
)
def test_a_clipped_text_ends_in_an_ellipsis(text: str, limit: int, clipped: str) -> None:
    assert clip(text, limit) == clipped


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(" a\n\tb\r\nc ", "a b c", id="blanks-collapse"),
        pytest.param("one two\nthree", "one two…", id="then-it-is-clipped"),
    ],
)
def test_text_comes_on_one_line(text: str, line: str) -> None:
    assert one_line(text, 8) == line


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param("plain", "plain", id="as-it-is"),
        pytest.param("two\nlines", "two lines", id="on-one-line"),
        pytest.param("a\ud800b", "a?b", id="a-lone-surrogate-is-replaced"),
        pytest.param("x" * 60, "x" * 60, id="sixty-characters-fit"),
        pytest.param("x" * 61, "x" * 59 + "…", id="then-it-is-clipped"),
    ],
)
def test_what_a_caller_sent_is_fit_to_be_quoted(text: str, quoted: str) -> None:
    assert quotable(text) == quoted


@pytest.mark.parametrize(
    ("value", "size"),
    [
        pytest.param("", 2, id="the-quotes"),
        pytest.param("é", 4, id="bytes-not-characters"),
        pytest.param('"', 4, id="an-escape"),
        pytest.param("\x01", 8, id="a-control-character"),
        pytest.param([1, 2], 5, id="no-blank-after-a-comma"),
        pytest.param({"a": 1}, 7, id="no-blank-after-a-colon"),
    ],
)
def test_json_is_measured_compact_in_bytes(value: object, size: int) -> None:
    assert json_size(value) == size


@pytest.mark.parametrize(
    ("text", "budget", "prefix"),
    [
        pytest.param("abc", 3, "abc", id="all-of-it"),
        pytest.param("abc", 2, "ab", id="a-part"),
        pytest.param("abc", 0, "", id="nothing"),
        pytest.param("éé", 3, "é", id="no-half-characters"),
        pytest.param("a\x01b", 6, "a", id="an-escape-is-whole-or-not-at-all"),
        pytest.param("a\x01b", 7, "a\x01", id="an-escape-that-fits"),
        pytest.param("", 0, "", id="empty"),
    ],
)
def test_a_prefix_fits_its_budget_as_json(text: str, budget: int, prefix: str) -> None:
    assert prefix_within(text, budget) == prefix


@pytest.mark.parametrize("length", range(4))
def test_no_longer_prefix_would_fit(length: int) -> None:
    for text in map("".join, product('aé"\x01\U0001f600', repeat=length)):
        for budget in range(json_size(text) + 1):
            kept = prefix_within(text, budget)
            assert text.startswith(kept)
            assert json_size(kept) - 2 <= budget
            assert kept == text or json_size(text[: len(kept) + 1]) - 2 > budget


@pytest.mark.parametrize(
    ("count", "listed"),
    [
        pytest.param(0, "", id="none"),
        pytest.param(1, "1", id="one"),
        pytest.param(3, "1, 2, 3", id="as-many-as-allowed"),
        pytest.param(5, "1, 2, 3 and 2 more", id="the-rest-is-counted"),
    ],
)
def test_words_are_listed_with_commas(count: int, listed: str) -> None:
    assert comma_list((str(number) for number in range(1, count + 1)), 3) == listed


def test_thirty_words_are_listed_unless_told_otherwise() -> None:
    assert comma_list(["x"] * 31) == ", ".join(["x"] * 30) + " and 1 more"


def test_words_with_commas_of_their_own_are_kept_apart_by_another_sign() -> None:
    assert comma_list(["a, b", "c"], comma="; ") == "a, b; c"
