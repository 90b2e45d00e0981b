"""A real PostgreSQL as a child of this process, on a Unix socket, gone when the process is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

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
from hephaestus_tickets.local.locks import RESTART_S, leave_none, lock_for_children, only_server

_START_S = 60.0  # recovery after a crash may have much to replay
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1
_LONGEST_SOCKET = 107 if sys.platform == "linux" else 103  # bytes, without the closing zero


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSocket:
    """How to connect, for this account alone: no password, no network."""

    directory: Path
    port: int
    user: str
    database: str


@contextmanager
def embedded_postgres(
    home: Home,
    *,
    binaries: Binaries | None = None,
    keeper: bool = sys.platform != "linux",
    patience: float = RESTART_S,
) -> Generator[PostgresSocket]:
    """Runs PostgreSQL on the home while the block lasts; from the main thread only.

    Raises SetupError where the home is in use for `patience` seconds or cannot serve. `keeper`
    watches over PostgreSQL where the kernel has no death signal.
    """
    with ExitStack() as stack:
        with explained(home.root):
            stack.enter_context(only_server(home, patience))
            log = stack.enter_context(open_log(home.log))
            usable = binaries_for(home, binaries or find_binaries(data_major(home)))
            check_major(home, usable)
            directory = stack.enter_context(_socket_directory(home))
            process = stack.enter_context(_running(home, usable, directory, log, keeper=keeper))
            socket = PostgresSocket(directory=directory, port=PORT, user=NAME, database=NAME)
            _make_database(_connected(socket, process, log), socket.database)
        yield socket


@contextmanager
def _running(
    home: Home, binaries: Binaries, directory: Path, log: Log, *, keeper: bool
) -> Generator[subprocess.Popen[bytes]]:
    with kept(wanted=keeper) as keep:
        process = None
        try:
            process = _launched(home, binaries, directory, log, keeper=keeper)
            keep(process.pid)
            yield process
        finally:
            if process:
                stop(process)
            leave_none(home.postgres_lock)


def _launched(
    home: Home, binaries: Binaries, directory: Path, log: Log, *, keeper: bool
) -> subprocess.Popen[bytes]:
    with lock_for_children(home.postgres_lock) as lock:
        launcher = Launcher(account=home.account, lock=lock, log=log, keeper=keeper)
        clear_leftovers(home, launcher)
        make_cluster(home, binaries, launcher)
        write_settings(home, binaries, directory)
        return launcher.start(
            binaries.path("postgres"),
            f"--config-file={home.root / 'postgresql.conf'}",
            "-D",
            home.data,
            # Nobody is left to watch over a clean ending; recovery loses no commit.
            dies_by=signal.SIGQUIT,
        )


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


def _connected(
    socket: PostgresSocket, process: subprocess.Popen[bytes], log: Log
) -> psycopg.Connection:
    """The first connection that PostgreSQL accepts; its death is noticed at once."""
    deadline, pause = time.monotonic() + _START_S, _FIRST_PAUSE_S
    while True:
        try:
            return psycopg.connect(
                host=str(socket.directory),
                port=socket.port,
                user=socket.user,
                dbname="postgres",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            if process.poll() is not None:
                raise SetupError(
                    f"PostgreSQL did not start ({log.reason()}); {log.path} says more."
                ) from error
            if time.monotonic() > deadline:
                raise SetupError(
                    f"PostgreSQL did not accept a connection within {_START_S:.0f} seconds "
                    f"({' '.join(str(error).split())}); {log.path} says more."
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _make_database(connection: psycopg.Connection, name: str) -> None:
    with connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
