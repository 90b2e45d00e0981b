"""A home that is deleted or replaced under its server, and what the next session finds there."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Host, hosted, is_alive
from lines import Lines
from servers import until

# The server looks after its home once a second.
NOTICED_S = 10


@pytest.fixture(scope="module")
def made() -> Iterator[Host]:
    """A home with a ticket in it, and nothing that runs on it: to be copied."""
    with hosted("") as host:
        assert host.works()
        host.end()
        yield host


@pytest.fixture
def host(made: Host) -> Host:
    return made.copied()


def _titles(session: Lines) -> list[str]:
    found = session.call("get_tickets")["structuredContent"].get("tickets", [])
    return [ticket["title"] for ticket in found]


def _processes(host: Host) -> list[int]:
    return [host.server(), host.postmaster()]


def _until_gone(processes: list[int]) -> None:
    until(lambda: not any(is_alive(pid) for pid in processes), NOTICED_S)


def _is_told(session: Lines, home: Path) -> bool:
    assert session.process.wait(NOTICED_S) == 1
    assert session.process.stdout
    assert session.process.stderr
    assert session.process.stdout.read() == b""
    told = session.process.stderr.read().decode()
    ended = f"hephaestus-tickets: The local server of {home} ended"
    return told in (
        f"{ended}, because its home was deleted; start the session again.\n",
        f"{ended}; start the session again.\n",
    )


def _delete(directory: Path) -> None:
    """PostgreSQL still writes in it: what it makes meanwhile goes too."""
    for _ in range(100):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
    raise AssertionError(f"{directory} is made again and again")


def test_a_deleted_home_ends_its_sessions_and_its_processes_and_is_made_anew(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        processes = _processes(host)
        _delete(host.home)
        assert _is_told(session, host.home)
        _until_gone(processes)
    with host.shim() as session:
        session.greet()
        assert _titles(session) == []
    host.end()


def test_a_home_is_made_anew_before_the_old_server_noticed(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        processes = _processes(host)
        _delete(host.home)
        assert host.works()
        assert _is_told(session, host.home)
        _until_gone(processes)
    assert not set(processes) & set(_processes(host))
    host.end()


def test_a_home_put_in_the_place_of_another_is_the_one_that_is_served(
    made: Host, host: Host
) -> None:
    with host.shim() as session:
        session.greet()
        session.call("create_ticket", title="Only in the first one")
        processes = _processes(host)
        host.home.rename(host.directory / "put away")
        made.copied(host.name)
        with host.shim() as next_one:
            next_one.greet()
            assert _titles(next_one) == ["It works"]
        assert _is_told(session, host.home)
        _until_gone(processes)
    host.end()


def test_a_home_that_lost_its_locks_is_never_served_twice(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        session.call("create_ticket", title="It is kept")
        processes = _processes(host)
        shutil.rmtree(host.paths.run)
        assert host.said().status in (0, 1)
        assert _is_told(session, host.home)
        _until_gone(processes)
    with host.shim() as session:
        session.greet()
        assert "It is kept" in _titles(session)
    host.end()


@pytest.mark.parametrize("made_first", ["pg/data.new/base", "pg/data/postmaster.pid"])
def test_a_home_that_is_deleted_while_it_is_made_is_one_sentence(
    made: Host, made_first: str
) -> None:
    host = made.named("never finished")
    with host.shim() as session:
        until((host.home / made_first).exists)
        server = host.server()
        host.home.rename(host.directory / f"unfinished {server}")
        ending = session.end()
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (f"hephaestus-tickets: {host.home} was deleted meanwhile; start again.\n")
    _until_gone([server])
    assert host.works()
    host.end()


def test_a_server_does_not_wait_for_a_postgresql_whose_home_is_gone(made: Host) -> None:
    host = made.named("not yet up")
    with host.shim() as session:
        written = host.home / "pg/data/postmaster.pid"
        until(lambda: written.exists() and written.stat().st_size > 0)
        processes = _processes(host)
        os.kill(host.postmaster(), signal.SIGSTOP)
        host.home.rename(host.directory / "put away unfinished")
        assert session.end().status == 1
    _until_gone(processes)


def test_a_server_that_is_killed_while_it_starts_is_one_sentence(made: Host) -> None:
    host = made.named("killed early")
    with host.shim() as session:
        until((host.paths.pg / "data.new/base").exists)
        os.kill(host.server(), signal.SIGKILL)
        ending = session.end()
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (
        "hephaestus-tickets: The local server ended while it started; "
        f"{host.paths.server_log} says why.\n"
    )
    assert host.works()
    assert not (host.paths.pg / "data.new").exists()
    host.end()
