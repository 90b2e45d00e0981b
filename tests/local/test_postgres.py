"""PostgreSQL while a server runs it: what it is, and whose."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from servers import Place, Server, Start, postmaster_pid, starting

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.binaries import Binaries, every_binaries
from hephaestus_tickets.local.cluster import NAME
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.postgres import running_postgres


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    with starting(place) as start:
        yield start()


def test_a_second_process_is_refused_in_one_sentence_that_names_the_first(
    place: Place, server: Server, start: Start
) -> None:
    assert start().greeting.refused == (
        f"{place.home} is in use by process {server.pid}; end that one with "
        "`hephaestus-tickets stop`, or set HEPHAESTUS_HOME to another directory."
    )
    assert server.rows("SELECT 1") == [(1,)]


def test_it_is_safe_and_listens_on_no_network(server: Server) -> None:
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
    found = server.rows(f"SELECT name, setting FROM pg_settings WHERE name IN {tuple(wanted)}")
    assert {row[0]: row[1] for row in found} == wanted


def test_text_sorts_alike_on_every_system(server: Server, binaries: Binaries) -> None:
    provider = "b" if binaries.major >= 17 else "c"
    query = f"SELECT datlocprovider::text FROM pg_database WHERE datname = '{NAME}'"
    assert server.rows(query) == [(provider,)]


def test_no_secret_of_the_server_reaches_postgresql(server: Server) -> None:
    server.rows("CREATE TABLE IF NOT EXISTS environment (line text)")
    server.rows("COPY environment FROM PROGRAM 'env'")
    assert server.rows("SELECT line FROM environment WHERE line LIKE '%SECRET%'") == []


def test_a_terminals_interrupt_is_not_for_postgresql(place: Place, server: Server) -> None:
    assert os.getsid(postmaster_pid(place.paths())) != os.getsid(server.pid)


def test_only_the_account_of_the_server_may_connect(place: Place, server: Server) -> None:
    assert (place.home / "pg_hba.conf").read_text() == f"local all {NAME} peer map=server\n"
    assert (place.home / "pg_ident.conf").read_text() == f'server "{place.owner}" {NAME}\n'
    for stranger in _strangers(place):
        said = subprocess.run(
            [place.binaries.path("psql"), "-h", server.directory, "-U", NAME, NAME],
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


def test_modes_and_owners_are_exact(place: Place, server: Server) -> None:
    of_root = place.owner == "root"
    assert server.rows("SELECT 1") == [(1,)]
    expected = {
        "": (place.owner, 0o711 if of_root else 0o700),
        "pg": (place.data_owner.name, 0o700),
        "pg/data": (place.data_owner.name, 0o700),
        "pg/.s.PGSQL.5432": (place.data_owner.name, 0o700),
        "run": (place.owner, 0o700),
        "run/server.lock": (place.owner, 0o600),
        "run/postgres.lock": (place.owner, 0o600),
        "run/postgres.log": (place.owner, 0o600),
        "pg_hba.conf": (place.owner, 0o644 if of_root else 0o600),
    }
    assert {name: _owner_and_mode(place.home / name) for name in expected} == expected


def _owner_and_mode(path: Path) -> tuple[str, int]:
    return path.owner(), stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("found", list(every_binaries()), ids=lambda found: str(found.directory))
def test_every_postgresql_of_this_machine_will_do(found: Binaries) -> None:
    with (
        throwaway_home() as home,
        running_postgres(home, binaries=found) as postgres,
        psycopg.connect(
            host=str(postgres.socket.directory), user=NAME, dbname=postgres.socket.database
        ) as connection,
    ):
        assert connection.info.server_version // 10_000 == found.major


def test_its_client_library_is_not_loaded_before_postgresql_starts() -> None:
    program = "import sys, hephaestus_tickets.local.postgres; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
