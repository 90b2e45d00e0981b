"""Who comes to the local server, and whom it lets in."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import LONGEST_HELLO, PROTOCOL, peer

logger = logging.getLogger("hephaestus_tickets.server")

HELLO_S = 10.0  # who connects has this long to say who it is
_MOST = 256  # connections at once
_MOST_SILENT = 128  # of those that have not said who they are yet; each takes a descriptor
_LONGEST_SENTENCE = 2_000


class Hello(BaseModel):
    """The first line of a connection. What a later version adds to it is passed over."""

    model_config = ConfigDict(frozen=True)

    protocol: int
    purpose: Literal["session", "database", "status"]
    edition: Edition
    pid: int
    takes_over: bool = False
    cwd: str = ""
    settings: dict[str, str] = {}
    session: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is said beside the welcome, and what is done until the visitor leaves."""

    name: str
    text: str
    serve: Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    purpose: str
    name: str
    pid: int
    cwd: str
    since: datetime


class Host(Protocol):
    """Whose reception it is."""

    def admission(self, hello: Hello) -> Admission:
        """Raises SetupError, one sentence, for a visitor it cannot serve."""
        ...

    def status(self) -> str:
        """One line of JSON."""
        ...

    def leave(self, reason: str) -> None:
        """From now on nobody finds the server; it ends as soon as it can."""
        ...


class Reception:
    """One for a server. `stays`: it gives way to no newer code."""

    def __init__(self, host: Host, edition: Edition, *, stays: bool) -> None:
        self.edition = edition
        self.visitors: dict[int, Visitor] = {}
        self.upgrade_waits: Edition | None = None
        self.empty_since = anyio.current_time()
        self._silent: dict[int, anyio.CancelScope] = {}
        self._host = host
        self._stays = stays

    async def receive(self, connection: socket.socket) -> None:
        """One connection, from its first line to its end; whatever it does harms no other."""
        with connection:
            connection.setblocking(False)
            pid, uid = peer(connection)
            if uid != os.geteuid():
                logger.warning("turned away process %d of user id %d", pid, uid)
                return
            try:
                await self._received(connection)
            except SetupError as refusal:
                _say(connection, "error", str(refusal))
            except OSError as error:
                logger.info("process %d is gone: %s", pid, error)
            except Exception:  # one visitor's fault must not end the others' sessions
                logger.exception("the connection of process %d ended by a fault of ours", pid)

    async def _received(self, connection: socket.socket) -> None:
        line = await self._first_line(connection)
        if not line:
            return
        hello = _parsed(line)
        if hello.purpose == "status":
            _say(connection, "welcome", self._host.status())
        elif self._gives_way(hello):
            self._host.leave(f"newer code takes over: {hello.edition}")
            _say(connection, "leaving", "")
        else:
            await self._served(connection, hello)

    async def _first_line(self, connection: socket.socket) -> bytes:
        """Empty for who says none in time, or is the first of too many, or says too long a one."""
        if len(self._silent) >= _MOST_SILENT:
            self._silent.pop(next(iter(self._silent))).cancel()
        number = connection.fileno()
        with anyio.move_on_after(HELLO_S) as self._silent[number]:
            try:
                return await _line(connection)
            finally:
                self._silent.pop(number, None)
        return b""

    def _gives_way(self, hello: Hello) -> bool:
        if not hello.edition.supersedes(self.edition):
            return False
        if hello.takes_over and not self.visitors and not self._stays:
            return True
        self.upgrade_waits = hello.edition
        return False

    async def _served(self, connection: socket.socket, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            raise SetupError(
                f"The local server (version {self.edition.version}) is in use and speaks another "
                f"protocol than version {hello.edition.version}; end its other sessions, or "
                "end it with `hephaestus-tickets stop`."
            )
        if len(self.visitors) >= _MOST:
            raise SetupError(f"The local server has {_MOST} connections already; end some first.")
        admission = self._host.admission(hello)
        with self._visit(connection, hello, admission.name):
            _say(connection, "welcome", admission.text)
            await admission.serve(connection.fileno())

    @contextmanager
    def _visit(self, connection: socket.socket, hello: Hello, name: str) -> Generator[None]:
        number = connection.fileno()
        visitor = Visitor(
            purpose=hello.purpose, name=name, pid=hello.pid, cwd=hello.cwd, since=datetime.now(UTC)
        )
        self.visitors[number] = visitor
        logger.info("%s of %s begins (process %d)", hello.purpose, name, hello.pid)
        try:
            yield
        finally:
            del self.visitors[number]
            self.empty_since = anyio.current_time()
            logger.info("%s of %s ends (process %d)", hello.purpose, name, hello.pid)


async def _line(connection: socket.socket) -> bytes:
    line = b""
    while len(line) < LONGEST_HELLO:
        await anyio.wait_readable(connection)
        chunk = connection.recv(LONGEST_HELLO)
        line += chunk
        if not chunk or line.endswith(b"\n"):
            return line
    return b""


def _parsed(line: bytes) -> Hello:
    try:
        return Hello.model_validate_json(line)
    except ValidationError as error:
        raise SetupError(
            "The local server does not understand this version's hello; "
            "`hephaestus-tickets stop` ends it, then start again."
        ) from error


def _say(connection: socket.socket, word: str, text: str) -> None:
    """One line; nothing was written before, so there is room for it at once."""
    text = text if word == "welcome" else one_line(text, _LONGEST_SENTENCE)
    with suppress(OSError):  # it is gone already
        connection.send(f"{word} {text}\n".encode("utf-8", "replace"))
