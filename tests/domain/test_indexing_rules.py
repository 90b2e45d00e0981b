from __future__ import annotations

import pytest

from hephaestus_tickets.domain.indexing import LONGEST_TEXT, embedded_text, pause_after_failure


def test_the_title_comes_first_and_blanks_are_left_out() -> None:
    assert embedded_text("Title", "", ["a", "b"], ["  ", "Said"]) == "Title\na b\nSaid"


def test_a_long_text_is_cut_at_its_end() -> None:
    text = embedded_text("Title", "x" * 100_000, [], [])
    assert len(text) == LONGEST_TEXT
    assert text.startswith("Title\nx")


@pytest.mark.parametrize(
    ("failures", "retry_after", "seconds"),
    [(1, None, 1), (2, None, 2), (5, None, 16), (50, None, 300), (1, 20.0, 20), (1, 9_999.0, 300)],
)
def test_pauses_grow_to_a_limit_and_respect_what_was_asked_for(
    failures: int, retry_after: float | None, seconds: float
) -> None:
    assert pause_after_failure(failures, retry_after) == seconds
