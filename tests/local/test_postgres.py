"""PostgreSQL while a server runs it: what it is, who may connect, and that it goes."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from servers import Place, Server, answer_of, start_program, until_nothing_runs

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.binaries import Binaries, every_binaries
from hephaestus_tickets.local.cluster import NAME
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.local.postgres import embedded_postgres

Start = Callable[..., Server]


def test_what_is_committed_is_there_at_the_next_start_and_nothing_runs_between(
    place: Place, start: Start
) -> None:
    first = start()
    first.rows("CREATE TABLE kept AS SELECT 42 AS answer")
    assert first.end() == 0
    assert holders(place.paths().postgres_lock) == []
    assert start().rows("SELECT answer FROM kept") == [[42]]


def test_a_second_process_is_refused_in_one_sentence_that_names_the_first(
    place: Place, start: Start
) -> None:
    first = start()
    assert start().hello == {
        "refused": f"{place.home} is in use by process {first.process.pid}; end that one first, "
        "or set HEPHAESTUS_HOME to another directory."
    }
    assert first.rows("SELECT 1") == [[1]]


def test_a_restart_does_not_have_to_wait_for_the_end_of_the_first(
    place: Place, start: Start
) -> None:
    first = start()
    second = start_program(place)
    first.process.terminate()
    assert "directory" in answer_of(second)
    second.communicate()


def test_it_is_safe_and_listens_on_no_network(start: Start) -> None:
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "jit": "off",
        "unix_socket_permissions": "0700",
    }
    found = start().rows(f"SELECT name, setting FROM pg_settings WHERE name IN {tuple(wanted)}")
    assert dict((name, setting) for name, setting in found) == wanted


def test_text_sorts_alike_on_every_system(start: Start, binaries: Binaries) -> None:
    provider = "b" if binaries.major >= 17 else "c"
    assert start().rows(
        f"SELECT datlocprovider::text FROM pg_database WHERE datname = '{NAME}'"
    ) == [[provider]]
    assert start.__name__ == "start"


def test_no_secret_of_the_server_reaches_postgresql(start: Start) -> None:
    server = start()
    server.rows("CREATE TABLE IF NOT EXISTS environment (line text)")
    server.rows("COPY environment FROM PROGRAM 'env'")
    assert server.rows("SELECT line FROM environment WHERE line LIKE '%SECRET%'") == []


def test_only_the_account_of_the_server_may_connect(place: Place, start: Start) -> None:
    server = start()
    ours = place.account or ("root" if is_root() else place.paths().account.name)
    assert (place.home / "pg_hba.conf").read_text() == f"local all {NAME} peer map=server\n"
    assert (place.home / "pg_ident.conf").read_text() == f'server "{ours}" {NAME}\n'
    for stranger in _strangers(place):
        said = subprocess.run(
            [place.binaries.path("psql"), "-h", server.hello["directory"], "-U", NAME, NAME],
            user=stranger,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Peer authentication failed" in said.stderr


def _strangers(place: Place) -> list[str]:
    """Accounts that can open the socket but are not the server's."""
    if not is_root():
        return []
    return ["root" if place.account else "nobody"]


def test_modes_and_owners_are_exact(place: Place, start: Start) -> None:
    start()
    ours = "root" if is_root() and not place.account else place.paths().account.name
    if place.account:
        ours = place.account
    theirs = place.account or place.paths().account.name
    of_root = is_root() and not place.account
    expected = {
        "": (ours, 0o711 if of_root else 0o700),
        "pg": (theirs, 0o700),
        "pg/data": (theirs, 0o700),
        "pg/.s.PGSQL.5432": (theirs, 0o700),
        "run": (ours, 0o700),
        "run/server.lock": (ours, 0o600),
        "run/postgres.lock": (ours, 0o600),
        "run/postgres.log": (ours, 0o600),
        "pg_hba.conf": (ours, 0o644 if of_root else 0o600),
    }
    assert {name: _owner_and_mode(place.home / name) for name in expected} == expected


def _owner_and_mode(path: Path) -> tuple[str, int]:
    return path.owner(), stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize(
    ("name", "beside_the_data"),
    [
        ("a place with 'many' \"odd\" signs, ümläute & $(things)", False),
        ("a place with blanks", True),
        ("long" * 40, False),
    ],
    ids=["signs", "blanks", "long"],
)
def test_a_home_may_have_any_name(
    place: Place, start: Start, *, name: str, beside_the_data: bool
) -> None:
    home = place.directory / name
    server = start(home)
    socket = Path(server.hello["directory"])
    assert (socket == home / "pg") == beside_the_data
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert server.rows("SELECT 1") == [[1]]
    assert server.end() == 0
    assert socket.exists() == beside_the_data


def test_a_busy_client_does_not_delay_the_end(place: Place, start: Start) -> None:
    server = start()
    server.tell("SELECT count(*) FROM generate_series(1, 100000000000)")
    while server.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT count.*000'"
    ) == [[0]]:
        pass
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 1
    assert holders(place.paths().postgres_lock) == []


def test_an_interrupted_block_leaves_nothing(home: Home) -> None:
    with pytest.raises(KeyboardInterrupt), embedded_postgres(home):
        raise KeyboardInterrupt
    assert holders(home.postgres_lock) == []
    assert holders(home.server_lock) == []


def test_an_error_of_the_block_is_not_explained_away(home: Home) -> None:
    with pytest.raises(FileNotFoundError, match="ours"), embedded_postgres(home):
        raise FileNotFoundError("ours")


def test_the_end_of_another_thread_may_not_end_postgresql(home: Home) -> None:
    raised: list[type[BaseException]] = []

    def start() -> None:
        try:
            with embedded_postgres(home, keeper=False):
                pass
        except RuntimeError as error:
            raised.append(type(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised == [RuntimeError]


def test_a_terminals_interrupt_is_not_for_postgresql(home: Home) -> None:
    with embedded_postgres(home):
        sessions = {os.getsid(pid) for pid in holders(home.postgres_lock)}
        assert os.getsid(0) not in sessions


@pytest.mark.parametrize(
    "found", list(every_binaries()), ids=lambda binaries: str(binaries.version)
)
def test_every_postgresql_of_this_machine_will_do(home: Home, found: Binaries) -> None:
    with (
        embedded_postgres(home, binaries=found) as socket,
        psycopg.connect(
            host=str(socket.directory), port=socket.port, user=socket.user, dbname=socket.database
        ) as connection,
    ):
        assert connection.info.server_version // 10_000 == found.major
    until_nothing_runs(home)
