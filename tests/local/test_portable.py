"""The Python that tests run as an ordinary user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from portable import Portable, portable_python, with_copied_packages
from servers import ACCOUNTS, directory_of

PROGRAM = """
import os, subprocess, sys
print(os.geteuid(), os.getgroups(), flush=True)
subprocess.run([sys.executable, "-m", "hephaestus_tickets", "--version"], check=True)
"""
Make = Callable[[Path, str], Portable]


def _with_packages_of_its_own(directory: Path, account: str) -> Portable:
    return with_copied_packages(portable_python(directory, account), directory / "own")


@pytest.mark.parametrize("account", ACCOUNTS[-1:])
@pytest.mark.parametrize("make", [portable_python, _with_packages_of_its_own])
def test_another_account_runs_the_package_and_starts_it_once_more(make: Make, account: str) -> None:
    with directory_of(account) as directory:
        python = make(directory, account)
        ended = python.run("-c", PROGRAM, account=account)
    assert ended.stderr == b""
    whose, said = ended.stdout.decode().splitlines()
    entry = pwd.getpwnam(account) if account else None
    assert whose == (f"{entry.pw_uid} []" if entry else f"{os.geteuid()} {os.getgroups()}")
    assert said.startswith("hephaestus-tickets ")
