"""Many shims on one home at once, and what its server says of itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from hosts import Host
from lines import Lines, started

from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.local.visiting import status_of

# JSON of a message.
Json = Any

_BOUND_S = 75.0


def told(host: Host, **settings: str) -> Host:
    """The same host, with more in the environment of what starts on it."""
    return replace(host, settings={**host.settings, **settings})


@contextmanager
def program(host: Host, *arguments: str) -> Generator[Lines]:
    """A session that our Python begins in a way of its own; killed when it takes too long."""
    with started(host.home, sys.executable, *arguments, HEPHAESTUS_IDLE_SECONDS="20") as lines:
        bound = threading.Timer(_BOUND_S, lines.process.kill)
        bound.start()
        try:
            yield lines
        finally:
            bound.cancel()


@contextmanager
def crowd(hosts: Iterable[Host], *arguments: str) -> Generator[list[Lines]]:
    """A session each, or a command: all are started before any is waited for."""
    with ExitStack() as stack:
        yield [stack.enter_context(host.shim(*arguments)) for host in hosts]


def state_of(host: Host) -> dict[str, Json]:
    found = status_of(host.paths)
    assert found, "no server listens"
    return found


def names_of(host: Host) -> list[str]:
    """Who is connected."""
    return sorted(each["name"] for each in state_of(host)["connections"])


def log_of(host: Host, word: str) -> list[str]:
    """The lines of the server's log that have the word."""
    return [line for line in host.paths.server_log.read_text().splitlines() if word in line]


def postmasters_of(host: Host) -> list[int]:
    """PostgreSQL's processes that are no other's child."""
    found = holders(host.paths.postgres_lock)
    return [pid for pid in found if parent_of(pid) not in found]


def parent_of(pid: int) -> int:
    listed = subprocess.run(
        ["/bin/ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return int(listed.stdout or 0)


def made_by(session: Lines, title: str = "A ticket") -> str:
    """The ticket that the session makes."""
    reply = session.call("create_ticket", title=title)
    assert not reply["isError"], reply
    return reply["structuredContent"]["ticket_id"]


def title_of(session: Lines, ticket_id: str) -> str:
    reply = session.call("get_ticket", ticket_id=ticket_id)
    assert not reply["isError"], reply
    return reply["structuredContent"]["ticket"]["title"]
