"""What a session says, or how it recovers, where it finds a home in a state it did not leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hosts import Host, hosted
from servers import until

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.locks import holders, lock_within

# Whom root may give something to; an ordinary user can give nothing away.
STRANGERS = ["daemon"] if is_root() else []
LOG_LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def served() -> Iterator[Host]:
    """A home with a server on it; what a test stops or kills, its own last session starts."""
    with hosted("") as host:
        assert host.works()
        yield host


@pytest.fixture(scope="module")
def made(served: Host) -> Host:
    """A home that nothing runs on: to be copied."""
    served.end()
    made = served.copied("made")
    assert served.works()
    return made


@pytest.fixture
def stopped(made: Host) -> Host:
    """One of the test's own."""
    return made.copied()


def _kill(host: Host) -> None:
    os.kill(host.server(), signal.SIGKILL)
    until(lambda: not holders(host.paths.server_lock) + holders(host.paths.postgres_lock))


def test_a_socket_that_a_killed_server_left_is_no_hindrance(served: Host) -> None:
    _kill(served)
    assert served.paths.socket.is_socket()
    assert served.works()


def test_a_live_process_is_not_taken_for_the_postmaster_of_a_killed_server(stopped: Host) -> None:
    files = [stopped.paths.data / "postmaster.pid", stopped.paths.pg / ".s.PGSQL.5432.lock"]
    with _unrelated(stopped) as unrelated:
        for file in files:
            file.write_text(f"{unrelated.pid}\n{stopped.paths.data}\n1\n5432\n")
            os.chown(file, stopped.data_owner.pw_uid, stopped.data_owner.pw_gid)
        try:
            assert stopped.works()
            assert unrelated.poll() is None
        finally:
            unrelated.kill()
    assert stopped.said("stop").status == 0


def _unrelated(host: Host) -> subprocess.Popen[bytes]:
    """A process of the account that PostgreSQL runs under."""
    user = host.data_owner.pw_uid if is_root() else None
    return subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=user)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_socket_of_another_account_is_not_used(served: Host, name: str) -> None:
    shutil.chown(served.paths.socket, name)
    facts = served.paths.socket.stat()
    sentence = (
        f"{served.paths.socket} belongs to user id {facts.st_uid}; remove it and start again."
    )
    assert served.refusal() == sentence
    assert served.said("status").err == f"hephaestus-tickets: {sentence}\n"
    served.paths.socket.unlink()
    assert served.works()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_a_socket_that_is_none_is_refused(stopped: Host, kind: str) -> None:
    there = stopped.paths.socket
    if kind == "file":
        there.touch()
    elif kind == "directory":
        there.mkdir()
    else:
        there.symlink_to(stopped.paths.server_log)
    assert stopped.refusal() == f"{there} is not a socket; remove it and start again."


@pytest.mark.parametrize("part", ["", "run", "pg"], ids=["home", "run", "pg"])
def test_what_is_a_link_is_refused(stopped: Host, part: str) -> None:
    path, moved = stopped.home / part, stopped.directory / f"moved {part}"
    path.rename(moved)
    path.symlink_to(moved)
    assert stopped.refusal() == (
        f"{path} is a symbolic link, which could lead anywhere; "
        f"set HEPHAESTUS_HOME to {moved} itself if that is what you want."
    )


@pytest.mark.parametrize("part", ["", "run", "pg"], ids=["home", "run", "pg"])
@pytest.mark.parametrize("name", STRANGERS)
def test_what_belongs_to_another_account_is_refused(stopped: Host, part: str, name: str) -> None:
    path = stopped.home / part
    shutil.chown(path, name)
    assert stopped.refusal() == (
        f"{path} belongs to user id {path.stat().st_uid}; start as that account, "
        "or set HEPHAESTUS_HOME to a directory of your own."
    )


def test_a_home_that_lost_its_modes_gets_them_back(served: Host) -> None:
    served.end()
    paths = served.paths
    for path in (served.home, paths.pg, paths.run):
        path.chmod(0o500)
    assert served.works()
    found = [path.stat().st_mode & 0o777 for path in (served.home, paths.pg, paths.run)]
    assert found == [paths.root_mode, 0o700, 0o700]


def test_a_server_that_hangs_is_named_with_what_ends_it(served: Host) -> None:
    server = served.server()
    os.kill(server, signal.SIGSTOP)
    try:
        assert served.refusal() == (
            f"The local server of {served.home} (process {server}) does not answer; "
            "`hephaestus-tickets stop` ends it."
        )
    finally:
        os.kill(server, signal.SIGCONT)
    assert served.works()
    assert served.server() == server


def test_a_session_waits_while_another_process_holds_the_home(stopped: Host) -> None:
    lock = lock_within(stopped.paths.server_lock, 0)
    assert lock
    with stopped.shim() as session:
        with pytest.raises(subprocess.TimeoutExpired):
            session.process.wait(1)
        os.close(lock)
        session.greet()
        assert session.end().status == 0
    stopped.end()


def test_an_initdb_that_is_killed_is_said_and_begun_anew(made: Host) -> None:
    host = made.named("begun twice")
    with host.shim() as session:
        until((host.paths.pg / "data.new/base").exists)
        for pid in set(holders(host.paths.postgres_lock)) - {host.server()}:
            with suppress(ProcessLookupError):  # it has children that end with it
                os.kill(pid, signal.SIGKILL)
        ending = session.end()
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err.startswith("hephaestus-tickets: initdb failed (")
    assert ending.err.endswith(f"); {host.paths.log} says more.\n")
    assert host.works()
    assert not (host.paths.pg / "data.new").exists()
    host.end()


def test_logs_do_not_grow_for_ever(served: Host) -> None:
    server, paths = served.server(), served.paths
    _lengthen(paths.server_log)
    until(lambda: paths.server_log.stat().st_size < LOG_LIMIT)
    assert served.works()
    assert served.server() == server
    text = paths.server_log.read_text()
    assert "it was long" not in text
    assert '"operation": "create_ticket"' in text
    _lengthen(paths.log)
    served.end()
    assert served.works()
    assert paths.log.stat().st_size < LOG_LIMIT
    for before in ("server.log.1", "postgres.log.1"):
        assert "it was long\n" in (paths.run / before).read_text()


def _lengthen(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"it was long\n" * (LOG_LIMIT // 12 + 1))
