"""Starts a home's local server, whoever comes first: the seldom half of the shim."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hephaestus_tickets.domain.setup_error import SetupError
from hephaestus_tickets.local.children import Log, open_log
from hephaestus_tickets.local.disk import explained
from hephaestus_tickets.local.endpoint import Socket, connected
from hephaestus_tickets.local.home import Home, prepare_home
from hephaestus_tickets.local.locks import holders, lock_within

PROGRAM = "hephaestus_tickets.scripts.local_server"
_START_S = 60.0  # initdb and migrations on a slow disk, recovery after a crash
_PAUSE_S = 0.01
_OURS = "hephaestus-tickets: "  # how a sentence for an operator begins in the log


def started(path: str) -> Socket:
    """A connection to the home's server, started by us or by somebody else just now.

    Raises SetupError where the home cannot be one, or no server comes up in time.
    """
    home = prepare_home(Path(path))
    with explained(home.root), open_log(home.server_log) as log:
        return _connection(home, log)


def _connection(home: Home, log: Log) -> Socket:
    was_launched = False
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        connection = connected(str(home.root))
        if connection:
            return connection
        lock = lock_within(home.server_lock, 0)
        if lock is None:  # one is starting, or ending
            time.sleep(_PAUSE_S)
            continue
        if was_launched:
            os.close(lock)
            raise SetupError(_reason(log))
        _launch(home, lock, log)
        was_launched = True
    raise SetupError(_silence(home))


def _launch(home: Home, lock: int, log: Log) -> None:
    """The server inherits the lock: nobody can start another in between."""
    try:
        subprocess.run(
            [sys.executable, "-P", "-m", PROGRAM, str(lock), home.root],
            stdin=subprocess.DEVNULL,
            stdout=log.descriptor,
            stderr=log.descriptor,
            cwd="/",
            umask=0o077,
            start_new_session=True,  # what ends our client's group is not for the server
            pass_fds=[lock],
            check=False,  # it only starts the server and leaves; the lock tells how that went
        )
    finally:
        os.close(lock)


def _reason(log: Log) -> str:
    told = [line for line in log.lines() if line.startswith(_OURS)]
    if told:
        return told[-1].removeprefix(_OURS)
    return f"The local server ended while it started; {log.path} says why."


def _silence(home: Home) -> str:
    there = ", ".join(map(str, holders(home.server_lock)))
    return (
        f"The local server of {home.root} (process {there or 'unknown'}) did not come up within "
        f"{_START_S:.0f} seconds; `hephaestus-tickets stop` ends it, {home.server_log} says more."
    )
