"""The lines of a stream of bytes, however long one is and wherever it is cut."""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Iterator

LINE_BYTES = 65_536

_UTF8 = getincrementaldecoder("utf-8")


class LineReader:
    """Whole lines, as many at once as there are; of one longer than LINE_BYTES its beginning."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._decoder: IncrementalDecoder | None = None  # where a long line is counted
        self._characters = 0

    @property
    def is_within_a_line(self) -> bool:
        return bool(self._held)

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, int]]:
        """Lines, each with its line feed, and the characters that were left out of the only one."""
        begin = 0
        if self._decoder:
            end = chunk.find(b"\n")
            self._count(self._decoder, chunk if end < 0 else chunk[:end])
            if end < 0:
                return
            yield self._long_line(self._decoder)
            begin = end + 1
        end = chunk.rfind(b"\n") + 1
        if end > begin:
            yield bytes(self._held) + chunk[begin:end], 0
            self._held.clear()
            begin = end
        self._held += chunk[begin:]
        if len(self._held) > LINE_BYTES:
            self._decoder = _UTF8("replace")
            self._count(self._decoder, self._held)

    def _count(self, decoder: IncrementalDecoder, piece: bytes | bytearray) -> None:
        self._characters += len(decoder.decode(bytes(piece)))

    def _long_line(self, decoder: IncrementalDecoder) -> tuple[bytes, int]:
        head = bytes(self._held)
        characters = self._characters + len(decoder.decode(b"", final=True))
        self._decoder, self._characters = None, 0
        self._held.clear()
        return head + b"\n", characters - len(head.decode("utf-8", "replace"))
