"""A stand-in for a home's server, so that a test can say and withhold what it likes."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hosts import Host

from hephaestus_tickets.local.home import prepare_home

_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Caller:
    """A shim that came, and the hello it said."""

    connection: socket.socket
    hello: dict[str, Any]  # JSON

    def say(self, raw: bytes) -> None:
        self.connection.sendall(raw)

    def line(self) -> bytes:
        """The next one that it forwards."""
        return _line(self.connection)

    def has_said_more(self, within: float) -> bool:
        self.connection.settimeout(within)
        try:
            return self.connection.recv(1) != b""
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(_PATIENCE_S)


@dataclass(frozen=True)
class StandIn:
    socket: socket.socket

    @contextmanager
    def caller(self) -> Generator[Caller]:
        """The next to come; cut off when the block ends."""
        with self.socket.accept()[0] as connection:
            connection.settimeout(_PATIENCE_S)
            yield Caller(connection, json.loads(_line(connection)))

    def cut_off(self) -> None:
        with self.caller():
            pass

    def has_more_callers(self) -> bool:
        self.socket.settimeout(0)
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def _line(connection: socket.socket) -> bytes:
    """Byte by byte: what follows it stays where it is."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        assert byte, f"it ended after {line!r}"
        line += byte
    return line


@contextmanager
def standing_in(host: Host) -> Generator[StandIn]:
    """Listens where nothing runs; whoever starts on the home meets it first."""
    home = prepare_home(host.home)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(_PATIENCE_S)
        listener.bind(str(home.socket))
        home.socket.chmod(0o600)
        listener.listen()
        try:
            yield StandIn(listener)
        finally:
            home.socket.unlink(missing_ok=True)
