"""Sessions on a disk that fills up, made for the test: only where this account may mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hosts import Host, hosted
from lines import Json, Lines
from servers import until

_FORTY_MEGABYTES = """
    DO $$
    BEGIN
        FOR number IN 1..80 LOOP
            PERFORM pg_logical_emit_message(true, 'test', repeat('x', 512 * 1024));
        END LOOP;
    END $$
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Host]:
    """A home that nothing runs on: to be copied."""
    with hosted("") as host:
        assert host.works()
        host.end()
        yield host


@pytest.fixture
def host(made: Host) -> Iterator[Host]:
    """A home on a disk of its own, with room for a few more segments of the log."""
    disk = made.directory / "disk"
    disk.mkdir(exist_ok=True)
    with _mounted(disk, "size=192m,mode=0711"):
        host = made.copied("disk/home")
        try:
            yield host
        finally:
            host.end()


@contextmanager
def _mounted(directory: Path, options: str) -> Generator[None]:
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", directory], check=True)


@contextmanager
def _full(disk: Path) -> Generator[None]:
    filler = disk / "filler"
    filling = ["/bin/dd", "if=/dev/zero", f"of={filler}", "bs=64K"]
    subprocess.run(filling, check=False, capture_output=True)
    try:
        yield
    finally:
        filler.unlink()


_NUMBERS = count()


def _written(session: Lines) -> Json:
    """More than the pages that the tables have room in; each time another ticket."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    return session.call("create_ticket", title=f"A long one {next(_NUMBERS)}", description=text)


def _text(result: Json) -> str:
    return result["content"][0]["text"]


def test_a_session_on_a_full_disk_is_one_sentence(host: Host) -> None:
    with _full(host.home.parent):
        assert host.refusal() == (
            f"The disk that holds {host.home} has 0 MB left and 16 MB are needed; "
            "free some space and start again."
        )
    assert host.works()


def test_a_session_on_a_read_only_disk_is_one_sentence(host: Host) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,ro", host.home.parent], check=True)
    assert host.refusal() == (
        f"{host.home} is on a read-only disk; "
        "set HEPHAESTUS_HOME to a directory that this account may write to."
    )


def test_on_a_disk_that_became_full_reading_goes_on_and_writing_when_there_is_room(
    host: Host,
) -> None:
    with host.shim() as session:
        session.greet()
        assert not _written(session)["isError"]
        processes = [host.server(), host.postmaster()]
        with _full(host.home.parent):
            refused = _written(session)
            assert refused["isError"]
            assert _text(refused) == (
                "database_full: The disk that holds the database is full. Nothing was changed; "
                "reading goes on. Ask a person to free some space, then try again."
            )
            assert len(session.call("get_tickets")["structuredContent"]["tickets"]) == 2
            with host.shim() as another:
                another.greet()
                assert not another.call("get_ticket", ticket_id="ticket-2")["isError"]
        assert not _written(session)["isError"]
        assert session.end().err == ""
    assert [host.server(), host.postmaster()] == processes


def test_a_postgresql_that_a_full_disk_ended_comes_back_when_there_is_room(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        assert not _written(session)["isError"]
        server, postmaster = host.server(), host.postmaster()
        with _full(host.home.parent):
            _use_up_the_log(host)
            assert _text(_written(session)).startswith("database_unavailable: ")
            assert "(the disk is full)" in host.said("status").out.decode()
        until(lambda: not session.call("get_tickets")["isError"], 40)
        assert len(session.call("get_tickets")["structuredContent"]["tickets"]) == 2
        assert not _written(session)["isError"]
        assert session.end().err == ""
    assert host.server() == server
    assert host.postmaster() != postmaster


def _use_up_the_log(host: Host) -> None:
    """PostgreSQL ends at once when it cannot have another segment of it."""
    with (
        pytest.raises(psycopg.OperationalError),
        psycopg.connect(
            host=str(host.paths.pg), user="hephaestus_tickets", dbname="postgres"
        ) as connection,
    ):
        connection.execute(_FORTY_MEGABYTES)
