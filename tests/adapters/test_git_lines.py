"""The lines of a diff as they are shown, however long they are."""

from __future__ import annotations

import tracemalloc

import pytest

from hephaestus_tickets.adapters.git.diffing import DiffReader
from hephaestus_tickets.domain.commits import DiffPlace, DiffWindow
from tests.adapters.git_patches import commit, lines_in, modified
from tests.adapters.git_reading import in_chunks, page, window


def one_line(text: bytes) -> bytes:
    return commit(modified(b"a", b"@@ -0,0 +1 @@\n+" + text + b"\n", counts=b"1 0"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(b"a\r", "a\r", id="a carriage return"),
        pytest.param(b"caf\xe9 \xf0\x9f", "caf� �", id="not UTF-8"),
        pytest.param(b"a\0b", "a␀b", id="a NUL"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"diff --git a/b b/b", "diff --git a/b b/b", id="like a section"),
        pytest.param(b"@@ -1 +1 @@", "@@ -1 +1 @@", id="like a hunk"),
        pytest.param("\u2028\x85\x0c".encode(), "\u2028\x85\x0c", id="other ends of lines"),
        pytest.param(b"x" * 2_000, "x" * 2_000, id="as long as is shown"),
        pytest.param(b"x" * 2_001, "x" * 2_000 + "… (+1 characters)", id="too long"),
        pytest.param("ä".encode() * 2_500, "ä" * 2_000 + "… (+500 characters)", id="wide"),
        pytest.param(b"\xff" * 2_500, "�" * 2_000 + "… (+500 characters)", id="no characters"),
        pytest.param(
            "🐍".encode() * 100_000, "🐍" * 2_000 + "… (+98000 characters)", id="more than is held"
        ),
    ],
)
@pytest.mark.parametrize("chunk", [997, 1_000_000])
def test_a_lines_text_is_shown(text: bytes, shown: str, chunk: int) -> None:
    diff = page(one_line(text), window(), size=chunk)
    assert lines_in(diff) == ["+" + shown]
    assert diff.cut_lines == ("(+" in shown)


def test_an_empty_line_without_its_sign_is_one_of_both_files() -> None:
    output = commit(modified(b"a", b"@@ -1,3 +1,3 @@\n\n-a\n+b\n\n"))
    assert lines_in(page(output, window())) == [" ", "-a", "+b", " "]
    assert lines_in(page(output, window(start=DiffPlace(line=3)))) == [" "]


@pytest.mark.parametrize("place", [DiffPlace(), DiffPlace(line=1), DiffPlace(file=1)])
def test_a_line_of_50_megabytes_is_never_held(place: DiffPlace) -> None:
    head, tail = one_line(b"LONG").replace(b"@@ -0,0 +1 @@", b"@@ -0,0 +1,2 @@").split(b"LONG")
    reader = DiffReader(DiffWindow(start=place, files=1, budget=58_000))
    reader.feed(head)
    piece = b"x" * 65_536
    tracemalloc.start()
    ended = [reader.feed(piece) for _ in range(800)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    if any(ended):
        return
    reader.feed(tail + b"+end\n")
    reader.close()
    shown = lines_in(reader.result())
    assert shown[place.line == 0 :] == ["+end"]


def test_a_page_is_all_that_is_held_of_a_large_diff() -> None:
    body = b"".join(b"+line %d\n" % at for at in range(100_000))
    output = commit(modified(b"a", b"@@ -0,0 +1,100000 @@\n" + body, counts=b"100000 0"))
    chunks = list(in_chunks(output, 65_536))
    for place in (DiffPlace(), DiffPlace(line=99_990)):
        reader = DiffReader(DiffWindow(start=place, files=50, budget=58_000))
        tracemalloc.start()
        any(reader.feed(chunk) for chunk in chunks)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_500_000
