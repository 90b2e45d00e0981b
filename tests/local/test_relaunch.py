"""PostgreSQL that dies under its server, and the one launched in its place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import (
    Place,
    Server,
    Start,
    copy_of,
    postmaster_pid,
    starting,
    until,
    until_nothing_runs,
)

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders, only_server
from hephaestus_tickets.local.postgres import running_postgres

_FOREVER = "SELECT count(*) FROM generate_series(1, 100000000000)"
_BUSY = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'series' AND pid <> pg_backend_pid()"


def _kill_postmaster(server: Server, home: Home) -> None:
    os.kill(postmaster_pid(home), signal.SIGKILL)
    until(lambda: not server.is_running())


def _postmasters(home: Home) -> list[int]:
    """Those of the lock's holders whose parent is none of them."""
    found = holders(home.postgres_lock)
    return [pid for pid in found if _parent(pid) not in found]


def _parent(pid: int) -> int:
    listed = subprocess.run(
        ["/bin/ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return int(listed.stdout or 0)


def test_a_killed_postmaster_is_noticed_and_another_serves_what_was_committed(
    place: Place, start: Start
) -> None:
    server, home = start(), place.paths()
    assert server.is_running()
    server.rows("CREATE TABLE relaunched AS SELECT 42 AS answer")
    _kill_postmaster(server, home)
    assert server.relaunch() == ""
    assert server.is_running()
    assert server.rows("SELECT answer FROM relaunched") == [(42,)]
    assert _postmasters(home) == [postmaster_pid(home)]
    assert server.end() == 0
    assert holders(home.postgres_lock) == []


def test_busy_backends_of_the_old_one_are_gone_before_the_new_one_serves(
    place: Place, start: Start
) -> None:
    server, home = start(), place.paths()
    server.rows("CREATE TABLE outlived AS SELECT 42 AS answer")
    server.begin(_FOREVER)
    until(lambda: server.rows(_BUSY) == [(1,)])
    before = set(holders(home.postgres_lock))
    _kill_postmaster(server, home)
    assert server.relaunch() == ""
    assert before.isdisjoint(holders(home.postgres_lock))
    assert server.rows(_BUSY) == [(0,)]
    assert server.rows("SELECT answer FROM outlived") == [(42,)]
    assert _postmasters(home) == [postmaster_pid(home)]


def test_it_may_die_again_and_again(place: Place, start: Start) -> None:
    server, home = start(), place.paths()
    server.rows("CREATE TABLE IF NOT EXISTS deaths (number int)")
    server.rows("TRUNCATE deaths")
    for number in range(3):
        server.rows(f"INSERT INTO deaths VALUES ({number})")
        _kill_postmaster(server, home)
        assert server.relaunch() == ""
    assert server.rows("SELECT number FROM deaths ORDER BY 1") == [(0,), (1,), (2,)]
    assert server.end() == 0


def test_a_killed_server_takes_the_second_postgresql_along_as_well(
    place: Place, start: Start
) -> None:
    server, home = start(), place.paths()
    _kill_postmaster(server, home)
    assert server.relaunch() == ""
    server.kill()
    until_nothing_runs(home)
    assert start().rows("SELECT 1") == [(1,)]


def test_a_keeper_watches_over_the_second_one(places: dict[str, Place]) -> None:
    place = places[""]
    with starting(place) as start:
        server, home = start(keeper=True), place.paths()
        _kill_postmaster(server, home)
        assert server.relaunch() == ""
        server.kill()
        until_nothing_runs(home)


def test_data_that_broke_meanwhile_is_said_and_the_server_still_ends_cleanly(
    place: Place, start: Start
) -> None:
    with copy_of(place, start, place.directory / "soon broken") as root:
        server, home = start(root), Home(root=root, account=place.data_owner)
        _kill_postmaster(server, home)
        os.truncate(home.data / "global/pg_control", 0)
        refusal = server.relaunch()
        assert refusal == (
            'PostgreSQL did not start (could not read file "global/pg_control": '
            f"read 0 of 296); {home.log} says more."
        )
        assert not server.is_running()
        assert server.end() == 0
        assert holders(home.postgres_lock) == []


def test_a_home_that_is_gone_is_said_and_the_block_still_ends(home: Home) -> None:
    away = home.root.with_name("moved away")
    with only_server(home, 0), running_postgres(home) as postgres, _moved(home.root, away):
        os.kill(postgres.pid, signal.SIGKILL)
        until(lambda: not postgres.is_running())
        with pytest.raises(SetupError, match="was deleted or replaced while PostgreSQL ran on it"):
            postgres.relaunch()


@contextmanager
def _moved(path: Path, away: Path) -> Generator[None]:
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


def test_what_runs_in_a_home_made_anew_at_the_same_place_is_left_alone(
    place: Place, start: Start
) -> None:
    with copy_of(place, start, place.directory / "soon replaced") as root:
        first = start(root)
        shutil.rmtree(root)
        subprocess.run(["/bin/cp", "-Rp", place.home, root], check=True)
        second = start(root)
        assert first.end() == 0
        assert second.rows("SELECT 1") == [(1,)]
        assert second.is_running()
