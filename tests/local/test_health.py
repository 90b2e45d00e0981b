"""What `doctor` sees, and that looking changes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Place, Start, directory_of, postmaster_pid, until_nothing_runs

from hephaestus_tickets.local.health import Finding, check_home
from hephaestus_tickets.local.home import prepare_home


@pytest.fixture
def directory() -> Iterator[Path]:
    with directory_of("") as directory:
        yield directory


def _finding(root: Path, name: str) -> Finding:
    return next(finding for finding in check_home(root) if finding.name == name)


def test_a_home_that_is_not_made_yet_is_healthy_and_stays_unmade(directory: Path) -> None:
    findings = check_home(directory / "home")
    names = ["binaries", "home", "permissions", "disk", "data", "locks", "server"]
    assert [finding.name for finding in findings] == names
    assert all(finding.ok for finding in findings)
    assert not (directory / "home").exists()


def test_looking_at_a_broken_home_changes_nothing(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.run.chmod(0o777)
    before = {path: path.lstat().st_mode for path in home.root.rglob("*")}
    assert not _finding(home.root, "permissions").ok
    assert {path: path.lstat().st_mode for path in home.root.rglob("*")} == before


def test_loose_permissions_are_named_with_their_mend(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.run.chmod(0o777)
    assert _finding(home.root, "permissions") == Finding(
        name="permissions",
        ok=False,
        detail=f"{home.run} has the mode 777 and not 700",
        mend="the next start sets it",
    )


def test_a_refusal_is_told_apart_from_its_mend(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.format_file.write_text("7\n")
    assert _finding(home.root, "home") == Finding(
        name="home",
        ok=False,
        detail=f"{home.root} was made by a newer version of hephaestus-tickets "
        "(format 7, this one knows 1)",
        mend="upgrade hephaestus-tickets.",
    )


def test_data_of_another_version_is_unhealthy(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.data.mkdir()
    (home.data / "PG_VERSION").write_text("13\n")
    found = _finding(home.root, "data")
    assert not found.ok
    assert "made by PostgreSQL 13" in found.detail


def test_damaged_data_is_unhealthy(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.data.mkdir()
    assert "is damaged" in _finding(home.root, "data").detail


def test_who_holds_the_home_is_named(place: Place, start: Start) -> None:
    server = start()
    assert _finding(place.home, "locks") == Finding(
        name="locks", ok=True, detail=f"in use by process {server.pid}"
    )
    assert server.end() == 0
    assert _finding(place.home, "locks").detail == "not in use"


def test_a_postgresql_without_a_server_is_named(place: Place, start: Start) -> None:
    server = start()
    postmaster = postmaster_pid(place.paths())
    os.kill(postmaster, signal.SIGSTOP)
    server.kill()
    found = _finding(place.home, "locks")
    os.kill(postmaster, signal.SIGCONT)
    until_nothing_runs(place.paths())
    assert found == Finding(
        name="locks",
        ok=False,
        detail=f"PostgreSQL process {postmaster} lost its server",
        mend="the next start ends it",
    )
