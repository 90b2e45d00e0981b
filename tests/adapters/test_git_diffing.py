"""A page of a commit's diff, read from what `git show` writes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.adapters.git.diffing import DiffReader
from hephaestus_tickets.adapters.git.parsing import UnreadableOutput
from hephaestus_tickets.domain.commits import DiffPlace, DiffWindow, FileStatus, Hunk
from tests.adapters.git_patches import HEADER, commit, lines_in, modified
from tests.adapters.git_reading import lines_of, page, pages, whole, window

FIRST = b"@@ -1,4 +1,5 @@\n one\n-two\n+2\n+zwei\n three\n four\n"
SECOND = b"@@ -20,3 +21,2 @@ def f(x):\n twenty\n-gone\n last\n"
LINES = [*FIRST.decode().splitlines()[1:], *SECOND.decode().splitlines()[1:]]
TWO_HUNKS = commit(modified(b"a.py", FIRST, SECOND, counts=b"2 2"))

MODE = ("M", b"x", b"0 0", b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n")
BINARY = (
    "M",
    b"b.bin",
    b"- -",
    b"diff --git a/b.bin b/b.bin\nindex 1..2 100644\nBinary files a/b.bin and b/b.bin differ\n",
)
RENAMED = (
    "R100",
    b"o ld\0n\tew",
    b"0 0",
    b'diff --git a/o ld "b/n\\tew"\nsimilarity index 100%\nrename from o ld\nrename to "n\\tew"\n',
)
EMPTY = ("A", b"e", b"0 0", b"diff --git a/e b/e\nnew file mode 100644\nindex 0..e\n")
TYPE = (
    "T",
    b"\xff",
    b"0 0",
    (
        b'diff --git "a/\\377" "b/\\377"\ndeleted file mode 100644\nindex 1..0\n--- "a/\\377"\n'
        b"+++ /dev/null\n@@ -1 +0,0 @@\n-to\n\\ No newline at end of file\n"
        b'diff --git "a/\\377" "b/\\377"\nnew file mode 120000\nindex 0..1\n--- /dev/null\n'
        b'+++ "b/\\377"\n@@ -0,0 +1 @@\n+to\n\\ No newline at end of file\n'
    ),
)
MANY = commit(modified(b"a.py", FIRST, SECOND, counts=b"2 2"), MODE, BINARY, RENAMED, EMPTY, TYPE)


def test_a_hunk_is_told_with_its_numbers_section_and_lines() -> None:
    diff = page(TWO_HUNKS, window())
    assert diff.files[0].hunks == (
        Hunk(
            old_start=1,
            old_lines=4,
            new_start=1,
            new_lines=5,
            section="",
            text=" one\n-two\n+2\n+zwei\n three\n four",
        ),
        Hunk(
            old_start=20,
            old_lines=3,
            new_start=21,
            new_lines=2,
            section="def f(x):",
            text=" twenty\n-gone\n last",
        ),
    )
    assert (diff.goes_on, diff.cut_lines, diff.files[0].is_cut) == (None, 0, False)


def test_files_without_lines_are_told_without_hunks() -> None:
    files = page(MANY, window()).files
    assert [(file.change.path, len(file.hunks)) for file in files] == [
        ("a.py", 2),
        ("x", 0),
        ("b.bin", 0),
        ("n\tew", 0),
        ("e", 0),
        ("\\xff", 2),
    ]


def test_a_change_of_type_is_an_end_and_a_beginning_of_one_file() -> None:
    file = page(commit(TYPE), window()).files[0]
    assert file.change.status is FileStatus.TYPE_CHANGED
    assert [hunk.text for hunk in file.hunks] == [
        "-to\n\\ No newline at end of file",
        "+to\n\\ No newline at end of file",
    ]


@pytest.mark.parametrize("skipped", range(len(LINES) + 1))
def test_the_rest_of_a_file_has_the_numbers_of_its_lines(skipped: int) -> None:
    diff = page(TWO_HUNKS, window(start=DiffPlace(line=skipped)))
    hunks = diff.files[0].hunks
    assert (lines_of(hunks) if hunks else []) == LINES[skipped:]
    for hunk in hunks:
        first = hunk.text.split("\n")[0]
        assert _number(LINES.index(first), "+") == hunk.old_start + (not hunk.old_lines)
        assert _number(LINES.index(first), "-") == hunk.new_start + (not hunk.new_lines)
        assert hunk.old_lines == sum(line[0] != "+" for line in hunk.text.split("\n"))
        assert hunk.new_lines == sum(line[0] != "-" for line in hunk.text.split("\n"))


def _number(index: int, other: str) -> int:
    """Of a line in the old or new file; `other` is the sign of those that are not in it."""
    begin, number = (6, 20 if other == "+" else 21) if index >= 6 else (0, 1)
    return number + sum(line[0] != other for line in LINES[begin:index])


def test_a_cut_hunk_has_the_numbers_of_what_is_shown() -> None:
    first, second, *_ = pages(TWO_HUNKS, files=9, budget=300)
    assert first.files[0].is_cut
    assert first.goes_on == DiffPlace(file=0, line=len(lines_in(first)))
    assert first.files[0].hunks[0].old_start == 1
    assert second.files[0].change == first.files[0].change


def test_a_page_takes_a_line_however_little_fits() -> None:
    found = pages(TWO_HUNKS, files=9, budget=0)
    assert [lines_in(diff) for diff in found] == [[line] for line in LINES]


def test_a_remark_on_a_line_is_on_the_lines_page() -> None:
    found = pages(commit(TYPE), files=9, budget=0)
    assert [lines_in(diff) for diff in found] == [
        ["-to", "\\ No newline at end of file"],
        ["+to", "\\ No newline at end of file"],
    ]


def test_a_file_of_which_nothing_fits_is_left_to_the_next_page() -> None:
    output = commit(modified(b"a", FIRST), modified(b"b", SECOND))
    first, second = pages(output, files=9, budget=470)
    assert [file.change.path for file in first.files] == ["a"]
    assert not first.files[0].is_cut
    assert first.goes_on == DiffPlace(file=1)
    assert [file.change.path for file in second.files] == ["b"]


def test_a_page_ends_after_so_many_files() -> None:
    found = pages(MANY, files=4, budget=58_000)
    assert [len(diff.files) for diff in found] == [4, 2]
    assert found[0].goes_on == DiffPlace(file=4)


def test_a_page_knows_that_it_has_all_before_gits_output_ends() -> None:
    reader = DiffReader(DiffWindow(files=1, budget=58_000))
    end = MANY.index(b"diff --git a/x")
    assert not reader.feed(MANY[:end])
    assert reader.feed(MANY[end : end + 20])
    assert reader.result().goes_on == DiffPlace(file=1)


def test_a_list_without_hunks_needs_no_patch() -> None:
    reader = DiffReader(DiffWindow(files=9, budget=58_000, has_hunks=False))
    assert reader.feed(MANY[: MANY.index(b"diff --git")])
    diff = reader.result()
    assert [file.change.path for file in diff.files] == [
        "a.py",
        "x",
        "b.bin",
        "n\tew",
        "e",
        "\\xff",
    ]
    assert not lines_in(diff)
    assert reader.result() == diff


def test_a_list_without_hunks_is_within_its_budget_too() -> None:
    diff = page(MANY, window(has_hunks=False, budget=500))
    assert 1 < len(diff.files) < 6
    assert diff.goes_on == DiffPlace(file=len(diff.files))


@pytest.mark.parametrize("has_hunks", [True, False])
def test_a_page_beyond_the_last_file_is_empty(has_hunks: bool) -> None:
    diff = page(MANY, window(start=DiffPlace(file=6), has_hunks=has_hunks))
    assert (diff.files, diff.goes_on) == ((), None)
    assert diff.commit.files_changed == 6


@pytest.mark.parametrize("has_hunks", [True, False])
def test_a_commit_without_files_has_an_empty_diff(has_hunks: bool) -> None:
    diff = page(HEADER.removesuffix(b"\n"), window(has_hunks=has_hunks))
    assert (diff.files, diff.goes_on) == ((), None)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("e", ["e"], id="its name"),
        pytest.param("o ld", ["n\tew"], id="its old name"),
        pytest.param("\\xff", ["\\xff"], id="its name as it is shown"),
        pytest.param("py", [], id="a part"),
    ],
)
def test_one_file_is_found_by_its_name(path: str, found: list[str]) -> None:
    diff = page(MANY, window(path=path, start=DiffPlace(file=99)))
    assert [file.change.path for file in diff.files] == found
    assert diff.goes_on is None


def test_a_name_is_of_the_file_that_has_it_before_one_that_had_it() -> None:
    head = b"diff --git a/a b/%b\nsimilarity index 100%%\ncopy from a\ncopy to %b\n"
    output = commit(
        ("C100", b"a\0Z", b"0 0", head % (b"Z", b"Z")),
        modified(b"a", FIRST),
        ("C100", b"a\0z", b"0 0", head % (b"z", b"z")),
    )
    assert [file.change.path for file in page(output, window(path="a")).files] == ["a"]


def test_one_file_goes_on_over_its_pages() -> None:
    output = commit(modified(b"a", FIRST), modified(b"b", FIRST, SECOND), modified(b"c", SECOND))
    found = pages(output, files=1, budget=400, path="b")
    assert len(found) > 1
    assert [file.change.path for file in whole(found)] == ["b"]
    assert [line for diff in found for line in lines_in(diff)] == LINES


@given(
    st.lists(st.integers(0, len(MANY)), max_size=30),
    st.integers(0, 6),
    st.integers(0, 9),
    st.sampled_from([1, 300, 58_000]),
)
def test_where_the_output_is_cut_into_chunks_is_all_the_same(
    cuts: list[int], file: int, line: int, budget: int
) -> None:
    asked = window(start=DiffPlace(file=file, line=line), budget=budget)
    reader, places = DiffReader(asked), [0, *sorted(cuts), len(MANY)]
    if not any(reader.feed(MANY[begin:end]) for begin, end in pairwise(places)):
        reader.close()
    assert reader.result() == page(MANY, asked)


@pytest.mark.parametrize("line", range(10))
def test_bytes_that_come_one_by_one_are_read_too(line: int) -> None:
    asked = window(start=DiffPlace(line=line))
    assert page(MANY, asked, size=1) == page(MANY, asked)


def test_output_that_ends_too_early_is_refused() -> None:
    # Of the last section alone nobody can tell whether a hunk was to follow.
    last = MANY.rindex(b"diff --git")
    for end in range(len(HEADER), last):
        with pytest.raises(UnreadableOutput):
            page(MANY[:end], window())


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(b"diff --git a/b b/b\n@@ -0,0 +1 @@\n+a\n", id="another file's"),
        pytest.param(b"diff --git a/a b/a\n@@ nonsense @@\n+a\n", id="no numbers"),
        pytest.param(b"diff --git a/a b/a\n@@ -1 +1 @@\n+a\n+b\n", id="too many lines"),
        pytest.param(b"diff --git a/a b/a\n@@ -0,0 +1,2 @@\n+a\n", id="too few lines"),
        pytest.param(b"diff --git a/a b/a\n@@ -0,0 +1 @@\n*a\n", id="no sign"),
        pytest.param(b"diff --git a/a b/a\n@@ -0,0 +1 @@\n+a", id="no end"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_patch_that_is_none_is_refused(patch: bytes) -> None:
    with pytest.raises(UnreadableOutput):
        page(commit(("A", b"a", b"1 0", patch)), window())
