"""The command line: what a stranger reads, and what is said when something is wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from commands import Said, is_one_sentence, lead_to, run, say, settings_of
from lines import COMMAND, Lines, started
from servers import directory_of
from sqlalchemy import URL, create_engine, inspect
from typer.testing import CliRunner

from hephaestus_tickets import __version__, cli
from hephaestus_tickets.db import REVISION
from hephaestus_tickets.local.binaries import find_binaries
from hephaestus_tickets.local.ending import throwaway_tracker
from hephaestus_tickets.local.home import Home, throwaway_home
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.scripts.readme import README

COMMANDS = re.findall(
    r"^  ([a-z][a-z-]+)  ", CliRunner().invoke(cli.app, ["--help"]).stdout, re.MULTILINE
)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """One home for this file: each test leaves it startable."""
    with throwaway_tracker() as home:
        yield home


@pytest.fixture
def own_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """HEPHAESTUS_HOME leads to the home of this file."""
    monkeypatch.delenv("DB_HOST", raising=False)
    monkeypatch.setenv("HEPHAESTUS_HOME", str(home.root))
    return home


@pytest.fixture
def own_server(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """DB_… lead to a database of the test's own."""
    lead_to(database_url, monkeypatch)
    return database_url


def test_the_commands_are_those_of_the_readme() -> None:
    assert set(COMMANDS) == set(cli.COMMANDS)
    readme = README.read_text()
    assert [name for name in COMMANDS if f"`hephaestus-tickets {name}" not in readme] == ["stdio"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_for_strangers(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = say(capsys, *command.split(), "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: hephaestus-tickets {command}".rstrip())
    assert "..." not in out.partition("\n")[2].replace("...]", "")
    assert "--help" in out


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "--version") == (0, f"hephaestus-tickets {__version__}\n", "")


@pytest.mark.parametrize("wrong", [["serv"], ["--frobnicate"], ["doctor", "--fix"], ["backup"]])
def test_what_is_not_a_command_is_refused_with_the_way_to_the_help(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = say(capsys, *wrong)
    assert (status, out) == (2, "")
    assert "--help" in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("own_home")
@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("DB_PORT", "abc", "doctor"),
        ("DB_PORT", "70000", "init-db"),
        ("DB_SSLMODE", "maybe", "doctor"),
        ("TOOLSETS", "core,nope", "stdio"),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(
    name: str,
    value: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    status, out, err = say(capsys, command)
    assert (status, out) == (1, "")
    assert err.startswith(f"hephaestus-tickets: A setting in the environment is not valid: {name} ")
    assert is_one_sentence(err)


@pytest.mark.parametrize("command", ["stdio", "init-db", "backup"])
def test_a_database_that_is_away_is_said_in_one_sentence(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lead_to(URL.create("x", "someone", host="127.0.0.1", port=1, database="tickets"), monkeypatch)
    arguments = [str(tmp_path / "backup")] if command == "backup" else []
    status, out, err = say(capsys, command, *arguments)
    assert (status, out) == (1, "")
    assert "Cannot reach the database 'tickets' at 127.0.0.1:1" in err
    assert is_one_sentence(err)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_only_filled_by_init_db(
    own_server: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = create_engine(own_server)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    status, _, err = say(capsys, "stdio")
    assert status == 1
    assert err == (
        f"hephaestus-tickets: The database is at schema revision none, this version needs "
        f"{REVISION}: run `hephaestus-tickets init-db`.\n"
    )
    assert say(capsys, "init-db") == (0, "The schema was brought up to date.\n", "")
    assert say(capsys, "init-db") == (0, "Nothing to do.\n", "")
    assert inspect(engine).has_table("tickets")
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(
    own_server: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = create_engine(own_server)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    for command in ("stdio", "init-db"):
        status, _, err = say(capsys, command)
        assert status == 1
        assert "schema revision 9999" in err
        assert "upgrade hephaestus-tickets" in err
        assert is_one_sentence(err)


def test_several_processes_may_make_one_database_at_once(database_url: URL, home: Home) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    said = at_once(home, 2, **settings_of(database_url))
    assert sorted(said) == [
        (0, "Nothing to do.\n", ""),
        (0, "The schema was brought up to date.\n", ""),
    ]


def test_several_processes_may_make_one_home_at_once() -> None:
    with throwaway_tracker() as empty:
        said = at_once(empty, 3)
    assert sorted(said) == [
        (0, "Nothing to do.\n", ""),
        (0, "Nothing to do.\n", ""),
        (0, "The schema was brought up to date.\n", ""),
    ]


def at_once(home: Home, count: int, **settings: str) -> list[Said]:
    with ExitStack() as stack:
        running = [
            stack.enter_context(started(home.root, *COMMAND, "init-db", **settings))
            for _ in range(count)
        ]
        endings = [process.end() for process in running]
    return [(ending.status, ending.out.decode(), ending.err) for ending in endings]


@pytest.fixture
def new_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """HEPHAESTUS_HOME leads to a home that no server has served."""
    monkeypatch.delenv("DB_HOST", raising=False)
    with throwaway_tracker() as home:
        monkeypatch.setenv("HEPHAESTUS_HOME", str(home.root))
        yield home


def test_the_embedded_database_is_made_checked_saved_and_stopped(
    new_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(capsys, "init-db") == (0, "The schema was brought up to date.\n", "")
    assert say(capsys, "init-db") == (0, "Nothing to do.\n", "")
    status, out, err = say(capsys, "doctor")
    assert (status, err) == (0, "")
    assert out.endswith("\nAll is well.\n")
    assert "FAIL" not in out
    status, _, err = say(capsys, "backup", str(tmp_path / "tickets.dump"))
    assert (status, err) == (0, "")
    status, out, err = say(capsys, "stop")
    assert (status, err) == (0, "")
    assert out.endswith(" has ended.\n")
    assert holders(new_home.server_lock) + holders(new_home.postgres_lock) == []


def test_doctor_looks_at_the_server_that_is_named(
    own_server: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = say(capsys, "doctor")
    assert status == 0
    assert f"answers, PostgreSQL {find_binaries().major}." in out


def test_doctor_says_how_to_mend_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_to(URL.create("x", "someone", host="127.0.0.1", port=1, database="tickets"), monkeypatch)
    status, out, err = say(capsys, "doctor")
    assert (status, err) == (1, "")
    assert "FAIL database: 127.0.0.1:1/tickets" in out
    assert "mend: " in out
    assert out.endswith("\nNeeds mending: database.\n")


def test_a_home_of_a_newer_version_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with throwaway_home() as newer:
        newer.format_file.write_text("99\n")
        monkeypatch.setenv("HEPHAESTUS_HOME", str(newer.root))
        status, out, _ = say(capsys, "doctor")
        assert status == 1
        assert "FAIL home: " in out
        assert "mend: upgrade hephaestus-tickets." in out
        status, _, err = say(capsys, "init-db")
        assert status == 1
        assert "was made by a newer version" in err
        assert is_one_sentence(err)


def test_a_backup_never_takes_the_place_of_a_device_or_a_pipe(
    own_server: URL, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    status, out, err = say(capsys, "backup", str(pipe), "--force")
    assert (status, out) == (1, "")
    assert err == f"hephaestus-tickets: {pipe} is not a regular file: name one.\n"
    assert pipe.is_fifo()


def test_a_backup_is_one_that_pg_restore_reads(
    own_server: URL, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "tickets.dump"
    status, out, err = say(capsys, "backup", str(written))
    assert (status, err) == (0, "")
    assert out == f"Wrote {written} ({written.stat().st_size:,} bytes).\n"
    listed = subprocess.run(
        [find_binaries().path("pg_restore"), "--list", written],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "TABLE DATA public ticket_history" in listed.stdout
    assert list(tmp_path.iterdir()) == [written]


def test_a_backup_overwrites_only_when_told(
    own_server: URL, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "tickets.dump"
    there.write_text("precious")
    status, _, err = say(capsys, "backup", str(there))
    assert status == 1
    assert err == (
        f"hephaestus-tickets: {there} exists already: name another file, or add --force.\n"
    )
    assert there.read_text() == "precious"
    assert say(capsys, "backup", "--force", str(there))[0] == 0
    assert there.read_bytes().startswith(b"PGDMP")


@pytest.mark.parametrize("place", ["missing/tickets.dump", "/proc/tickets.dump"])
def test_a_backup_that_cannot_be_written_is_said_in_one_sentence(
    place: str, own_server: URL, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = say(capsys, "backup", str(tmp_path / place))
    assert (status, out) == (1, "")
    assert is_one_sentence(err)


def test_the_demo_tells_a_story_and_leaves_nothing_behind() -> None:
    with directory_of("") as directory:
        status, out, err = run(directory / "unused", "demo", TMPDIR=str(directory))
        assert list(directory.iterdir()) == []
        assert running_below(directory) == []
    assert (status, err) == (0, "")
    plain = " ".join(out.split())
    for told in (
        "planner create_ticket(title='Add the users table'",
        "ticket_blocked: ticket-2 is blocked by ticket-1 'Add the users table' (backlog)",
        '"unblocked_tickets":["ticket-2"]',
        "builder status_changed: status backlog → in_progress",
        "ticket-3 Write the login page",
    ):
        assert told.replace(" ", "") in plain.replace(" ", "")


def test_a_demo_that_is_interrupted_leaves_nothing_behind() -> None:
    with directory_of("") as directory:
        with started(directory / "unused", *COMMAND, "demo", TMPDIR=str(directory)) as demo:
            _until_somebody_acts(demo)
            demo.process.send_signal(signal.SIGINT)
            ending = demo.end()
        assert ending.status != 0
        assert "Traceback" not in ending.err
        assert list(directory.iterdir()) == []
        assert running_below(directory) == []


def _until_somebody_acts(demo: Lines) -> None:
    assert demo.process.stdout
    while b"create_ticket" not in demo.process.stdout.readline():
        assert demo.process.poll() is None


def running_below(directory: Path) -> list[str]:
    listed = subprocess.run(["/bin/ps", "axww", "-o", "args="], capture_output=True, check=True)
    return [line for line in listed.stdout.decode().splitlines() if str(directory) in line]
