"""How a server ends, by itself or by others, and what the next one finds."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from servers import (
    Place,
    Start,
    copy_of,
    postmaster_pid,
    start_without_waiting,
    starting,
    until,
    until_nothing_runs,
)

from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders, only_server
from hephaestus_tickets.local.postgres import running_postgres

_FOREVER = "SELECT count(*) FROM generate_series(1, 100000000000)"
_BUSY = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'series' AND pid <> pg_backend_pid()"


def test_what_is_committed_is_there_at_the_next_start_and_nothing_runs_between(
    place: Place, start: Start
) -> None:
    first = start()
    first.rows("CREATE TABLE kept AS SELECT 42 AS answer")
    assert first.end() == 0
    assert holders(place.paths().postgres_lock) == []
    assert start().rows("SELECT answer FROM kept") == [(42,)]


def test_a_killed_server_takes_postgresql_along_and_no_commit(place: Place, start: Start) -> None:
    first = start()
    first.rows("CREATE TABLE survived AS SELECT 42 AS answer")
    first.kill()
    until_nothing_runs(place.paths())
    assert start().rows("SELECT answer FROM survived") == [(42,)]


def test_a_start_right_after_a_kill_waits_for_what_is_dying(start: Start) -> None:
    first = start()
    first.rows("CREATE TABLE hurried AS SELECT 42 AS answer")
    first.process.kill()
    assert start().rows("SELECT answer FROM hurried") == [(42,)]


def test_a_restart_does_not_have_to_wait_for_the_end_of_the_first(
    place: Place, start: Start
) -> None:
    first = start()
    second = start_without_waiting(place)
    assert first.end() == 0
    assert not second.hello().refused
    assert second.end() == 0


def test_a_busy_client_does_not_delay_the_end(place: Place, start: Start) -> None:
    server = start()
    server.begin(_FOREVER)
    until(lambda: server.rows(_BUSY) == [(1,)])
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 1
    assert holders(place.paths().postgres_lock) == []


def test_a_killed_postmaster_is_ended_with_its_busy_backends(place: Place, start: Start) -> None:
    server = start()
    server.rows("CREATE TABLE unharmed AS SELECT 42 AS answer")
    server.begin(_FOREVER)
    until(lambda: server.rows(_BUSY) == [(1,)])
    os.kill(postmaster_pid(place.paths()), signal.SIGKILL)
    assert server.end() == 0
    assert holders(place.paths().postgres_lock) == []
    assert start().rows("SELECT answer FROM unharmed") == [(42,)]


def test_backends_that_lost_server_and_postmaster_are_ended_by_the_next_start(
    place: Place, start: Start
) -> None:
    server = start()
    server.begin(_FOREVER)
    until(lambda: server.rows(_BUSY) == [(1,)])
    postmaster = postmaster_pid(place.paths())
    before = set(holders(place.paths().postgres_lock))
    os.kill(postmaster, signal.SIGSTOP)  # it cannot end its backends
    server.process.kill()
    os.kill(postmaster, signal.SIGKILL)
    assert start().rows(_BUSY) == [(0,)]
    assert before.isdisjoint(holders(place.paths().postgres_lock))


def test_a_live_process_is_never_taken_for_a_postmaster(place: Place, start: Start) -> None:
    first = start()
    left = {
        path: path.read_text()
        for path in (place.home / "pg/data/postmaster.pid", place.home / "pg/.s.PGSQL.5432.lock")
    }
    assert first.end() == 0
    with place.as_data_owner("/bin/sleep", "60") as unrelated:
        for path, text in left.items():
            path.write_text("\n".join([str(unrelated.pid), *text.splitlines()[1:]]) + "\n")
            os.chown(path, place.data_owner.uid, place.data_owner.gid)
        assert start().rows("SELECT 1") == [(1,)]
        assert unrelated.poll() is None
        unrelated.kill()


def test_a_postgresql_started_by_hand_is_left_alone(place: Place, start: Start) -> None:
    assert start().end() == 0
    data = place.home / "pg/data"
    options = ("-D", data, "-k", data, "-c", "listen_addresses=")
    with place.as_data_owner(place.binaries.path("postgres"), *options) as by_hand:
        until((data / ".s.PGSQL.5432").exists)
        refused = start().greeting.refused
        by_hand.send_signal(signal.SIGQUIT)
    assert refused == (
        f"PostgreSQL process {by_hand.pid} was started by hand on {data}; stop it first."
    )


def test_a_killed_initdb_is_begun_anew(place: Place, start: Start) -> None:
    home = place.directory / "begun twice"
    first = start_without_waiting(place, home)
    until((home / "pg/data.new/base/1").exists)
    first.kill()
    assert not (home / "pg/data").exists()
    assert start(home).rows("SELECT 1") == [(1,)]
    assert not (home / "pg/data.new").exists()


@pytest.mark.parametrize(
    ("name", "beside_the_data"),
    [
        ("a 'b' \"c\", ü & $(d) \\", False),
        ("a 'b' \"c\" ü & $(d) \\", True),
        ("long" * 40, False),
    ],
    ids=["comma", "signs", "long"],
)
def test_a_home_may_have_any_name(
    place: Place, start: Start, *, name: str, beside_the_data: bool
) -> None:
    with copy_of(place, start, place.directory / name) as home:
        server = start(home)
        assert (server.directory == home / "pg") == beside_the_data
        assert server.directory.stat().st_mode & 0o777 == 0o700
        assert server.rows("SELECT 1") == [(1,)]
        assert server.end() == 0
        assert server.directory.exists() == beside_the_data


def test_a_keeper_does_what_the_kernel_does_elsewhere(places: dict[str, Place]) -> None:
    place = places[""]
    with starting(place) as start:
        first = start(keeper=True)
        first.rows("CREATE TABLE watched AS SELECT 42 AS answer")
        first.kill()
        until_nothing_runs(place.paths())
        second = start(keeper=True)
        assert second.rows("SELECT answer FROM watched") == [(42,)]
        assert second.end() == 0
        assert holders(place.paths().postgres_lock) == []


def test_an_interrupted_block_leaves_nothing(home: Home) -> None:
    with pytest.raises(KeyboardInterrupt), only_server(home, 0), running_postgres(home):
        raise KeyboardInterrupt
    assert holders(home.postgres_lock) == []
    assert holders(home.server_lock) == []


def test_an_error_of_the_block_is_not_explained_away(home: Home) -> None:
    with pytest.raises(FileNotFoundError, match="ours"), running_postgres(home):
        raise FileNotFoundError("ours")


def test_postgresql_is_not_started_where_the_end_of_a_thread_would_end_it(home: Home) -> None:
    raised: list[str] = []

    def start() -> None:
        try:
            with running_postgres(home, keeper=False):
                pass
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised == ["PostgreSQL would end with this thread: start it from the main thread"]
