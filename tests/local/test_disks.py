"""Disks that cannot be written, made for the test: only where this account may mount one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import Place, Start, copy_of, postmaster_pid, until

from hephaestus_tickets.local.health import check_home
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.locks import holders


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """A disk of 64 MB that is the account's."""
    mounted = place.directory / "disk"
    mounted.mkdir(exist_ok=True)
    owner = "0" if place.owner == "root" else str(place.data_owner.uid)
    with _mounted(mounted, f"size=64m,mode=0711,uid={owner}"):
        yield mounted


@contextmanager
def _mounted(directory: Path, options: str) -> Generator[None]:
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", directory], check=True)


def _make_read_only(disk: Path) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,ro", disk], check=True)


def test_a_new_home_on_a_read_only_disk_is_refused(disk: Path, start: Start) -> None:
    _make_read_only(disk)
    assert start(disk / "home").greeting.refused == (
        f"{disk / 'home'} is on a read-only disk; "
        "set HEPHAESTUS_HOME to a directory that this account may write to."
    )


def test_a_home_on_a_disk_that_became_read_only_is_refused(disk: Path, start: Start) -> None:
    assert "64 MB left and" not in start(disk / "home").greeting.refused
    _make_read_only(disk)
    assert start(disk / "home").greeting.refused == (
        f"{disk / 'home'} is on a read-only disk; "
        "set HEPHAESTUS_HOME to a directory that this account may write to."
    )
    assert [found.ok for found in check_home(disk / "home") if found.name == "disk"] == [False]


def test_a_disk_too_small_for_a_new_home_is_refused(disk: Path, start: Start) -> None:
    said = start(disk / "home").greeting.refused
    assert said.startswith(f"The disk that holds {disk / 'home'} has ")
    assert said.endswith("MB left and 96 MB are needed; free some space and start again.")
    assert not (disk / "home/pg/data").exists()


def test_a_home_on_a_disk_that_became_full_is_refused_and_serves_again(
    place: Place, start: Start
) -> None:
    disk = place.directory / "soon full"
    disk.mkdir()
    with _mounted(disk, "size=256m,mode=0711"), copy_of(place, start, disk / "home") as home:
        _fill(disk / "filler")
        refused = start(home).greeting.refused
        assert refused.endswith("16 MB are needed; free some space and start again.")
        (disk / "filler").unlink()
        server = start(home)
        assert server.rows("SELECT 1") == [(1,)]
        assert server.end() == 0


def test_a_postgresql_that_a_full_disk_keeps_away_comes_back_when_there_is_room(
    place: Place, start: Start
) -> None:
    disk = place.directory / "full meanwhile"
    disk.mkdir()
    with _mounted(disk, "size=256m,mode=0711"), copy_of(place, start, disk / "home") as root:
        server, home = start(root), Home(root=root, account=place.data_owner)
        os.kill(postmaster_pid(home), signal.SIGKILL)
        until(lambda: not server.is_running())
        (home.data / "postmaster.pid").unlink()  # or its successor could have its room
        _fill(disk / "filler")
        assert server.relaunch() == (
            f"PostgreSQL did not start (the disk is full); {home.log} says more."
        )
        (disk / "filler").unlink()
        assert server.relaunch() == ""
        assert server.rows("SELECT 1") == [(1,)]
        _fill(disk / "filler")
        assert server.end() == 0
        assert holders(home.postgres_lock) == []


def _fill(file: Path) -> None:
    subprocess.run(
        ["/bin/dd", "if=/dev/zero", f"of={file}", "bs=1M"], check=False, capture_output=True
    )
