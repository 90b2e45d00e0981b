"""What may be a home, and what is refused before anything is changed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import directory_of

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.disk import check_room, explained
from hephaestus_tickets.local.home import prepare_home, throwaway_home
from hephaestus_tickets.local.settings import HomeSettings


@pytest.fixture
def directory() -> Iterator[Path]:
    with directory_of("") as directory:
        yield directory


def test_the_environment_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_HOME", "~/of mine")
    assert HomeSettings().home == Path.home() / "of mine"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEPHAESTUS_HOME", "")
    assert HomeSettings().home.is_absolute()
    assert HomeSettings().home.name == "hephaestus-tickets"


def test_it_is_made_with_all_that_is_missing_above_it(directory: Path) -> None:
    home = prepare_home(directory / "a" / "b" / "home")
    assert home.root == directory / "a" / "b" / "home"
    assert stat.S_IMODE(home.root.stat().st_mode) == (0o711 if is_root() else 0o700)
    assert {entry.name for entry in home.root.iterdir()} == {"home-format", "pg", "run"}


def test_a_relative_path_is_meant_from_here(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    assert prepare_home(Path("down/../home")).root == directory / "home"


def test_loosened_permissions_are_tightened(directory: Path) -> None:
    home = prepare_home(directory / "home")
    for loosened in (home.root, home.pg, home.run):
        loosened.chmod(0o777)
    prepare_home(home.root)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home.root, home.pg, home.run)]
    assert modes == [0o711 if is_root() else 0o700, 0o700, 0o700]


def test_an_empty_directory_and_a_fresh_volume_may_become_one(directory: Path) -> None:
    (directory / "lost+found").mkdir()
    assert prepare_home(directory).pg.is_dir()


def test_a_beginning_that_was_killed_is_gone_on_with(directory: Path) -> None:
    (directory / "home-format").touch()
    assert prepare_home(directory).format_file.read_text() == "1\n"


def test_a_home_of_a_newer_version_is_refused(directory: Path) -> None:
    home = prepare_home(directory / "home")
    home.format_file.write_text("2\n")
    assert _refusal(home.root) == (
        f"{home.root} was made by a newer version of hephaestus-tickets "
        "(format 2, this one knows 1); upgrade hephaestus-tickets."
    )


def test_a_directory_of_other_things_is_left_as_it_is(directory: Path) -> None:
    (directory / "thesis.tex").touch()
    assert _refusal(directory) == (
        f"{directory} already holds other things, such as 'thesis.tex'; "
        "set HEPHAESTUS_HOME to an empty or new directory."
    )
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755
    assert [entry.name for entry in directory.iterdir()] == ["thesis.tex"]


def test_a_symbolic_link_is_not_followed(directory: Path) -> None:
    elsewhere, link = directory / "elsewhere", directory / "link"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    assert _refusal(link) == (
        f"{link} is a symbolic link, which could lead anywhere; "
        f"set HEPHAESTUS_HOME to {elsewhere} itself if that is what you want."
    )
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("part", ["pg", "run"])
def test_a_symbolic_link_inside_is_not_followed(directory: Path, part: str) -> None:
    home, elsewhere = prepare_home(directory / "home"), directory / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (home.root / part).rmdir()
    (home.root / part).symlink_to(elsewhere)
    assert _refusal(home.root).startswith(f"{home.root / part} is a symbolic link")
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_a_link_above_it_is_resolved(directory: Path) -> None:
    (directory / "real").mkdir()
    (directory / "link").symlink_to(directory / "real")
    assert prepare_home(directory / "link" / "home").root == directory / "real" / "home"


def test_a_file_is_refused(directory: Path) -> None:
    (directory / "home").touch()
    assert _refusal(directory / "home") == (
        f"{directory / 'home'} is not a directory; move it away, or set HEPHAESTUS_HOME."
    )


def test_a_home_below_a_file_is_refused(directory: Path) -> None:
    (directory / "file").touch()
    said = _refusal(directory / "file" / "home")
    assert said.startswith(f"{directory / 'file'} cannot be used (not a directory); ")


def test_a_name_that_cannot_be_shown_is_refused(directory: Path) -> None:
    assert "is no name for a home" in _refusal(directory / "two\nlines")


def test_a_home_of_somebody_else_is_refused(directory: Path) -> None:
    theirs = directory / "theirs" if is_root() else Path("/usr")
    theirs.mkdir(exist_ok=True)
    if is_root():
        os.chown(theirs, 1, 1)
    assert _refusal(theirs) == (
        f"{theirs} belongs to user id {theirs.stat().st_uid}; start as that account, "
        "or set HEPHAESTUS_HOME to a directory of your own."
    )


def test_a_throwaway_home_is_gone_in_the_end() -> None:
    with throwaway_home() as home:
        assert home.pg.is_dir()
        assert not home.lasting
    assert not home.root.exists()


_ELSEWHERE = "set HEPHAESTUS_HOME to a directory that this account may write to."
_FULL = "The disk that holds /h is full; free some space and start again."


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EROFS, f"/h is on a read-only disk; {_ELSEWHERE}"),
        (errno.ENOSPC, _FULL),
        (errno.EDQUOT, _FULL),
        (errno.EACCES, f"/h/run cannot be used (permission denied); {_ELSEWHERE}"),
    ],
    ids=["read-only", "full", "quota", "denied"],
)
def test_what_the_system_refuses_is_one_sentence(number: int, sentence: str) -> None:
    with pytest.raises(SetupError) as refused, explained(Path("/h")):
        raise OSError(number, os.strerror(number), "/h/run")
    assert str(refused.value) == sentence


def test_a_disk_without_room_says_how_much_is_wanted(directory: Path) -> None:
    with pytest.raises(SetupError, match=r" MB left and 1073741824 MB are needed; free some space"):
        check_room(directory, 2**50)


def _refusal(root: Path) -> str:
    with pytest.raises(SetupError) as refused:
        prepare_home(root)
    return str(refused.value)
