"""Newer code takes over from older, if nobody minds; each test runs copies of the package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from crowds import log_of, made_by, program, state_of, title_of, told
from hosts import Host, hosted
from servers import until

import hephaestus_tickets
from hephaestus_tickets import __version__
from hephaestus_tickets.local.editions import Edition

PACKAGE = Path(hephaestus_tickets.__file__).parent
SECOND = 1_000_000_000  # nanoseconds
# As from a checkout that is the working directory: what it spawns finds the installed package.
FROM_A_DIRECTORY = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from hephaestus_tickets.__main__ import main; main()"
)

THIS = Edition(version="1.2.0", newest=500, total=5_000, directory="/one")
OTHER = replace(THIS, directory="/two")


@pytest.mark.parametrize(
    ("coming", "running", "takes_over"),
    [
        (THIS, THIS, False),
        (replace(THIS, newest=501, total=5_001), THIS, True),
        (replace(THIS, newest=499, total=4_999), THIS, True),
        (replace(THIS, total=4_999), THIS, True),
        (replace(THIS, version="1.1.0"), THIS, True),
        (OTHER, THIS, False),
        (replace(OTHER, newest=501), THIS, True),
        (replace(OTHER, newest=499), THIS, False),
        (replace(OTHER, total=9_999), THIS, False),
        (replace(OTHER, version="1.3.0", newest=1), THIS, True),
        (replace(OTHER, version="1.1.9", newest=999), THIS, False),
        (replace(OTHER, version="1.10.0", newest=1), THIS, True),
        (replace(OTHER, version="1.2", newest=999), THIS, False),
        (replace(OTHER, version="unknown", newest=999), THIS, False),
    ],
    ids=[
        "same", "edited", "clock set back", "a file less", "checked out an older one",
        "same elsewhere", "newer elsewhere", "older elsewhere", "more elsewhere",
        "next version", "last version", "tenth version", "shorter version", "no version",
    ],
)  # fmt: skip
def test_what_is_newer_or_edited_supersedes(
    coming: Edition, running: Edition, takes_over: bool
) -> None:
    assert coming.supersedes(running) is takes_over


@pytest.mark.parametrize("version", ["1.3.0", "1.2.0", "0.9"])
@pytest.mark.parametrize("newest", [499, 500, 501])
def test_of_two_installations_never_both_supersede_each_other(version: str, newest: int) -> None:
    other = replace(OTHER, version=version, newest=newest)
    assert not (other.supersedes(THIS) and THIS.supersedes(other))


@dataclass(frozen=True)
class Copy:
    """A copy of the package, and the home as it is used by that copy."""

    package: Path
    host: Host

    def edit(self) -> int:
        """Some nanoseconds later than all that was changed before."""
        newest = self._newest() + SECOND
        os.utime(self.package / "db.py", ns=(newest, newest))
        return newest

    def _newest(self) -> int:
        return max(path.stat().st_mtime_ns for path in self.package.rglob("*.py"))

    def upgrade(self, version: str) -> None:
        (self.package / "__init__.py").write_text(f'__version__ = "{version}"\n')


def _copied(host: Host, name: str) -> Copy:
    """With the times of the files: what was compiled holds for the copy too."""
    package = host.directory / name / PACKAGE.name
    shutil.copytree(PACKAGE, package)
    return Copy(package, told(host, PYTHONPATH=str(package.parent)))


@pytest.fixture(scope="module")
def made() -> Iterator[Host]:
    """A home that is ready to be served, and that nothing runs on."""
    with hosted("") as host:
        assert host.works()
        host.end()
        yield host


@pytest.fixture
def copy(made: Host) -> Iterator[Copy]:
    copy = _copied(made, "checkout")
    yield copy
    made.end()
    shutil.rmtree(copy.package.parent)


def test_an_edited_checkout_takes_over_where_nobody_else_is_connected(copy: Copy) -> None:
    with copy.host.shim() as session:
        session.greet()
        known = made_by(session, "Made with the old code")
        assert session.end().status == 0
    old = state_of(copy.host)
    newest = copy.edit()
    copy.upgrade("7.8.9")
    with copy.host.shim() as session:
        session.greet()
        assert title_of(session, known) == "Made with the old code"
        new = state_of(copy.host)
        ending = session.end()
    assert (ending.status, ending.err) == (0, "")
    assert old["edition"]["directory"] == new["edition"]["directory"] == str(copy.package)
    assert (old["version"], new["version"]) == (__version__, "7.8.9")
    assert new["edition"]["newest"] >= newest > old["edition"]["newest"]
    assert new["pid"] == copy.host.server() != old["pid"]


def test_an_upgrade_waits_until_the_last_session_of_the_old_code_has_ended(copy: Copy) -> None:
    with copy.host.shim() as first:
        first.greet()
        server = copy.host.server()
        copy.edit()
        with copy.host.shim() as second:
            second.greet()
            assert copy.host.server() == server
            assert state_of(copy.host)["upgrade_waits"] == f"{__version__} in {copy.package}"
            assert f"upgrade       {__version__} in " in copy.host.said("status").out.decode()
            assert first.end().status == 0
            assert not second.call("list_workflows")["isError"]
            assert second.end().status == 0
    until(lambda: not state_of(copy.host)["connections"])
    assert copy.host.said("init-db").out == b"Nothing to do.\n"  # a command takes over too
    assert copy.host.server() != server
    assert state_of(copy.host)["upgrade_waits"] is None
    assert "upgrade       none waits" in copy.host.said("status").out.decode()


def test_older_code_is_served_by_newer_and_never_takes_over(copy: Copy, made: Host) -> None:
    newer = _copied(made, "newer")
    newer.edit()
    assert newer.host.works()
    server = made.server()
    assert copy.host.works()
    assert made.server() == server
    assert state_of(made)["upgrade_waits"] is None
    copy.upgrade("7.8.9")
    assert copy.host.works()
    assert made.server() != server
    assert state_of(made)["version"] == "7.8.9"


def test_a_server_that_was_started_to_stay_is_not_taken_over(copy: Copy) -> None:
    with copy.host.shim("serve") as serving:
        until(copy.host.paths.socket.exists, 30)
        copy.edit()
        assert copy.host.works()
        assert copy.host.server() == serving.process.pid
        assert state_of(copy.host)["upgrade_waits"] == f"{__version__} in {copy.package}"
        serving.process.terminate()
        assert serving.end().status == 0


def test_code_that_cannot_take_over_itself_does_not_try_for_ever(copy: Copy, made: Host) -> None:
    assert made.works()
    before = len(log_of(made, "newer code takes over"))
    copy.edit()
    with program(made, "-P", "-c", FROM_A_DIRECTORY, str(copy.package.parent)) as session:
        session.greet()
        assert state_of(made)["edition"]["directory"] == str(PACKAGE)
        assert state_of(made)["upgrade_waits"] == f"{__version__} in {copy.package}"
        assert session.end().status == 0
    assert len(log_of(made, "newer code takes over")) == before + 1


def test_a_file_that_comes_or_goes_makes_another_edition_and_a_stray_link_none(
    copy: Copy,
) -> None:
    assert copy.host.works()
    server = copy.host.server()
    (copy.package / ".#operations.py").symlink_to("somebody@somewhere.1")
    (copy.package / "notes.txt").touch()
    (copy.package / "__pycache__" / "more.py").touch()
    assert copy.host.works()
    assert copy.host.server() == server
    (copy.package / "more.py").touch()
    os.utime(copy.package / "more.py", ns=(SECOND, SECOND))
    assert copy.host.works()
    assert copy.host.server() != server
