from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from servers import ACCOUNTS, Place, Start, directory_of, starting

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.binaries import Binaries, binaries_for, find_binaries
from hephaestus_tickets.local.home import Home, prepare_home, throwaway_home


def _may_mount() -> bool:
    if not is_root():
        return False
    with tempfile.TemporaryDirectory() as directory:
        mounted = subprocess.run(
            ["/bin/mount", "-t", "tmpfs", "tmpfs", directory], capture_output=True, check=False
        )
        if mounted.returncode == 0:
            subprocess.run(["/bin/umount", directory], check=True)
        return mounted.returncode == 0


collect_ignore = [
    *([] if is_root() else ["test_home_of_root.py"]),
    *([] if _may_mount() else ["test_disks.py", "test_full_disks.py"]),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, help="How often each victim is killed (5).")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    # Without this folder on the command line pytest meets the option too late to know it.
    given = request.config.getoption("--rounds", default=None)
    return 5 if given is None else int(given)


@pytest.fixture(scope="session")
def binaries() -> Iterator[Binaries]:
    """PostgreSQL where every account of these tests can run it."""
    with throwaway_home() as home:
        yield binaries_for(home, find_binaries())


@pytest.fixture(scope="session")
def places(binaries: Binaries) -> Iterator[dict[str, Place]]:
    """One place per account: its home is made once, and each test leaves it startable."""
    with ExitStack() as stack:
        yield {
            account: Place(
                account=account,
                directory=stack.enter_context(directory_of(account)),
                binaries=binaries,
            )
            for account in ACCOUNTS
        }


@pytest.fixture(params=ACCOUNTS, ids=lambda name: name or "ours", scope="session")
def place(request: pytest.FixtureRequest, places: dict[str, Place]) -> Place:
    return places[request.param]


@pytest.fixture
def home(places: dict[str, Place]) -> Home:
    """Our own account's home, for tests that run PostgreSQL in their own process."""
    return prepare_home(places[""].home)


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    """Starts a server on a home and waits until it serves; whatever is left is killed."""
    with starting(place) as start:
        yield start
