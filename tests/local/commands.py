"""The command line in this process, where that will do, and in one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lines import COMMAND, environment
from sqlalchemy import URL

from hephaestus_tickets import cli

# Status, stdout and stderr.
Said = tuple[int, str, str]


def settings_of(url: URL) -> dict[str, str]:
    return {
        "DB_HOST": str(url.host),
        "DB_PORT": str(url.port),
        "DB_USER": str(url.username),
        "DB_NAME": str(url.database),
    }


def lead_to(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(url).items():
        monkeypatch.setenv(name, value)


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """A command without the cost of a process."""
    before, sys.argv = sys.argv, ["hephaestus-tickets", *arguments]
    handler = signal.getsignal(signal.SIGTERM)
    try:
        status = cli.run()
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    finally:
        sys.argv = before
        signal.signal(signal.SIGTERM, handler)
    out, err = capsys.readouterr()
    return status, out, err


def run(home: Path, *arguments: str, **settings: str) -> Said:
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def is_one_sentence(err: str) -> bool:
    return err.startswith("hephaestus-tickets: ") and err.count("\n") == 1 and err.endswith(".\n")
