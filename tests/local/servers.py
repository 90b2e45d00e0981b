"""Starts, asks, kills and ends servers in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Protocol

import server_program
from server_program import Ask, Hello, Line, Order

from hephaestus_tickets.local.accounts import Account, is_root
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.disk import MEGABYTE, free_bytes
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders

# Whose homes are tried: our own, and as root also an ordinary user's.
ACCOUNTS = ["", "daemon"] if is_root() else [""]

_MEMORY = Path("/dev/shm")  # noqa: S108 - only mkdtemp's directories are made there
_DISK = Path("/tmp")  # noqa: S108 - likewise; short, and open to every account

# A server is forked from a process that has its imports: that is quick, and it may then become
# an account that could not read them.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["hephaestus_tickets.local.postgres", "pytest"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account may make homes, and the PostgreSQL it can run."""

    account: str
    directory: Path
    binaries: Binaries

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def owner(self) -> str:
        return self.account or pwd.getpwuid(os.geteuid()).pw_name

    @property
    def data_owner(self) -> Account:
        entry = pwd.getpwnam("nobody" if self.owner == "root" else self.owner)
        return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)

    def paths(self) -> Home:
        """The home's paths as the account sees them."""
        return Home(root=self.home, account=self.data_owner)

    def as_data_owner(self, *command: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            user=self.data_owner.uid if is_root() else None,
            group=self.data_owner.gid if is_root() else None,
            stderr=subprocess.DEVNULL,
            umask=0o077,
            cwd="/",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    process: ForkServerProcess
    line: Line

    def hello(self) -> Hello:
        assert self.line.poll(20), "the server said nothing"
        return self.line.recv()

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int | None:
        """Its exit status, once the line is closed."""
        self.line.close()
        self.process.join(10)
        return self.process.exitcode


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Starting):
    greeting: Hello

    @property
    def directory(self) -> Path:
        assert self.greeting.directory, self.greeting.refused
        return self.greeting.directory

    @property
    def pid(self) -> int:
        assert self.process.pid
        return self.process.pid

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        self.line.send(sql)
        return self.line.recv()

    def begin(self, sql: str) -> None:
        """Lets it run in the background."""
        self.line.send((sql,))

    def is_running(self) -> bool:
        """Whether its PostgreSQL is."""
        self.line.send(Ask.IS_RUNNING)
        return self.line.recv()

    def relaunch(self) -> str:
        """Why its PostgreSQL does not accept connections again; empty where it does."""
        self.line.send(Ask.RELAUNCH)
        return self.line.recv()


class Start(Protocol):
    def __call__(self, home: Path | None = None, *, keeper: bool = False) -> Server: ...


def start_without_waiting(
    place: Place, home: Path | None = None, *, keeper: bool = False
) -> Starting:
    line, theirs = _FORKS.Pipe()
    order = Order(
        home=home or place.home, account=place.account, binaries=place.binaries, keeper=keeper
    )
    process = _FORKS.Process(target=server_program.run, args=(order, theirs))
    process.start()
    theirs.close()
    return Starting(process=process, line=line)


@contextmanager
def starting(place: Place) -> Generator[Start]:
    """Starts servers and waits until each serves or refuses; whatever is left is killed."""
    started: list[Server] = []

    def start(home: Path | None = None, *, keeper: bool = False) -> Server:
        begun = start_without_waiting(place, home, keeper=keeper)
        server = Server(process=begun.process, line=begun.line, greeting=begun.hello())
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.kill()


@contextmanager
def directory_of(account: str) -> Generator[Path]:
    """A directory that is the account's, and that every account can reach."""
    directory = Path(tempfile.mkdtemp(prefix="hephaestus tests'", dir=_quick_disk())).resolve()
    directory.chmod(0o755)
    if account:
        shutil.chown(directory, account)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _quick_disk() -> Path:
    """In memory where there is room: these tests are about processes, not about the disk."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return _DISK
    may_execute = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    return _MEMORY if may_execute and free_bytes(_MEMORY) > 1024 * MEGABYTE else _DISK


@contextmanager
def copy_of(place: Place, start: Start, copied: Path) -> Generator[Path]:
    """The place's home elsewhere, owners and all; quicker than a new one."""
    assert start().end() == 0
    subprocess.run(["/bin/cp", "-Rp", place.home, copied], check=True)
    try:
        yield copied
    finally:
        shutil.rmtree(copied)


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def until_nothing_runs(home: Home) -> None:
    until(lambda: holders(home.postgres_lock) == [])


def postmaster_pid(home: Home) -> int:
    return int((home.data / "postmaster.pid").read_text().splitlines()[0])
