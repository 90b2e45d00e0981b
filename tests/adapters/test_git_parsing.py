"""A commit and its list of files, read from what `git show` writes."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.adapters.git.parsing import CommitReader, UnreadableOutput
from hephaestus_tickets.domain.commits import FileChange, FileStatus
from tests.adapters.git_reading import listed, summary
from tests.adapters.git_repositories import FIRST, new_repository

SHA, PARENT, OTHER = "a" * 40, "b" * 40, "c" * 40
ZERO = "0" * 40


def header(
    *,
    sha: str = SHA,
    parents: str = PARENT,
    name: bytes = b"Ada",
    address: bytes = b"ada@example.org",
    authored: bytes = b"1700000000",
    committed: bytes = b"1700000060",
    message: bytes = b"Say\n",
) -> bytes:
    fields = (sha.encode(), parents.encode(), name, address, authored, committed, message)
    return b"".join(field + b"\0" for field in fields) + b"\0"


def raw(letter: str, *names: bytes, modes: str = "100644 100644") -> bytes:
    return f":{modes} {PARENT} {OTHER} {letter}\0".encode() + b"".join(n + b"\0" for n in names)


def lines(counts: str, *names: bytes) -> bytes:
    """As for a renamed file where there are two names."""
    before = b"\0" if len(names) > 1 else b""
    return counts.replace(" ", "\t").encode() + b"\t" + before + b"".join(n + b"\0" for n in names)


MODIFIED = header() + b"\n" + raw("M", b"a.py") + lines("3 1", b"a.py")
HEADER = header(message="Zwölf\n\nMore\n\n".encode())
MANY = (
    HEADER
    + b"\n"
    + raw("A", b"new", modes="000000 100644")
    + raw("R086", b"old\xff", b"to\there")
    + raw("D", b"link", modes="120000 000000")
    + raw("C100", b"new", b"copy\nof it")
    + raw("T", b"kind", modes="100644 120000")
    + raw("M", b"vendor", modes="160000 160000")
    + lines("12 0", b"new")
    + lines("1 2", b"old\xff", b"to\there")
    + lines("0 1", b"link")
    + lines("0 0", b"new", b"copy\nof it")
    + lines("- -", b"kind")
    + lines("1 1", b"vendor")
)

ENTRIES = [
    pytest.param(
        raw("A", b"a", modes="000000 100644") + lines("2 0", b"a"),
        FileChange(path="a", status=FileStatus.ADDED, insertions=2),
        id="added",
    ),
    pytest.param(
        raw("A", b"a", modes="000000 100644") + lines("0 0", b"a"),
        FileChange(path="a", status=FileStatus.ADDED),
        id="added, empty",
    ),
    pytest.param(
        raw("M", b" a ", modes="100644 100755") + lines("0 0", b" a "),
        FileChange(path=" a ", status=FileStatus.MODIFIED),
        id="only its mode",
    ),
    pytest.param(
        raw("M", b'a\\b"c\n\t') + lines("- -", b'a\\b"c\n\t'),
        FileChange(path='a\\b"c\n\t', status=FileStatus.MODIFIED, is_binary=True),
        id="binary, named oddly",
    ),
    pytest.param(
        raw("D", b"1\t2\t3") + lines("0 7", b"1\t2\t3"),
        FileChange(path="1\t2\t3", status=FileStatus.DELETED, deletions=7),
        id="deleted, named like counts",
    ),
    pytest.param(
        raw("R100", b":a", b":b") + lines("0 0", b":a", b":b"),
        FileChange(path=":b", old_path=":a", status=FileStatus.RENAMED),
        id="renamed",
    ),
    pytest.param(
        raw("C075", b"\xff\xfe", "ä".encode()) + lines("4 5", b"\xff\xfe", "ä".encode()),
        FileChange(
            path="ä", old_path="\\xff\\xfe", status=FileStatus.COPIED, insertions=4, deletions=5
        ),
        id="copied, from what is not UTF-8",
    ),
    pytest.param(
        raw("T", b"a", modes="100644 120000") + lines("1 1", b"a"),
        FileChange(path="a", status=FileStatus.TYPE_CHANGED, insertions=1, deletions=1),
        id="of another type",
    ),
    pytest.param(
        raw("T", b"a", modes="160000 100644") + lines("1 1", b"a"),
        FileChange(
            path="a",
            status=FileStatus.TYPE_CHANGED,
            insertions=1,
            deletions=1,
            is_submodule=True,
        ),
        id="no submodule any more",
    ),
    pytest.param(
        raw("A", b"a", modes="000000 160000") + lines("1 0", b"a"),
        FileChange(path="a", status=FileStatus.ADDED, insertions=1, is_submodule=True),
        id="a new submodule",
    ),
]


@pytest.mark.parametrize(("written", "expected"), ENTRIES)
def test_a_file_is_told_as_git_lists_it(written: bytes, expected: FileChange) -> None:
    commit = summary(header() + b"\n" + written)
    assert commit.files == (expected,)
    assert (commit.files_changed, commit.insertions, commit.deletions) == (
        1,
        expected.insertions,
        expected.deletions,
    )


def test_a_commit_is_told_with_its_people_times_and_words() -> None:
    commit = summary(header(parents=f"{PARENT} {OTHER}", message=b" Say\n\nwhy\xe9\n\n\n"))
    assert (commit.sha, commit.parents) == (SHA, (PARENT, OTHER))
    assert commit.author == "Ada <ada@example.org>"
    assert commit.authored_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert commit.committed_at == datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)
    assert commit.message == " Say\n\nwhy�"
    assert (commit.files_changed, commit.files) == (0, ())


def test_a_commit_without_a_parent_has_none() -> None:
    assert summary(header(parents="")).parents == ()


def test_an_author_without_a_name_is_an_address() -> None:
    assert summary(header(name=b"")).author == "<ada@example.org>"


@pytest.mark.parametrize(
    "seconds", [b"", b"-5", b"x", b"253402300800", b"253370764800", b"9" * 20, b"9" * 5_000]
)
def test_a_time_that_is_none_is_the_beginning_of_time(seconds: bytes) -> None:
    commit = summary(header(authored=seconds))
    assert commit.authored_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_last_time_of_all_is_of_the_year_9998() -> None:
    assert summary(header(committed=b"253370764799")).committed_at.year == 9998


def test_only_the_wanted_files_are_kept_and_all_are_counted() -> None:
    commit = summary(MANY, first=1, count=2)
    assert [file.path for file in commit.files] == ["to\there", "link"]
    assert (commit.files_changed, commit.insertions, commit.deletions) == (6, 14, 4)


def test_what_follows_the_list_is_the_patchs() -> None:
    reader = CommitReader(0, 9)
    assert reader.feed(MODIFIED + b"\0diff --git a/") == b"diff --git a/"
    assert reader.is_listed
    assert reader.feed(b"\0") == b"\0"
    assert reader.result().files_changed == 1


@given(st.lists(st.integers(0, len(MANY)), max_size=30))
def test_where_the_output_is_cut_into_chunks_is_all_the_same(cuts: list[int]) -> None:
    reader, expected = CommitReader(0, 9), summary(MANY)
    places = [0, *sorted(cuts), len(MANY)]
    for begin, end in pairwise(places):
        reader.feed(MANY[begin:end])
    assert reader.result() == expected


def test_bytes_that_come_one_by_one_are_read_too() -> None:
    assert summary(MANY, size=1) == summary(MANY)


def test_output_that_ends_too_early_is_refused() -> None:
    # A header alone is all of a commit without files.
    for end in {*range(len(MANY))} - {len(HEADER)}:
        with pytest.raises(UnreadableOutput):
            summary(MANY[:end])


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"fatal: no\0" * 9, id="words"),
        pytest.param(header(sha="x" * 40), id="no sha"),
        pytest.param(header() + b"\n" + raw("X", b"a") + lines("1 1", b"a"), id="no status"),
        pytest.param(header() + b"\n" + raw("M", b"") + lines("1 1", b"a"), id="no name"),
        pytest.param(header() + b"\n" + raw("M", b"a") + lines("1 1", b"b"), id="another name"),
        pytest.param(header() + b"\n" + raw("M", b"a") + b"\0", id="no lines"),
        pytest.param(header() + lines("1 1", b"a"), id="no entry"),
        pytest.param(MODIFIED + raw("M", b"a"), id="an entry after the lines"),
        pytest.param(MODIFIED + lines("9" * 5_000 + " 1", b"a"), id="too many lines"),
    ],
)
def test_output_that_is_none_is_refused(output: bytes) -> None:
    with pytest.raises(UnreadableOutput):
        summary(output)


def test_a_long_message_is_cut() -> None:
    commit = summary(header(message="ä".encode() * 10_001))
    assert commit.message == "ä" * 9_999 + "…"
    assert summary(header(message=b"a" * 10_000 + b"\n")).message == "a" * 10_000


def test_a_long_path_is_cut() -> None:
    name = b"d/" * 4_000
    commit = summary(header() + b"\n" + raw("A", name) + lines("1 0", name))
    assert commit.files[0].path == "d/" * 2_048 + "…"


def test_what_is_not_kept_costs_no_memory() -> None:
    reader = CommitReader(0, 50)
    reader.feed(header()[:-2])
    entries = b"\0\0\n" + b"".join(raw("M", b"%d/%b" % (at, b"a" * 5_000)) for at in range(100))
    tracemalloc.start()
    for _ in range(50):
        reader.feed(b"m" * 100_000)
    for _ in range(50):
        reader.feed(entries)
        entries = entries.removeprefix(b"\0\0\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_500_000


def test_a_commit_of_git_itself_is_read(tmp_path: Path) -> None:
    repo = new_repository(tmp_path)
    repo.commit({"a": "1\n"}, "First")
    sha = repo.commit({"a": "1\n2\n", "b": b"\0"}, "Second\n\nMore\n")
    commit = summary(listed(repo, sha))
    assert (commit.sha, commit.parents) == (sha, (repo.sha("HEAD~"),))
    assert commit.author == "Ada Lovelace <ada@example.org>"
    assert (commit.authored_at - FIRST).total_seconds() == 60
    assert commit.message == "Second\n\nMore"
    assert commit.files == (
        FileChange(path="a", status=FileStatus.MODIFIED, insertions=1),
        FileChange(path="b", status=FileStatus.ADDED, is_binary=True),
    )


def test_a_commit_with_shas_of_sha256_is_read(tmp_path: Path) -> None:
    repo = new_repository(tmp_path, object_format="sha256")
    sha = repo.commit({"a": "1\n"})
    assert (summary(listed(repo, sha)).sha, len(sha)) == (sha, 64)


@pytest.mark.parametrize(
    ("person", "author"),
    [
        pytest.param(b"A <a@b> 99999999999999999999 +0000", "A <a@b>", id="beyond all time"),
        pytest.param(b"A <a@b> -5 +0000", "A <a@b>", id="before 1970"),
        pytest.param(b"A <a@b> now", "A <a@b>", id="no number"),
        pytest.param(b"A <a@b>", "A <a@b>", id="no time"),
        pytest.param(b"A a@b 0 +0000", "<>", id="no address"),
        pytest.param(b"\xe9 <a@b> 0 +0000", "� <a@b>", id="not UTF-8"),
    ],
)
def test_a_broken_commit_is_told_as_far_as_it_goes(
    tmp_path: Path, person: bytes, author: str
) -> None:
    repo = new_repository(tmp_path)
    tree = repo.git("mktree").encode()
    body = b"tree %s\nauthor %s\ncommitter %s\n\nSay\n\0hidden\n" % (tree, person, person)
    sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=body)
    commit = summary(listed(repo, sha))
    assert (commit.author, commit.message) == (author, "Say")
    assert commit.authored_at == commit.committed_at == datetime(1970, 1, 1, tzinfo=UTC)
