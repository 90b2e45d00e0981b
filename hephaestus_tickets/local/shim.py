"""The default command: one client's standard input and output, joined to the local server.

The standard library alone, and little of it: this is what every session starts.
"""

from __future__ import annotations

import os
import sys
from _socket import SHUT_WR
from _socket import socket as Socket  # noqa: N812 - a class, whatever its module calls it
from select import PIPE_BUF, select

from hephaestus_tickets.domain.setup_error import SetupError
from hephaestus_tickets.local.endpoint import entered, home_path

# What a session may say of itself, as the environment names it.
SESSION_SETTINGS = ("AGENT_ID", "WORKFLOW_ID", "TOOLSETS")
_CHUNK = 65_536
_STDIN, _STDOUT = 0, 1


def is_wanted(arguments: list[str]) -> bool:
    """Whether this is the command; with DB_HOST a session serves in its own process."""
    return arguments in ([], ["stdio"]) and not os.environ.get("DB_HOST")


def run() -> int:
    """Serves one client until it leaves; what goes wrong is one sentence on stderr."""
    environment = dict(os.environ)
    home = home_path(environment)
    try:
        connection, warning, first = entered(home, "session", environment, _session(environment))
        if warning:
            _say(warning)
        return _joined(connection, first, home)
    except SetupError as refusal:
        _say(str(refusal))
        return 1
    except KeyboardInterrupt:
        return 130


def _session(environment: dict[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in SESSION_SETTINGS if environment.get(name)}


def _say(sentence: str) -> None:
    sys.stderr.write(f"hephaestus-tickets: {sentence}\n")


class _Way:
    """One direction: nothing is read before what was read is written, so memory stays small."""

    def __init__(self, source: int, target: int, at_once: int, waiting: bytes = b"") -> None:
        self.source, self.target = source, target
        self.waiting = waiting
        self.has_ended = False  # the source has no more
        self.is_broken = False  # the target takes no more
        self._at_once = at_once  # bytes that the target takes without blocking

    def wants_to_read(self) -> bool:
        return not (self.waiting or self.has_ended or self.is_broken)

    def read(self) -> None:
        try:
            self.waiting = os.read(self.source, _CHUNK)
            self.has_ended = not self.waiting
        except BlockingIOError:
            return
        except OSError:  # reset, or never open
            self.has_ended = True

    def write(self) -> None:
        try:
            self.waiting = self.waiting[os.write(self.target, self.waiting[: self._at_once]) :]
        except BlockingIOError:
            return
        except OSError:
            self.waiting, self.is_broken = b"", True


def _joined(connection: Socket, first: bytes, home: str) -> int:
    """Copies both ways until the server has no more to say, or nobody reads it."""
    connection.setblocking(False)
    there = _Way(_STDIN, connection.fileno(), _CHUNK)
    back = _Way(connection.fileno(), _STDOUT, PIPE_BUF, first)
    while (back.waiting or not back.has_ended) and not back.is_broken:
        _move(there, back)
        if there.has_ended and not there.is_broken:
            there.is_broken = True
            _end(connection)
    if there.has_ended or back.is_broken:
        return 0
    why = "ended" if os.path.isdir(home) else "ended, because its home was deleted"
    _say(f"The local server of {home} {why}; start the session again.")
    return 1


def _move(*ways: _Way) -> None:
    """Waits until something can be read or written, and does it."""
    reading = [way for way in ways if way.wants_to_read()]
    writing = [way for way in ways if way.waiting]
    readable, writable, _ = select(
        [way.source for way in reading], [way.target for way in writing], []
    )
    for way in reading:
        if way.source in readable:
            way.read()
    for way in writing:
        if way.target in writable:
            way.write()


def _end(connection: Socket) -> None:
    try:
        connection.shutdown(SHUT_WR)
    except OSError:  # it is gone already
        return
