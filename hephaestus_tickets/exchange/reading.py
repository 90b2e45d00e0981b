"""Lines of a file, plain or gzip, however broken; and which format they are in."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.exchange.records import FORMAT

LONGEST_LINE = 16 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_LINES_TO_DETECT = 20


class Format(StrEnum):
    BEADS = "beads"
    HEPHAESTUS = "hephaestus"


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its number; `fault` says why there is no text, or what was wrong with it."""

    number: int
    text: str
    is_too_long: bool = False
    is_repaired: bool = False


@dataclass(slots=True)
class Source:
    """An open file: its lines, and how far reading has come, in bytes of the file."""

    size: int
    _raw: BinaryIO
    _bytes: BinaryIO

    @property
    def position(self) -> int:
        return self._raw.tell()

    def lines(self) -> Iterator[Line]:
        """Blank lines are counted but not returned. Raises SetupError where the file breaks off."""
        number = 0
        while block := self._read():
            number += 1
            if len(block) > LONGEST_LINE and not block.endswith(b"\n"):
                self._skip_line()
                yield Line(number, "", is_too_long=True)
            elif block.strip():
                yield decoded(number, block)

    def _read(self) -> bytes:
        try:
            return self._bytes.readline(LONGEST_LINE + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise SetupError(
                "The gzip file is damaged or cut short: what was imported before that point "
                "stays; import an intact copy to complete it."
            ) from error

    def _skip_line(self) -> None:
        while (block := self._read()) and not block.endswith(b"\n"):
            pass


def decoded(number: int, block: bytes) -> Line:
    """The line as text; bytes that are not UTF-8 become U+FFFD."""
    body = block.removeprefix(b"\xef\xbb\xbf") if number == 1 else block
    try:
        return Line(number, body.decode())
    except UnicodeDecodeError:
        return Line(number, body.decode(errors="replace"), is_repaired=True)


@contextmanager
def open_source(path: Path) -> Generator[Source]:
    """Raises SetupError where the file cannot be read."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SetupError(f"Cannot read {path}: {error.strerror}.") from error
    with raw:
        if path.is_dir():  # pragma: no cover - open refuses a directory before
            raise SetupError(f"{path} is a directory.")
        yield Source(path.stat().st_size, raw, _unpacked(raw))


def _unpacked(raw: BufferedReader) -> BinaryIO:
    if raw.peek(2)[:2] == _GZIP:
        # GzipFile is a binary stream in all but its declared type.
        return gzip.GzipFile(fileobj=raw)  # pyright: ignore[reportReturnType] - see above
    return raw


def detect_format(path: Path) -> Format:
    """By the first lines that are JSON. Raises SetupError where none says what it is."""
    with open_source(path) as source:
        found = recognised(line.text for line in source.lines())
    if found is None:
        raise SetupError(
            f"{path} is neither a beads export nor one of ours, as far as its first lines tell: "
            "name its format with --format."
        )
    return found


def recognised(lines: Iterable[str]) -> Format | None:
    for number, text in enumerate(lines):
        if number >= _LINES_TO_DETECT:
            break
        fields = json_object(text)
        if fields is None:
            continue
        if fields.get("format") == FORMAT:
            return Format.HEPHAESTUS
        if "issue_type" in fields or ("id" in fields and "title" in fields):
            return Format.BEADS
    return None


def json_object(text: str) -> dict[str, object] | None:
    """The line as a JSON object, or None: for hostile lines too."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    return {str(name): value for name, value in parsed.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON: each value is checked where it is read
