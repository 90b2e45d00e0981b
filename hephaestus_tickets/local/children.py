"""The processes we start: under the data's account, never outliving us, holding the lock."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local import keeper
from hephaestus_tickets.local.accounts import Account, is_root
from hephaestus_tickets.local.disk import MEGABYTE, free_bytes

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 4 * MEGABYTE
_GRAVE = re.compile(r"\b(?:FATAL|PANIC|error):\s+(?!the database system is )")
# Each step of an ending: what is sent, and the seconds it gets before the next.
_ENDING = ((signal.SIGINT, 0.6), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """PostgreSQL's log, and where in it this start begins."""

    path: Path
    descriptor: int
    begins_at: int

    def reason(self) -> str:
        """Why the last program failed, as far as it said: its last fatal line, or last line."""
        if free_bytes(self.path.parent) < MEGABYTE:
            return "the disk is full"
        lines = self.lines()
        grave = [line for line in lines if _GRAVE.search(line)]
        last = (grave or lines or ["it said nothing"])[-1]
        return _GRAVE.split(last)[-1].strip().rstrip(".")

    def from_here(self) -> Log:
        """The same log for a program that starts now."""
        return replace(self, begins_at=os.fstat(self.descriptor).st_size)

    def lines(self) -> list[str]:
        """What was written since it was opened."""
        written = os.pread(self.descriptor, _LOG_LIMIT, self.begins_at).decode(errors="replace")
        return [line for line in written.splitlines() if line.strip()]


@contextmanager
def open_log(path: Path) -> Generator[Log]:
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        yield Log(path=path, descriptor=descriptor, begins_at=os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """How a program is started on PostgreSQL's side; with a `keeper` the kernel is not asked."""

    account: Account
    lock: int
    log: Log
    keeper: bool

    def start(self, *command: str | Path, dies_by: signal.Signals) -> subprocess.Popen[bytes]:
        """`dies_by` is what the kernel sends the program should this process end first."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log.descriptor,
            stderr=self.log.descriptor,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},  # no secret of ours
            cwd="/",
            umask=0o077,
            start_new_session=True,  # a terminal's Ctrl-C is for us, not for PostgreSQL
            pass_fds=[self.lock],
            user=self.account.uid if is_root() else None,
            group=self.account.gid if is_root() else None,
            extra_groups=[self.account.gid] if is_root() else None,
            preexec_fn=None if self.keeper else _dies_with_us(dies_by),  # noqa: PLW1509 - prepared: it takes no lock
        )

    def run(self, *command: str | Path) -> None:
        """Runs the program to its end. Raises SetupError with what it said if it fails."""
        process = self.start(*command, dies_by=signal.SIGKILL)
        try:
            failed = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if failed:
            raise SetupError(
                f"{Path(command[0]).name} failed ({self.log.reason()}); {self.log.path} says more."
            )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then immediate, then none at all; returns when the process is gone."""
    for sign, seconds in _ENDING:
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


@contextmanager
def kept(*, wanted: bool) -> Generator[Callable[[int], None]]:
    """Where the kernel sends no death signal: a keeper that ends the last process it is told of."""
    if not wanted:
        yield lambda _pid: None
        return
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield lambda pid: _tell(guard, pid)
    finally:
        guard.kill()
        guard.communicate()


def _tell(guard: subprocess.Popen[bytes], pid: int) -> None:
    if guard.stdin:
        guard.stdin.write(f"{pid}\n".encode())
        guard.stdin.flush()


def _dies_with_us(sign: signal.Signals) -> Callable[[], None]:
    """What the child calls last before it becomes the program, after it changed its account.

    The kernel ties the signal to the *thread* that started the child, and forgets it when the
    account changes.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("PostgreSQL would end with this thread: start it from the main thread")
    prctl, ours = ctypes.CDLL(None).prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(sign), 0, 0, 0)
        if os.getppid() != ours:  # we were gone before the kernel knew
            os._exit(1)

    return arrange
