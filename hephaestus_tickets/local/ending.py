"""Ends a home's local server, from another process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import closing, contextmanager

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.endpoint import connected, peer
from hephaestus_tickets.local.home import Home, throwaway_home
from hephaestus_tickets.local.locks import holders

_STOP_S, _KILL_S, _PAUSE_S = 10.0, 5.0, 0.02


@contextmanager
def throwaway_tracker(*, lasting: bool = False) -> Generator[Home]:
    """A throw-away home; the server that the first to come starts on it ends with the block."""
    with throwaway_home(lasting=lasting) as home:
        try:
            yield home
        finally:
            stopped(home)


def stopped(home: Home) -> str:
    """Ends what runs on the home, and says what that was. Raises SetupError if it cannot."""
    pid = _server_of(home)
    if pid is None:
        return f"No local server runs on {home.root}."
    if _ends_by(home, pid, signal.SIGTERM, _STOP_S):
        return f"The local server (process {pid}) has ended."
    if _ends_by(home, pid, signal.SIGKILL, _KILL_S):
        return f"The local server (process {pid}) did not end by itself and was killed."
    raise SetupError(f"Process {pid} holds {home.server_lock} and cannot be ended.")


def _server_of(home: Home) -> int | None:
    """Who listens; else who holds the lock and hangs.

    One that starts gets the time to listen: until then the lock is its starter's too, a client.
    """
    deadline = time.monotonic() + _STOP_S
    while True:
        connection = connected(str(home.root))
        if connection:
            with closing(connection):
                return peer(connection)[0]
        # Looked for twice: it may just pass from its starter to one that was not there before.
        there = holders(home.server_lock) or holders(home.server_lock)
        if not there or time.monotonic() > deadline:
            return next(iter(there), None)
        time.sleep(_PAUSE_S)


def _ends_by(home: Home, pid: int, sign: signal.Signals, seconds: float) -> bool:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return True
    except PermissionError as error:
        raise SetupError(f"Process {pid} is another account's; end it there.") from error
    deadline = time.monotonic() + seconds
    while pid in holders(home.server_lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True
