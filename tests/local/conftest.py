from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import ACCOUNTS, Place, Server, answer_of, directory_of, start_program

from hephaestus_tickets.local.accounts import is_root
from hephaestus_tickets.local.binaries import Binaries, binaries_for, find_binaries
from hephaestus_tickets.local.home import Home, throwaway_home


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
    *([] if _may_mount() else ["test_disks.py"]),
]


@pytest.fixture
def home() -> Iterator[Home]:
    with throwaway_home() as home:
        yield home


@pytest.fixture(scope="session")
def binaries() -> Iterator[Binaries]:
    """PostgreSQL where every account of these tests can run it."""
    with throwaway_home() as home:
        yield binaries_for(home, find_binaries())


@pytest.fixture(scope="module", params=ACCOUNTS, ids=lambda name: name or "ours")
def place(request: pytest.FixtureRequest, binaries: Binaries) -> Iterator[Place]:
    """One per module and account: its home is made once, and each test leaves it startable."""
    with directory_of(request.param) as directory:
        yield Place(account=request.param, directory=directory, binaries=binaries)


@pytest.fixture
def start(place: Place) -> Iterator[Callable[..., Server]]:
    """Starts a server on a home and waits until it serves; whatever is left is killed."""
    started: list[Server] = []

    def start(home: Path | None = None, *, keeper: bool = False) -> Server:
        process = start_program(place, home, keeper=keeper)
        server = Server(process=process, hello=answer_of(process))
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()
