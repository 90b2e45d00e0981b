"""What `git show` writes of a commit, made by hand."""

from __future__ import annotations

from hephaestus_tickets.domain.commits import CommitDiff
from tests.adapters.git_reading import lines_of

HEADER = b"\0".join([b"a" * 40, b"b" * 40, b"A", b"a@b", b"5", b"6", b"Say\n", b"", b"\n"])
ONES, TWOS = b"1" * 40, b"2" * 40


def commit(*files: tuple[str, bytes, bytes, bytes]) -> bytes:
    """Of files with a letter, names, counts and a patch."""
    raw = b"".join(_raw(letter, names) for letter, names, _, _ in files)
    lines = b"".join(_lines(names, counts) for _, names, counts, _ in files)
    return HEADER + raw + lines + b"\0" + b"".join(patch for _, _, _, patch in files)


def _raw(letter: str, names: bytes) -> bytes:
    return b":100644 100644 %b %b %b\0%b\0" % (ONES, TWOS, letter.encode(), names)


def _lines(names: bytes, counts: bytes) -> bytes:
    return b"%b\t%b%b\0" % (counts.replace(b" ", b"\t"), b"\0" if b"\0" in names else b"", names)


def modified(name: bytes, *hunks: bytes, counts: bytes = b"1 1") -> tuple[str, bytes, bytes, bytes]:
    head = b"diff --git a/%b b/%b\nindex 1..2 100644\n--- a/%b\n+++ b/%b\n" % ((name,) * 4)
    return "M", name, counts, head + b"".join(hunks)


def lines_in(diff: CommitDiff) -> list[str]:
    return [line for file in diff.files if file.hunks for line in lines_of(file.hunks)]
