"""What the readers make of git's output, and what git itself says of the same commit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hephaestus_tickets.adapters.git.diffing import DIFF_ARGUMENTS, DiffReader
from hephaestus_tickets.adapters.git.parsing import SUMMARY_ARGUMENTS, CommitReader
from hephaestus_tickets.domain.commits import (
    Commit,
    CommitDiff,
    DiffPlace,
    DiffWindow,
    FileDiff,
    Hunk,
)
from tests.adapters.git_repositories import Repo

MANY = 1_000_000
NO_NEWLINE = "\\ No newline at end of file"


def in_chunks(output: bytes, size: int) -> Iterator[bytes]:
    return (output[at : at + size] for at in range(0, len(output), size))


def summary(output: bytes, *, first: int = 0, count: int = MANY, size: int = 65_536) -> Commit:
    reader = CommitReader(first, count)
    for chunk in in_chunks(output, size):
        reader.feed(chunk)
    return reader.result()


def page(output: bytes, window: DiffWindow, *, size: int = 65_536) -> CommitDiff:
    reader = DiffReader(window)
    if not any(reader.feed(chunk) for chunk in in_chunks(output, size)):
        reader.close()
    return reader.result()


def window(**changed: object) -> DiffWindow:
    return DiffWindow(**{"files": MANY, "budget": MANY, **changed})  # type: ignore[arg-type] # a test's shorthand


def pages(output: bytes, *, files: int, budget: int, path: str = "") -> list[CommitDiff]:
    """All of them, each from where the one before ended; each goes on."""
    found: list[CommitDiff] = []
    start: DiffPlace | None = DiffPlace()
    while start:
        asked = DiffWindow(start=start, files=files, budget=budget, path=path)
        found.append(page(output, asked))
        after = found[-1].goes_on
        assert after is None or (after.file, after.line) > (start.file, start.line)
        start = after
    return found


def whole(found: Sequence[CommitDiff]) -> list[FileDiff]:
    """The files of all pages, those that were cut put together again."""
    files: list[FileDiff] = []
    is_cut = False
    for file in (file for diff in found for file in diff.files):
        if is_cut:
            assert file.change == files[-1].change
            hunks = files[-1].hunks + file.hunks
            files[-1] = FileDiff(change=file.change, hunks=hunks)
        else:
            files.append(FileDiff(change=file.change, hunks=file.hunks))
        is_cut = file.is_cut
    assert not is_cut
    return files


def lines_of(hunks: Sequence[Hunk]) -> list[str]:
    return [line for hunk in hunks for line in hunk.text.split("\n")]


def size(files: Sequence[FileDiff]) -> int:
    """Bytes of what a reply has of them."""
    return len(json.dumps([_shape(file) for file in files], ensure_ascii=False,
                          separators=(",", ":")).encode())  # fmt: skip


def _shape(file: FileDiff) -> dict[str, object]:
    change = file.change
    return {
        "path": change.path,
        **({"old_path": change.old_path} if change.old_path else {}),
        "status": change.status,
        "insertions": change.insertions,
        "deletions": change.deletions,
        **({"is_binary": True} if change.is_binary else {}),
        **({"is_cut": True} if file.is_cut else {}),
        "hunks": [_hunk_shape(hunk) for hunk in file.hunks],
    }


def _hunk_shape(hunk: Hunk) -> dict[str, object]:
    return {
        "old_start": hunk.old_start,
        "old_lines": hunk.old_lines,
        "new_start": hunk.new_start,
        "new_lines": hunk.new_lines,
        "section": hunk.section,
        "text": hunk.text,
    }


def applied(old: Sequence[str], hunks: Sequence[Hunk]) -> list[str]:
    """The new file's lines; each hunk is checked against its own numbers and the old file."""
    new: list[str] = []
    at = 0
    for hunk in hunks:
        begin = hunk.old_start - 1 if hunk.old_lines else hunk.old_start
        assert begin >= at
        new += old[at:begin]
        assert len(new) == (hunk.new_start - 1 if hunk.new_lines else hunk.new_start)
        removed, added = sides(hunk)
        assert old[begin : begin + hunk.old_lines] == removed
        assert (len(removed), len(added)) == (hunk.old_lines, hunk.new_lines)
        new += added
        at = begin + hunk.old_lines
    return [*new, *old[at:]]


