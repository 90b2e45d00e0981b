"""Whom to kill, when, and what there may be of a home's processes once its server has left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from servers import until
from sqlalchemy import URL

from hephaestus_tickets.app import socket_url
from hephaestus_tickets.cli.status import status_of
from hephaestus_tickets.local.cluster import NAME, PORT
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.local.postgres import PostgresSocket

_SERVER = "hephaestus_tickets.scripts.local_server"


def kill(pid: int, after: float = 0.0) -> float:
    """The moment it was done. Whoever has ended by itself meanwhile is as dead."""
    time.sleep(after)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def moments(seconds: float) -> Iterator[float]:
    """The same at each run: a round that failed can be tried again."""
    chance = Random(1)  # noqa: S311 - it guards no secret
    while True:
        yield chance.uniform(0, seconds)


def server_of(home: Home) -> int:
    return _status(home)["pid"]


def postmasters_of(home: Home) -> list[int]:
    return [_status(home)["postgres"]["pid"]]


def backends_of(home: Home) -> list[int]:
    """PostgreSQL's processes for the server's connections."""
    postmasters, title = postmasters_of(home), f"postgres: {NAME} {NAME} "
    return [
        pid
        for pid, parent, command in _processes()
        if parent in postmasters and command.startswith(title)
    ]


def starting_on(home: Home) -> list[int]:
    """What becomes the home's server, from the moment a session has started it."""
    listed, root = _processes(), str(home.root)
    return [pid for pid, _, command in listed if _SERVER in command and root in command]


def database_of(home: Home) -> URL:
    """Starts nothing, and is no connection to the server."""
    directory = Path(_status(home)["postgres"]["socket"])
    return socket_url(PostgresSocket(directory=directory, port=PORT, user=NAME, database=NAME))


def _status(home: Home) -> dict[str, Any]:  # Any: JSON
    found = status_of(home)
    assert found, "no server listens"
    return found


def remains_of(home: Home) -> list[str]:
    """Locks that are held, processes that name the home or work in it, sockets."""
    locks = [home.server_lock, home.postgres_lock]
    sockets = [home.socket, home.pg / f".s.PGSQL.{PORT}"]
    return [
        *(f"{pid} holds {lock}" for lock in locks for pid in holders(lock)),
        *(f"{pid} is {command}" for pid, _, command in _processes() if str(home.root) in command),
        *(f"{pid} works in {place}" for pid, place in _places() if str(home.root) in place),
        *(f"{socket} is left" for socket in sockets if os.path.lexists(socket)),
    ]


def until_nothing_remains(home: Home, seconds: float) -> None:
    with suppress(AssertionError):
        until(lambda: not remains_of(home), seconds)
    assert remains_of(home) == []


def _processes() -> list[tuple[int, int, str]]:
    """Each with its parent and its command line, as it calls itself."""
    listed = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,ppid=,command="],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [(int(pid), int(parent), command) for pid, parent, command in lines]


def _places() -> Iterator[tuple[int, str]]:
    """Where processes work, as far as the system shows it."""
    for directory in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            yield int(directory.parent.name), str(directory.readlink())
