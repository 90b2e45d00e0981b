from __future__ import annotations

import base64

import pytest

from hephaestus_tickets.domain.cursor import InvalidCursor, decode_cursor, encode_cursor

ORDER = "tickets:priority:asc"


def written(text: str) -> str:
    """A cursor made by hand."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "position",
    [
        pytest.param(["a"], id="one-part"),
        pytest.param([3, 12], id="numbers"),
        pytest.param(["2026-03-02T09:00:00+00:00", 12], id="a-time-and-a-number"),
        pytest.param(["ä??>>", 1], id="signs-that-plain-base64-spells-with-slashes"),
        pytest.param([2**63 - 1, 1 - 2**63], id="the-ends-of-bigint"),
        pytest.param([], id="no-parts"),
    ],
)
def test_a_cursor_is_read_back(position: list[str | int]) -> None:
    kinds = tuple(type(part) for part in position)
    assert decode_cursor(encode_cursor(ORDER, position), ORDER, kinds) == position


@pytest.mark.parametrize("length", range(1, 5))
def test_a_cursor_travels_in_a_url_as_it_is(length: int) -> None:
    cursor = encode_cursor(ORDER, ["?" * length, length])
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_is_short() -> None:
    assert encode_cursor("a", ["b", 1]) == "WyJhIiwiYiIsMV0"


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="not-base64"),
        pytest.param("é", id="not-ascii"),
        pytest.param(written("tickets"), id="not-json"),
        pytest.param("_w", id="not-utf-8"),
        pytest.param(written("[" * 10_000), id="nested-too-deep"),
        pytest.param(written('{"a":1}'), id="not-a-list"),
        pytest.param(written("[]"), id="an-empty-list"),
        pytest.param(encode_cursor("tickets:status:asc", [1, 12]), id="of-another-order"),
        pytest.param(encode_cursor(ORDER, [1]), id="a-part-short"),
        pytest.param(encode_cursor(ORDER, [1, 12, 12]), id="a-part-long"),
        pytest.param(encode_cursor(ORDER, ["1", 12]), id="text-for-a-number"),
        pytest.param(written(f'["{ORDER}",true,12]'), id="a-boolean-for-a-number"),
        pytest.param(written(f'["{ORDER}",1.0,12]'), id="a-fraction"),
        pytest.param(encode_cursor(ORDER, [1, 2**63]), id="past-bigint"),
        pytest.param(encode_cursor(ORDER, [-(2**63), 1]), id="below-bigint"),
    ],
)
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor) as refusal:
        decode_cursor(cursor, ORDER, (int, int))
    assert str(refusal.value) == (
        "That cursor does not fit this call. Pass next_cursor as it came, with the same "
        "arguments, or leave the cursor out to start at the beginning."
    )


@pytest.mark.parametrize(
    "text",
    [pytest.param("a\x00", id="null-character"), pytest.param("\ud800", id="lone-surrogate")],
)
def test_text_that_no_database_holds_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(ORDER, [text]), ORDER, (str,))
