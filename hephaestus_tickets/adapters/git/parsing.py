"""What `git show` says of one commit, read while it arrives: the header and the list of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hephaestus_tickets.domain.commits import Commit, FileChange, FileStatus
from hephaestus_tickets.domain.text import ELLIPSIS, clip

# Git keeps NULs out of names and messages alike: a message ends where one begins.
COMMIT_FORMAT = "--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%B%x00"
HEADER_FIELDS = 7

# After `show`, before `--end-of-options <sha>^{commit}`. All that a repository's configuration
# could change is said here. `--unified` is not: it asks for the patch too.
SUMMARY_ARGUMENTS = (
    COMMIT_FORMAT,
    "--encoding=UTF-8",
    "--no-show-signature",
    "--no-notes",
    "--no-color",
    "--root",
    "--diff-merges=first-parent",
    "-r",
    "-z",
    "--raw",
    "--numstat",
    "--no-abbrev",
    "-M",
    "-C",
    "-l1000",
    "-O/dev/null",
    "--no-relative",
    "--no-ext-diff",
    "--no-textconv",
    "--diff-algorithm=default",
    "--submodule=short",
    "--ignore-submodules=none",
)

MESSAGE_CHARACTERS = 10_000
NAME_CHARACTERS = 1_000
PATH_BYTES = 4_096
# A character takes four bytes at most; one more than is shown tells that there is more.
FIELD_BYTES = 4 * MESSAGE_CHARACTERS + 4

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The year 9999: in some time zones its last day is in no calendar.
END_OF_TIME = 253_370_764_800

_SHA = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_SECONDS = re.compile(rb"[0-9]{1,12}")
_RAW = re.compile(rb"\n?:([0-7]{6}) ([0-7]{6}) [0-9a-f]+ [0-9a-f]+ ([A-Z])[0-9]{0,3}")
_COUNTS = re.compile(rb"([0-9]{1,18}|-)\t([0-9]{1,18}|-)\t(.*)", re.DOTALL)
_SUBMODULE = b"160000"
_STATUSES = {
    b"A": FileStatus.ADDED,
    b"M": FileStatus.MODIFIED,
    b"D": FileStatus.DELETED,
    b"R": FileStatus.RENAMED,
    b"C": FileStatus.COPIED,
    b"T": FileStatus.TYPE_CHANGED,
}


class UnreadableOutput(ValueError):
    """Git ended too early or wrote what it never writes."""


@dataclass(slots=True, kw_only=True)
class ListedFile:
    """A file of the list that is kept: its place there and in the patch, its names as they are."""

    index: int
    section: int
    old_name: bytes
    name: bytes
    change: FileChange

    @property
    def sections(self) -> int:
        """Git writes a change of type as the end of one file and the beginning of another."""
        return 2 if self.change.status is FileStatus.TYPE_CHANGED else 1


class CommitReader:
    """Reads a commit and its list of files; keeps `count` files from `first` on, counts all.

    With a `path` only the file of that name is kept, or else the first one that had it before.
    """

    def __init__(self, first: int, count: int, path: str = "") -> None:
        self.is_listed = False  # a patch follows
        self.kept: dict[int, ListedFile] = {}
        self._window = range(first, first + count)
        self._path = path
        self._held = bytearray()
        self._header: list[bytes] = []
        self._take: Callable[[bytes], None] = self._header_field
        self._listed = self._counted = self._sections = 0
        self._insertions = self._deletions = 0

    def feed(self, chunk: bytes) -> bytes:
        """What of it belongs to the patch. Raises UnreadableOutput."""
        begin = 0
        while not self.is_listed:
            end = chunk.find(b"\0", begin)
            if end < 0:
                self._hold(chunk[begin:])
                return b""
            self._hold(chunk[begin:end])
            field = bytes(self._held)
            self._held.clear()
            begin = end + 1
            self._take(field)
        return chunk[begin:]

    def result(self) -> Commit:
        """Raises UnreadableOutput where the list is not at its end."""
        self._must(not self._held and self._take == self._listing)
        self._must(self._listed == self._counted)
        sha, parents, name, address, authored, committed, message = self._header
        self._must(_SHA.fullmatch(sha) is not None)
        author = f"{_text(name, NAME_CHARACTERS)} <{_text(address, NAME_CHARACTERS)}>"
        return Commit(
            sha=sha.decode(),
            parents=tuple(parents.decode("ascii", "replace").split()),
            author=author.strip(),
            authored_at=_time(authored),
            committed_at=_time(committed),
            message=_text(message.rstrip(b"\n"), MESSAGE_CHARACTERS),
            files_changed=self._listed,
            insertions=self._insertions,
            deletions=self._deletions,
            files=tuple(file.change for file in self.kept.values()),
        )

    def _hold(self, piece: bytes) -> None:
        self._held += piece[: FIELD_BYTES - len(self._held)]

    def _must(self, is_so: bool) -> None:
        if not is_so:
            at = f"after {self._listed} files and the lines of {self._counted}"
            raise UnreadableOutput(f"git's output cannot be read {at}")

    def _header_field(self, field: bytes) -> None:
        self._header.append(field)
        if len(self._header) == HEADER_FIELDS:
            self._take = self._end_of_header

    def _end_of_header(self, field: bytes) -> None:
        """Git ends what a format writes with one NUL of its own."""
        self._must(not field)
        self._take = self._listing

    def _listing(self, field: bytes) -> None:
        """All raw entries, then the lines of each; an empty field where a patch follows.

        The first entry begins with a line feed; without a file there is nothing at all.
        """
        if entry := _RAW.fullmatch(field):
            self._must(self._counted == 0)
            self._names(2 if entry[3] in b"RC" else 1, lambda names: self._raw(entry, names))
        elif counts := _COUNTS.fullmatch(field):
            if counts[3]:
                self._lines(counts, counts[3])
            else:
                self._names(2, lambda names: self._lines(counts, names[1]))
        else:
            self._must(not field and self._listed == self._counted > 0)
            self.is_listed = True

    def _names(self, number: int, use: Callable[[Sequence[bytes]], None]) -> None:
        """The next fields are so many names."""
        names: list[bytes] = []

        def take(field: bytes) -> None:
            self._must(bool(field))
            names.append(field[: PATH_BYTES + 1])
            if len(names) == number:
                self._take = self._listing
                use(names)

        self._take = take

    def _raw(self, entry: re.Match[bytes], names: Sequence[bytes]) -> None:
        status = _STATUSES.get(entry[3])
        if status is None:
            raise UnreadableOutput(f"git says of a file '{entry[3].decode()}'")
        old_name, name = names[0], names[-1]
        file = ListedFile(
            index=self._listed,
            section=self._sections,
            old_name=old_name,
            name=name,
            change=FileChange(
                path=_path(name),
                status=status,
                old_path=_path(old_name) if len(names) > 1 else "",
                is_submodule=_SUBMODULE in entry.group(1, 2),
            ),
        )
        self._listed += 1
        self._sections += file.sections
        self._offer(file)

    def _offer(self, file: ListedFile) -> None:
        if not self._path:
            if file.index in self._window:
                self.kept[file.index] = file
        elif file.change.path == self._path:
            self.kept = {file.index: file}
        elif file.change.old_path == self._path:
            self.kept = self.kept or {file.index: file}

    def _lines(self, counts: re.Match[bytes], name: bytes) -> None:
        is_binary = counts[1] == b"-"
        insertions, deletions = (0, 0) if is_binary else (int(counts[1]), int(counts[2]))
        if file := self.kept.get(self._counted):
            self._must(file.name[:PATH_BYTES] == name[:PATH_BYTES])
            file.change = replace(
                file.change, insertions=insertions, deletions=deletions, is_binary=is_binary
            )
        self._counted += 1
        self._insertions += insertions
        self._deletions += deletions


def _text(field: bytes, limit: int) -> str:
    return clip(field.decode("utf-8", "replace"), limit)


def _path(name: bytes) -> str:
    path = name[:PATH_BYTES].decode("utf-8", "backslashreplace")
    return path + ELLIPSIS if len(name) > PATH_BYTES else path


def _time(field: bytes) -> datetime:
    """1970 for what is no time, as git shows it."""
    seconds = int(field) if _SECONDS.fullmatch(field) else 0
    return EPOCH + timedelta(seconds=seconds if seconds < END_OF_TIME else 0)