def sides(hunk: Hunk) -> tuple[list[str], list[str]]:
    """Its lines of the old file and of the new one, with their line feeds."""
    old: list[str] = []
    new: list[str] = []
    last: list[list[str]] = []
    for line in hunk.text.split("\n"):
        if line == NO_NEWLINE:
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
            continue
        last = [side for side, other in ((old, "+"), (new, "-")) if line[0] != other]
        for side in last:
            side.append(line[1:] + "\n")
    return old, new


def text_lines(content: bytes) -> list[str]:
    """As a diff shows them, with their line feeds."""
    lines = [line.decode("utf-8", "replace") + "\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines if lines[-1] else lines[:-1]


def shown(repo: Repo, sha: str) -> bytes:
    """What the adapter's process writes of a commit."""
    return repo.git_bytes("show", *DIFF_ARGUMENTS, "--end-of-options", f"{sha}^{{commit}}")


def listed(repo: Repo, sha: str) -> bytes:
    return repo.git_bytes("show", *SUMMARY_ARGUMENTS, "--end-of-options", f"{sha}^{{commit}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a commit as `git diff-tree` has it."""

    status: str
    old_mode: str
    new_mode: str
    old_blob: str
    new_blob: str
    old_path: bytes
    path: bytes
    insertions: str
    deletions: str


_DIFF_TREE = ("diff-tree", "-r", "-z", "-M", "-C", "-l1000", "--no-abbrev")


def entries(repo: Repo, sha: str) -> list[Entry]:
    """Against the first parent, or the empty tree."""
    parents = repo.git("rev-list", "--parents", "-1", sha).split()[1:]
    trees = [parents[0], sha] if parents else [repo.git("mktree"), sha]
    raw = iter(repo.git_bytes(*_DIFF_TREE, "--raw", *trees).split(b"\0")[:-1])
    lines = iter(repo.git_bytes(*_DIFF_TREE, "--numstat", *trees).split(b"\0")[:-1])
    return [_entry(head.decode(), raw, lines) for head in raw]


def _entry(head: str, raw: Iterator[bytes], lines: Iterator[bytes]) -> Entry:
    old_mode, new_mode, old_blob, new_blob, status = head.removeprefix(":").split(" ")
    old_path = next(raw)
    path = next(raw) if status[0] in "RC" else old_path
    insertions, deletions, named = next(lines).split(b"\t", 2)
    if not named:
        assert next(lines) == old_path
        named = next(lines)
    assert named == path
    return Entry(
        status=status[0],
        old_mode=old_mode,
        new_mode=new_mode,
        old_blob=old_blob,
        new_blob=new_blob,
        old_path=old_path,
        path=path,
        insertions=insertions.decode(),
        deletions=deletions.decode(),
    )


def content(repo: Repo, mode: str, blob: str) -> bytes:
    """What a diff compares."""
    if mode == "000000":
        return b""
    if mode == "160000":
        return b"Subproject commit %s\n" % blob.encode()
    return repo.git_bytes("cat-file", "blob", blob)


def patch_bodies(repo: Repo, sha: str) -> list[list[str]]:
    """The lines of each section of what `git show` prints, without any head."""
    printed = repo.git_bytes(
        "show", "--format=", "-p", "-M", "-C", "-l1000", "--diff-merges=first-parent", sha
    )
    bodies: list[list[str]] = []
    is_body = False
    for line in printed.split(b"\n")[:-1]:
        if line.startswith(b"diff --git "):
            bodies.append([])
            is_body = False
        elif line.startswith(b"@@ "):
            is_body = True
        elif is_body:
            bodies[-1].append(line.decode("utf-8", "replace"))
    return bodies
