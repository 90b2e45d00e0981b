"""A real PostgreSQL as a child of this process, on a Unix socket, gone when the process is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.binaries import Binaries, binaries_for, find_binaries
from hephaestus_tickets.local.children import Launcher, Log, kept, open_log, stop
from hephaestus_tickets.local.cluster import (
    NAME,
    PORT,
    check_major,
    clear_leftovers,
    data_major,
    make_cluster,
    write_settings,
)
from hephaestus_tickets.local.disk import explained
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import DYING_S, leave_none, lock_for_children

_START_S = 60.0  # recovery after a crash may have much to replay
_CONNECT_S = 5  # one attempt: whoever is stopped may take the connection and never answer
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1
_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103  # bytes, without the closing zero


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSocket:
    """How to connect, for this account alone: no password, no network."""

    directory: Path
    port: int
    user: str
    database: str

    @classmethod
    def at(cls, directory: Path) -> PostgresSocket:
        """Of a PostgreSQL that we run there."""
        return cls(directory=directory, port=PORT, user=NAME, database=NAME)


@contextmanager
def running_postgres(
    home: Home, *, binaries: Binaries | None = None, keeper: bool = sys.platform != "linux"
) -> Generator[Postgres]:
    """PostgreSQL on the home, accepting connections when the block begins, gone when it ends.

    For the main thread of whoever holds `only_server`. Raises SetupError where the home cannot
    serve. `keeper` watches over PostgreSQL where the kernel has no death signal.
    """
    with ExitStack() as stack:
        with explained(home.root):
            log = stack.enter_context(open_log(home.log))
            usable = binaries_for(home, binaries or find_binaries(data_major(home)))
            check_major(home, usable)
            directory = stack.enter_context(_socket_directory(home))
            keep = stack.enter_context(kept(wanted=keeper))
            plan = _Plan(
                home=home,
                binaries=usable,
                directory=directory,
                log=log,
                keeper=keeper,
                keep=keep,
                whose=home.run.stat(),
            )
            stack.callback(plan.leave_none)
            plan.make_cluster()
            postgres = Postgres(plan)
            stack.callback(postgres.stop)
            postgres.wait_until_accepting()
        yield postgres


class Postgres:
    """One postmaster, or after its death another one in its place."""

    def __init__(self, plan: _Plan) -> None:
        self.socket = PostgresSocket.at(plan.directory)
        self._plan = plan
        self._launched = plan.launch()

    @property
    def pid(self) -> int:
        return self._launched.process.pid

    def is_running(self) -> bool:
        """Whether the postmaster lives, be it that it does not accept connections yet."""
        return self._launched.is_alive()

    def relaunch(self) -> None:
        """Puts another postmaster in the place of a dead one; from the main thread only.

        Ends at once what the dead one left, and does not wait for the new one to accept
        connections. Raises SetupError where none can be launched.
        """
        self._launched.end()
        with explained(self._plan.home.root):
            self._launched = self._plan.launch()

    def wait_until_accepting(self) -> None:
        """Blocks, in any thread. Raises SetupError with the reason where it comes to nothing."""
        _wait_until_accepting(self.socket, self._launched, self._plan)

    def stop(self) -> None:
        """Ends it, as the end of the block does."""
        if self._plan.is_at_home():
            stop(self._launched.process)
        else:  # a clean ending would remove the socket, which may be another server's by now
            self._launched.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launched:
    process: subprocess.Popen[bytes]
    log: Log

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What each postmaster of a block is launched with."""

    home: Home
    binaries: Binaries
    directory: Path
    log: Log
    keeper: bool
    keep: Callable[[int], None]
    whose: os.stat_result  # the directory of the locks, as it was at first

    def is_at_home(self) -> bool:
        """A home made anew in the place of ours may be another server's, and so what runs there."""
        with suppress(FileNotFoundError):
            return os.path.samestat(self.home.run.stat(), self.whose)
        return False

    def make_cluster(self) -> None:
        with self._launcher(DYING_S) as launcher:
            make_cluster(self.home, self.binaries, launcher)

    def check_at_home(self) -> None:
        if not self.is_at_home():
            raise SetupError(
                f"{self.home.root} was deleted or replaced while PostgreSQL ran on it; start again."
            )

    def launch(self) -> _Launched:
        self.check_at_home()
        with self._launcher(0) as launcher:
            clear_leftovers(self.home, launcher)
            write_settings(self.home, self.binaries, self.directory)
            process = launcher.start(
                self.binaries.path("postgres"),
                f"--config-file={self.home.root / 'postgresql.conf'}",
                "-D",
                self.home.data,
                # Nobody is left to watch over a clean ending; recovery loses no commit.
                dies_by=signal.SIGQUIT,
            )
        self.keep(process.pid)
        return _Launched(process=process, log=launcher.log)

    def leave_none(self) -> None:
        if self.is_at_home():
            leave_none(self.home.postgres_lock)

    @contextmanager
    def _launcher(self, patience: float) -> Generator[Launcher]:
        with lock_for_children(self.home.postgres_lock, patience) as lock:
            log = self.log.from_here()
            yield Launcher(account=self.home.account, lock=lock, log=log, keeper=self.keeper)


@contextmanager
def _socket_directory(home: Home) -> Generator[Path]:
    """PostgreSQL's own side; a short one elsewhere where libpq could not name a socket there."""
    name = os.fsencode(home.pg / f".s.PGSQL.{PORT}")
    if len(name) <= _LONGEST_SOCKET and b"," not in name:
        yield home.pg
        return
    directory = Path(tempfile.mkdtemp(prefix="hephaestus-", dir="/tmp"))
    try:
        os.chown(directory, home.account.uid, home.account.gid)
        yield directory
    finally:
        os.chown(directory, os.geteuid(), os.getegid())  # ours again before we delete below it
        shutil.rmtree(directory)


def _wait_until_accepting(socket: PostgresSocket, launched: _Launched, plan: _Plan) -> None:
    """Its death is noticed at once, and so is the end of the home that the socket was in."""
    from psycopg import OperationalError  # noqa: PLC0415 - 0.1 s, while PostgreSQL starts

    deadline, pause = time.monotonic() + _START_S, _FIRST_PAUSE_S
    while True:
        try:
            _make_database(socket)
        except OperationalError as error:
            if not launched.is_alive():
                raise SetupError(
                    f"PostgreSQL did not start ({launched.log.reason()}); "
                    f"{launched.log.path} says more."
                ) from error
            plan.check_at_home()
            if time.monotonic() > deadline:
                raise SetupError(
                    f"PostgreSQL did not accept a connection within {_START_S:.0f} seconds "
                    f"({' '.join(str(error).split())}); {launched.log.path} says more."
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            return


def _make_database(socket: PostgresSocket) -> None:
    """Whatever began, and was cut off, is there or not: then once more."""
    from psycopg import connect, sql  # noqa: PLC0415 - as above

    with connect(
        host=str(socket.directory),
        port=socket.port,
        user=socket.user,
        dbname="postgres",
        autocommit=True,
        connect_timeout=_CONNECT_S,
    ) as connection:
        name = socket.database
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
