"""Homes with real shims and servers on them, of our own account or of another."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from commands import is_one_sentence
from lines import Ending, Lines
from portable import Portable, portable_python
from servers import directory_of, until

from hephaestus_tickets.local.accounts import Account
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders

PROGRAM = ("-m", "hephaestus_tickets")
_BOUND_S = 75.0  # longer than a shim waits for anything
_IDLE_S = "20"  # a second net: what a test leaves behind ends by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A home below an account's directory, and the Python that the account can run."""

    account: str  # empty for our own
    directory: Path
    python: Portable
    name: str = "home"
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def home(self) -> Path:
        return self.directory / self.name

    @property
    def owner(self) -> pwd.struct_passwd:
        return pwd.getpwnam(self.account) if self.account else pwd.getpwuid(os.geteuid())

    @property
    def data_owner(self) -> pwd.struct_passwd:
        return pwd.getpwnam("nobody") if self.owner.pw_uid == 0 else self.owner

    @property
    def paths(self) -> Home:
        entry = self.data_owner
        account = Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
        return Home(root=self.home, account=account)

    @contextmanager
    def shim(self, *arguments: str) -> Generator[Lines]:
        """A session, or a command; killed when the block ends, or when it takes too long."""
        given = {
            "HEPHAESTUS_HOME": str(self.home),
            "HEPHAESTUS_IDLE_SECONDS": _IDLE_S,
            "EMBEDDING_PROVIDER": "none",  # as for all tests: see tests/conftest.py
        }
        process = self.python.popen(
            *PROGRAM,
            *arguments,
            account=self.account,
            settings={**given, "DB_HOST": "", **self.settings},
        )
        bound = threading.Timer(_BOUND_S, process.kill)
        bound.start()
        # What was never taken cannot be flushed any more.
        with suppress(BrokenPipeError), process:
            try:
                yield Lines(process)
            finally:
                bound.cancel()
                process.kill()

    def said(self, *arguments: str) -> Ending:
        """What a session with nothing to ask says, or a command."""
        with self.shim(*arguments) as shim:
            return shim.end()

    def refusal(self) -> str:
        """The one sentence on stderr of a session that cannot be had."""
        ending = self.said()
        assert (ending.status, ending.out) == (1, b""), ending
        assert is_one_sentence(ending.err), ending.err
        return ending.err.removeprefix("hephaestus-tickets: ").removesuffix("\n")

    def works(self) -> bool:
        """Whether a session of its own is served from its beginning to its end."""
        with self.shim() as shim:
            shim.greet()
            assert not shim.call("create_ticket", title="It works")["isError"]
            ending = shim.end()
        return (ending.status, ending.out, ending.err) == (0, b"", "")

    def server(self) -> int:
        """The process that holds the home."""
        [pid] = holders(self.paths.server_lock)
        return pid

    def postmaster(self) -> int:
        return int((self.paths.data / "postmaster.pid").read_text().splitlines()[0])

    def named(self, name: str) -> Host:
        return replace(self, name=name)

    def copied(self, name: str = "") -> Host:
        """The home elsewhere, owners and all; for one that nothing runs on."""
        other = self.named(name or f"copy {sum(1 for _ in self.directory.iterdir())}")
        subprocess.run(["/bin/cp", "-Rp", self.home, other.home], check=True)
        return other

    def end(self) -> None:
        """Whatever runs on the home, at once or by force."""
        if not self.paths.server_lock.exists():
            return
        for pid in holders(self.paths.server_lock):
            end(pid)
        until(lambda: not holders(self.paths.postgres_lock))


@contextmanager
def hosted(account: str) -> Generator[Host]:
    """A host whose homes are gone when the block ends, with all that runs on them."""
    with directory_of(account) as directory:
        host = Host(
            account=account, directory=directory, python=portable_python(directory, account)
        )
        try:
            yield host
        finally:
            for home in directory.iterdir():
                host.named(home.name).end()


def is_alive(pid: int) -> bool:
    listed = subprocess.run(
        ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() not in ("", "Z", "Zs")


def end(pid: int) -> None:
    """By a signal that it obeys, else by one that it must."""
    for sign in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        if sign != signal.SIGCONT and _is_gone(pid):
            return


def _is_gone(pid: int) -> bool:
    with suppress(AssertionError):
        until(lambda: not is_alive(pid), 8)
        return True
    return False
