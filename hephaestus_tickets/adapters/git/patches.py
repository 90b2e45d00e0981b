"""The patch that `git show` writes, walked through to the files and lines that are wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hephaestus_tickets.adapters.git.lines import LineReader
from hephaestus_tickets.adapters.git.pages import OpenHunk, Page, opened
from hephaestus_tickets.adapters.git.parsing import PATH_BYTES, ListedFile, UnreadableOutput
from hephaestus_tickets.domain.commits import DiffPlace

# No line of a file begins like these: each has its sign, or is empty, or is git's remark on one.
_SECTION = b"diff --git "
_HUNK = b"@@ "
_REMARK = b"\\"
_SIGNS = b" +-\n"

_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(rb'\\([0-3][0-7]{2}|[abtnvfr"\\])')
_ESCAPES = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


class PatchReader:
    """Puts the wanted files' lines on a page; of the first file, those after so many."""

    def __init__(self, files: Sequence[ListedFile], skipped: int, page: Page) -> None:
        self.cut_at: DiffPlace | None = None
        self._page = page
        self._lines = LineReader()
        self._files = iter(files)
        self._file = next(self._files, None)  # the wanted one that is read or comes next
        self._section = -1
        self._hunk: OpenHunk | None = None
        self._to_skip = skipped
        self._line = 0
        self._is_open = self._is_shown = False  # the file; the last line

    @property
    def is_done(self) -> bool:
        return self._file is None

    def feed(self, chunk: bytes) -> bool:
        """True: nothing more is wanted. Raises UnreadableOutput."""
        for block, left_out in self._lines.feed(chunk):
            at = 0
            while at < len(block) and not self.is_done:
                at = self._next(block, at, left_out)
        return self.is_done

    def close(self) -> None:
        """The end of the patch. Raises UnreadableOutput where something is missing."""
        if self.is_done:
            return
        if self._lines.is_within_a_line:
            raise UnreadableOutput("git's output ends within a line")
        self._section += 1
        self._end_hunk()
        self._end_file()
        if not self.is_done:
            raise UnreadableOutput("git's output ends before the last file")

    def _next(self, block: bytes, at: int, left_out: int) -> int:
        """Where the next line begins after one, or some, have been read."""
        if not self._is_open:
            at = _position(block, _SECTION, at, len(block))
        if at == len(block):
            return at
        if block.startswith(_SECTION, at):
            return self._begin_section(block, at)
        if self._hunk is not None and self._to_skip:
            return self._skip(block, at)
        if self._is_open and block.startswith(_HUNK, at):
            return self._begin_hunk(block, at)
        end = _line_end(block, at)
        if self._hunk is not None:
            self._body_line(self._hunk, block[at:end], left_out)
        return end

    def _begin_section(self, block: bytes, at: int) -> int:
        self._section += 1
        self._end_hunk()
        self._end_file()
        end = _line_end(block, at)
        file = self._file
        if file is not None and file.section == self._section:
            _must_name(file, block[at + len(_SECTION) : end - 1])
            self._begin_file(file)
        return end

    def _begin_file(self, file: ListedFile) -> None:
        self._line = 0
        self._is_open = self._page.begin(file.change)
        if not self._is_open:
            self._cut(file)

    def _end_file(self) -> None:
        """Where the file's last section has been read."""
        if self._file is None or not self._is_open:
            return
        if self._section == self._file.section + self._file.sections:
            self._page.end()
            self._file = next(self._files, None)
            self._is_open = False
            self._to_skip = 0

    def _cut(self, file: ListedFile) -> None:
        if self._hunk is not None:
            self._page.close(self._hunk)
        self._page.end(is_cut=True)
        self.cut_at = DiffPlace(file=file.index, line=self._line)
        self._file = None

    def _begin_hunk(self, block: bytes, at: int) -> int:
        self._end_hunk()
        end = _line_end(block, at)
        self._hunk = opened(_shown(block[at : end - 1]))
        self._is_shown = False
        return end

    def _end_hunk(self) -> None:
        if self._hunk is None:
            return
        if not self._hunk.is_whole:
            raise UnreadableOutput("a hunk has fewer lines than git says")
        self._page.close(self._hunk)
        self._hunk = None

    def _body_line(self, hunk: OpenHunk, line: bytes, left_out: int) -> None:
        if line.startswith(_REMARK):
            if self._is_shown:
                self._page.mark(hunk)
            return
        if line[0] not in _SIGNS:
            raise UnreadableOutput("a line of a hunk has no sign")
        # A repository can ask git to leave the sign of an empty line away.
        text = _shown(line[:-1]) or " "
        self._is_shown = self._page.show(hunk, text, len(text) - 1 + left_out)
        if self._is_shown:
            self._line += 1
        elif self._file is not None:
            self._cut(self._file)

    def _skip(self, block: bytes, at: int) -> int:
        """Passes over what an earlier page has shown, many lines at once."""
        end = _position(block, _SECTION, at, len(block))
        while self._to_skip and at < end:
            if block.startswith(_HUNK, at):
                at = self._begin_hunk(block, at)
            elif self._hunk is not None:
                lines = block[at : _position(block, _HUNK, at, end)]
                at += self._skip_lines(self._hunk, lines)
        return at

    def _skip_lines(self, hunk: OpenHunk, lines: bytes) -> int:
        """How long those are that are passed over."""
        count = lines.count(b"\n") - _beginning(lines, _REMARK)
        if count > self._to_skip:
            lines = _first(lines, self._to_skip)
            count = self._to_skip
        hunk.passes(count - _beginning(lines, b"+"), count - _beginning(lines, b"-"))
        self._to_skip -= count
        self._line += count
        return len(lines)


def _line_end(block: bytes, at: int) -> int:
    return block.index(b"\n", at) + 1


def _position(block: bytes, start: bytes, at: int, end: int) -> int:
    """Of the first line that begins so, from the one at `at` on; `end` without one."""
    if block.startswith(start, at):
        return at
    found = block.find(b"\n" + start, at, end)
    return end if found < 0 else found + 1


def _beginning(lines: bytes, start: bytes) -> int:
    """How many begin so."""
    return lines.count(b"\n" + start) + lines.startswith(start)


def _first(lines: bytes, count: int) -> bytes:
    """So many lines with their remarks."""
    end = 0
    while count or lines.startswith(_REMARK, end):
        count -= not lines.startswith(_REMARK, end)
        end = _line_end(lines, end)
    return lines[:end]


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").replace("\0", "␀")


def _must_name(file: ListedFile, names: bytes) -> None:
    """Sections and the list are in one order: where they are not, lines would be another file's."""
    if max(len(file.old_name), len(file.name)) > PATH_BYTES:
        return
    if _QUOTED.sub(_unquoted, names) != b"a/%s b/%s" % (file.old_name, file.name):
        raise UnreadableOutput("the patch's files are not those of the list")


def _unquoted(quoted: re.Match[bytes]) -> bytes:
    return _ESCAPED.sub(_unescaped, quoted[1])


def _unescaped(escaped: re.Match[bytes]) -> bytes:
    code = escaped[1]
    return bytes([_ESCAPES[code[0]] if len(code) == 1 else int(code, 8)])
