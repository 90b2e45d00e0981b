"""A page of a diff: the files and lines of it that fit into so many bytes of JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hephaestus_tickets.adapters.git.parsing import UnreadableOutput
from hephaestus_tickets.domain.commits import FileChange, FileDiff, Hunk
from hephaestus_tickets.domain.text import ELLIPSIS, json_size

LINE_CHARACTERS = 2_000
NO_NEWLINE = "\\ No newline at end of file"

_QUOTES = _BRACKETS = 2
_COMMA = 1
_LINE_FEED = 2  # \n
# It follows a line that is on the page already: there must be room for it after each.
_RESERVED = json_size(NO_NEWLINE) - _QUOTES + _LINE_FEED
_RANGE = r"([0-9]{1,10})(?:,([0-9]{1,10}))?"
_HUNK = re.compile(rf"@@ -{_RANGE} \+{_RANGE} @@ ?(.*)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class OpenHunk:
    """A hunk that is read: where its next line not on the page is, and the lines that are."""

    old_at: int
    new_at: int
    old_left: int
    new_left: int
    section: str
    lines: list[str] = field(default_factory=list[str])
    old_shown: int = 0
    new_shown: int = 0

    def passes(self, old_lines: int, new_lines: int) -> None:
        """So many lines of both files are not on the page; none is that comes later."""
        self.old_at += old_lines
        self.new_at += new_lines
        self._counts(old_lines, new_lines)

    def shows(self, line: str) -> None:
        old, new = int(line[0] != "+"), int(line[0] != "-")
        self.lines.append(line)
        self.old_shown += old
        self.new_shown += new
        self._counts(old, new)

    def _counts(self, old_lines: int, new_lines: int) -> None:
        self.old_left -= old_lines
        self.new_left -= new_lines
        if self.old_left < 0 or self.new_left < 0:
            raise UnreadableOutput("a hunk has more lines than git says")

    @property
    def is_whole(self) -> bool:
        return self.old_left == self.new_left == 0

    def size(self) -> int:
        """Of its JSON without a line: no number will be greater than these."""
        shape = {
            "old_start": self.old_at + self.old_left,
            "old_lines": self.old_left,
            "new_start": self.new_at + self.new_left,
            "new_lines": self.new_left,
            "section": self.section,
            "text": "",
        }
        return json_size(shape) + _COMMA

    def closed(self) -> Hunk:
        """Where there is no line of a file, git names the line before."""
        return Hunk(
            old_start=self.old_at if self.old_shown else self.old_at - 1,
            old_lines=self.old_shown,
            new_start=self.new_at if self.new_shown else self.new_at - 1,
            new_lines=self.new_shown,
            section=self.section,
            text="\n".join(self.lines),
        )


def opened(head: str) -> OpenHunk:
    """What a line `@@ -1,2 +1,2 @@ section` begins. Raises UnreadableOutput."""
    match = _HUNK.fullmatch(head)
    if match is None:
        raise UnreadableOutput("a hunk begins with no numbers")
    old_lines, new_lines = (1 if match[of] is None else int(match[of]) for of in (2, 4))
    return OpenHunk(
        old_at=int(match[1]) if old_lines else int(match[1]) + 1,
        new_at=int(match[3]) if new_lines else int(match[3]) + 1,
        old_left=old_lines,
        new_left=new_lines,
        section=match[5],
    )


class Page:
    """Takes files and their lines in turn, until one does not fit; something is always taken."""

    def __init__(self, budget: int) -> None:
        self.files: list[FileDiff] = []
        self.cut_lines = 0
        self._left = budget - _BRACKETS - _RESERVED
        self._change: FileChange | None = None
        self._hunks: list[Hunk] = []
        self._has_line = False

    def begin(self, change: FileChange) -> bool:
        """False: it does not fit."""
        size = _size(change)
        if self.files and size > self._left:
            return False
        self._left -= size
        self._change, self._hunks, self._has_line = change, [], False
        return True

    def show(self, hunk: OpenHunk, line: str, characters: int) -> bool:
        """False: it does not fit. `characters` are those of the whole line, without its sign."""
        beyond = characters - LINE_CHARACTERS
        shown = line[: 1 + LINE_CHARACTERS]
        if beyond > 0:
            shown += f"{ELLIPSIS} (+{beyond} characters)"
        size = json_size(shown) - _QUOTES + _LINE_FEED + (0 if hunk.lines else hunk.size())
        if size > self._left and (self.files or self._has_line):
            return False
        self._left -= size
        self._has_line = True
        self.cut_lines += beyond > 0
        hunk.shows(shown)
        return True

    def mark(self, hunk: OpenHunk) -> None:
        """The last line has no line feed; it has been made sure that this fits."""
        self._left -= _RESERVED
        hunk.lines.append(NO_NEWLINE)

    def close(self, hunk: OpenHunk) -> None:
        if hunk.lines:
            self._hunks.append(hunk.closed())

    def end(self, *, is_cut: bool = False) -> None:
        """Of the file; one of which nothing fits is left to the next page."""
        if self._change and not (is_cut and not self._has_line):
            hunks = tuple(self._hunks)
            self.files.append(FileDiff(change=self._change, hunks=hunks, is_cut=is_cut))
        self._change = None


def _size(change: FileChange) -> int:
    shape: dict[str, object] = {
        "path": change.path,
        "old_path": change.old_path,
        "status": change.status,
        "insertions": change.insertions,
        "deletions": change.deletions,
        "is_binary": True,
        "is_submodule": True,
        "is_cut": True,
        "hunks": [],
    }
    return json_size(shape) + _COMMA
