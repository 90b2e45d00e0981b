"""Locks on files: they end with the last process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.disk import explained
from hephaestus_tickets.local.home import Home

_PAUSE_S = 0.01
RESTART_S = 1.5  # a client that restarts its server starts the next before the last has ended
DYING_S = 1.0  # PostgreSQL that lost its server is told to quit; a busy backend may not listen
_KILLED_S = 5.0


@contextmanager
def only_server(home: Home, patience: float) -> Generator[None]:
    """Holds the home against every other server; waits for it so many seconds.

    Raises SetupError naming who has it.
    """
    with explained(home.root):
        lock = _server_lock(home, patience)
    try:
        yield
    finally:
        os.close(lock)


def _server_lock(home: Home, patience: float) -> int:
    lock = lock_within(home.server_lock, patience)
    if lock is None:
        raise SetupError(
            f"{home.root} is in use by {_described(home.server_lock)}; end that one with "
            "`hephaestus-tickets stop`, or set HEPHAESTUS_HOME to another directory."
        )
    return lock


@contextmanager
def lock_for_children(path: Path, patience: float) -> Generator[int]:
    """A locked descriptor to pass to children: ours is closed at the end, and theirs hold on.

    Whatever still holds the lock from before gets so many seconds to end, and is then ended.
    """
    lock = _lock_whatever_holds_it(path, patience)
    try:
        yield lock
    finally:
        os.close(lock)


def leave_none(path: Path) -> None:
    """Ends whatever still holds the lock, at once; nothing does after a clean ending."""
    os.close(_lock_whatever_holds_it(path, 0))


def _lock_whatever_holds_it(path: Path, patience: float) -> int:
    lock = lock_within(path, patience)
    if lock is None:
        for pid in holders(path):  # PostgreSQL's processes are no process group
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        lock = lock_within(path, _KILLED_S)
    if lock is None:
        raise SetupError(
            f"A PostgreSQL that lost its server still holds {path} and cannot be ended; "
            "end it, or restart the machine."
        )
    return lock


def holders(path: Path) -> list[int]:
    """The other processes that hold the lock, without touching it; only those we may see."""
    if not path.exists():
        return []
    found = _holders_in_proc(path) if sys.platform == "linux" else _holders_by_lsof(path)
    return [pid for pid in found if pid != os.getpid()]


def lock_within(path: Path, seconds: float) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(_PAUSE_S)
        else:
            return descriptor


def _described(path: Path) -> str:
    there = holders(path)
    return f"process {there[0]}" if there else "another process"


def _holders_in_proc(path: Path) -> Iterator[int]:
    facts = path.stat()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and _holds(process, facts):
            yield int(process.name)


def _holds(process: Path, facts: os.stat_result) -> bool:
    with suppress(OSError):  # processes come and go, and others' are not ours to read
        return any(_is_locked(each, facts) for each in (process / "fd").iterdir())
    return False


def _is_locked(descriptor: Path, facts: os.stat_result) -> bool:
    """Opening the file is not holding it: the kernel names the lock beside the descriptor."""
    with suppress(OSError):  # its process is at work and closed it meanwhile
        if os.path.samestat(descriptor.stat(), facts):
            information = descriptor.parents[1] / "fdinfo" / descriptor.name
            return re.search(r"^lock:.*FLOCK", information.read_text(), re.MULTILINE) is not None
    return False


def _holders_by_lsof(path: Path) -> Iterator[int]:
    with suppress(OSError):
        listed = subprocess.run(
            ["/usr/sbin/lsof", "-t", "--", path], capture_output=True, text=True, check=False
        )
        yield from (int(pid) for pid in listed.stdout.split())
