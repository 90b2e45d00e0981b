"""Starts, asks, kills and ends `server_program.py`."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hephaestus_tickets.local.accounts import Account, is_root
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders

_PROGRAM = Path(__file__).with_name("server_program.py")
# Whose homes are tried: our own, and as root also an ordinary user's.
ACCOUNTS = ["", "daemon"] if is_root() else [""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an account may make a home, and the PostgreSQL it can run."""

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
    def data_owner(self) -> str:
        return "nobody" if self.owner == "root" else self.owner

    @property
    def data_owner_if_root(self) -> str | None:
        """For `Popen(user=…)`: only root may say it."""
        return self.data_owner if is_root() else None

    def paths(self) -> Home:
        """The home's paths as the account sees them."""
        owner = pwd.getpwnam(self.data_owner)
        account = Account(name=owner.pw_name, uid=owner.pw_uid, gid=owner.pw_gid)
        return Home(root=self.home, account=account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    process: subprocess.Popen[str]
    hello: dict[str, Any]  # JSON of the program above

    def ask(self, sql: str) -> dict[str, Any]:
        self.tell(sql, background=False)
        return answer_of(self.process)

    def rows(self, sql: str) -> list[list[Any]]:
        return self.ask(sql)["rows"]

    def tell(self, sql: str, *, background: bool = True) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"sql": sql, "background": background}) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        """Its exit status, once its input ended."""
        self.process.communicate(timeout=10)
        return self.process.returncode


@contextmanager
def directory_of(account: str) -> Generator[Path]:
    """A directory that is the account's, and that every account can reach."""
    directory = Path(tempfile.mkdtemp(prefix="hephaestus tickets'", dir="/tmp")).resolve()
    directory.chmod(0o755)
    if account:
        shutil.chown(directory, account)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    return json.loads(process.stdout.readline())


def start_program(
    place: Place, home: Path | None = None, *, keeper: bool = False
) -> subprocess.Popen[str]:
    major, minor = place.binaries.version
    return subprocess.Popen(
        [
            *(sys.executable, _PROGRAM, home or place.home),
            *(f"--account={place.account}", "--binaries", place.binaries.directory),
            *("--version", str(major), str(minor)),
            *(["--keeper"] if keeper else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"A_SECRET": "of the server"},
    )


class Start(Protocol):
    def __call__(self, home: Path | None = None, *, keeper: bool = False) -> Server: ...


@contextmanager
def starting(place: Place) -> Generator[Start]:
    started: list[Server] = []

    def start(home: Path | None = None, *, keeper: bool = False) -> Server:
        process = start_program(place, home, keeper=keeper)
        server = Server(process=process, hello=answer_of(process))
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.kill()


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def until_nothing_runs(home: Home) -> None:
    until(lambda: holders(home.postgres_lock) == [])


def postmaster_pid(home: Home) -> int:
    return int((home.data / "postmaster.pid").read_text().splitlines()[0])


def copy_of(place: Place, start: Start, name: str) -> Path:
    """The place's home under another name, owners and all; quicker than a new one."""
    assert start().end() == 0
    copied = place.directory / name
    subprocess.run(["/bin/cp", "-Rp", place.home, copied], check=True)
    return copied
