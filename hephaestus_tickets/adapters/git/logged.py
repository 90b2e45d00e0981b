"""A branch's commits with their messages, read from what git log writes."""

from __future__ import annotations

from collections.abc import Iterator

from hephaestus_tickets.domain.commits import LoggedCommit

# After `log`. A NUL ends the message as well as the sha; there is none in either.
LOG_ARGUMENTS = ("--format=tformat:%H%x00%B", "-z", "--no-color", "--no-notes", "--encoding=UTF-8")
MESSAGE_CHARACTERS = 20_000

_FIELD_BYTES = 4 * MESSAGE_CHARACTERS  # a character takes four at most


class LogReader:
    """Keeps no more of a message than is handed on, however long it is."""

    def __init__(self) -> None:
        self._sha = ""
        self._held = bytearray()

    def feed(self, chunk: bytes) -> Iterator[LoggedCommit]:
        *ended, rest = chunk.split(b"\0")
        for piece in ended:
            self._hold(piece)
            field = bytes(self._held)
            self._held.clear()
            if self._sha:
                yield LoggedCommit(sha=self._sha, message=_message(field))
                self._sha = ""
            else:
                self._sha = field.decode("ascii", "replace")
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        self._held += piece[: _FIELD_BYTES - len(self._held)]


def _message(field: bytes) -> str:
    return field.decode("utf-8", "replace")[:MESSAGE_CHARACTERS].rstrip("\n")
