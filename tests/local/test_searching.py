"""Search as a session has it: the bundled model, the engine, and nothing of either that remains."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from crowds import made_by, told
from hosts import Host, hosted
from lines import Lines
from servers import until
from victims import until_nothing_remains

from hephaestus_tickets.local.home import Home


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted("") as host:
        yield told(host, EMBEDDING_PROVIDER="local", HEPHAESTUS_IDLE_SECONDS="1")


def _found(session: Lines, query: str) -> list[str]:
    reply = session.call("semantic_search", query_text=query)
    return [hit["ticket_id"] for hit in reply["structuredContent"].get("results", [])]


def _is_indexed(host: Host) -> bool:
    said = host.said("status").out.decode()
    return "index         no ticket waits" in said


def test_what_a_session_writes_is_found_by_its_meaning_also_after_a_restart(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        login = made_by(session, "People are unable to log in after the update")
        made_by(session, "The settings page needs a dark theme")
        until(lambda: _is_indexed(host), 60)
        assert _found(session, "users cannot sign in any more")[0] == login
        assert session.end().status == 0
    until_nothing_remains(host.paths, 20)
    with host.shim() as session:
        session.greet()
        assert _found(session, "authentication is broken for everybody")[0] == login
        assert session.end().status == 0
    assert (host.paths.vectors.stat().st_mode & 0o777) == 0o700


def test_reindex_says_when_it_is_done(host: Host) -> None:
    ending = host.said("reindex")
    assert (ending.status, ending.err) == (0, "")
    assert b"Indexing" in ending.out


def test_settings_that_contradict_are_one_sentence(host: Host) -> None:
    host.end()
    assert told(host, EMBEDDING_DIM="7").refusal() == (
        "EMBEDDING_DIM is 7, but all-MiniLM-L6-v2 of the provider 'local' makes vectors of 384: "
        "leave EMBEDDING_DIM empty."
    )


def test_a_killed_server_takes_the_engine_with_it(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        made_by(session, "Once more")
        until(lambda: _is_indexed(host), 60)
        os.kill(host.server(), signal.SIGKILL)
        until_nothing_remains(_without_socket(host), 10)
    assert host.works()
    host.end()


def _without_socket(host: Host) -> Home:
    """A killed server leaves its socket, which the next one replaces."""
    host.paths.socket.unlink(missing_ok=True)
    return host.paths
