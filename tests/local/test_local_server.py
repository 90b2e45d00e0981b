"""One server for a home: for all who come at once, whoever of them crashes, until nobody does."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from crowds import (
    Json,
    crowd,
    log_of,
    made_by,
    names_of,
    parent_of,
    postmasters_of,
    program,
    state_of,
    title_of,
    told,
)
from hosts import PROGRAM, Host, hosted, is_alive
from lines import Lines, call_of, opening
from servers import until
from victims import database_of, until_nothing_remains

from hephaestus_tickets.local.visiting import visiting
from tests.server.wires import board_locked, waiting_for_a_lock

# Idleness is looked for once a second.
TICK_S = 1.0
LEAVING_S = 10.0
# As a terminal starts a client: with a process group of its own.
LEADER = "import os, sys; os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A home that was served before."""
    with hosted("") as host:
        assert host.works()
        yield host


@pytest.fixture
def fleeting(host: Host) -> Iterator[Host]:
    """The home with a server that leaves almost as soon as nobody is there."""
    host.end()
    yield told(host, HEPHAESTUS_IDLE_SECONDS="0.3")
    host.end()


@pytest.mark.parametrize(("sessions", "commands"), [(8, 0), (5, 3)], ids=["sessions", "mixed"])
def test_all_who_come_at_once_to_an_empty_home_share_one_server_and_one_postgresql(
    host: Host, *, sessions: int, commands: int
) -> None:
    home = host.named(f"empty {commands}")
    with crowd([home] * sessions) as shims, crowd([home] * commands, "init-db") as others:
        for shim in shims:
            shim.send(opening() + call_of(2, "create_ticket", title="Made at once"))
        assert {shim.receive()["id"] for shim in shims} == {1}
        made = {shim.receive()["result"]["structuredContent"]["ticket_id"] for shim in shims}
        assert made == {f"ticket-{number}" for number in range(1, sessions + 1)}
        endings = [other.end() for other in others]
        assert {(ending.status, ending.err) for ending in endings} <= {(0, "")}
        state = state_of(home)
        assert len(state["connections"]) == sessions
        assert (state["pid"], [state["postgres"]["pid"]]) == (home.server(), postmasters_of(home))
    assert len(log_of(home, " serves ")) == 1
    home.end()


def test_32_sessions_at_work_at_once_act_each_as_itself(host: Host) -> None:
    agents = [f"agent-{number}" for number in range(32)]
    with crowd(told(host, AGENT_ID=agent) for agent in agents) as shims:
        with ThreadPoolExecutor(len(agents)) as threads:
            actors = list(threads.map(_actors, shims, agents))
        assert names_of(host) == sorted(agents)
    assert actors == [{agent} for agent in agents]


def _actors(session: Lines, agent: str) -> set[str]:
    """Works on a ticket of its own; who did it, as the tracker has it."""
    session.greet()
    ticket_id = made_by(session)
    session.call("add_comment", ticket_id=ticket_id, comment_text="Begun")
    session.call("change_status", ticket_id=ticket_id, new_status="in_progress", comment="On it")
    foreign = session.call("add_comment", ticket_id=ticket_id, comment_text="No", agent_id="boss")
    assert foreign["content"][0]["text"].startswith("agent_mismatch: ")
    assert session.call("resolve_ticket", ticket_id=ticket_id, agent_id=agent)["isError"] is False
    found: Json = session.call("get_ticket", ticket_id=ticket_id)["structuredContent"]
    assert len(found["comments"]) == 2
    return {
        found["ticket"]["created_by"],
        *(each["agent_id"] for each in [*found["comments"], *found["history"]]),
    }


def test_a_session_killed_in_the_midst_of_a_call_touches_no_other(host: Host) -> None:
    with crowd([told(host, AGENT_ID=name) for name in ("dies", "writes", "reads")]) as shims:
        for shim in shims:
            shim.greet()
        dies, writes, reads = shims
        known = made_by(reads, "Before")
        with board_locked(database_of(host.paths)) as holder:
            dies.send(call_of(2, "create_ticket", title="Never seen"))
            writes.send(call_of(2, "create_ticket", title="After"))
            until(lambda: waiting_for_a_lock(holder) == 2)
            dies.process.kill()
            assert title_of(reads, known) == "Before"
        assert writes.receive()["result"]["isError"] is False
        until(lambda: names_of(host) == ["reads", "writes"])
        assert [shim.end().status for shim in (writes, reads)] == [0, 0]


def test_a_client_that_sends_garbage_touches_no_other(host: Host) -> None:
    with crowd([told(host, AGENT_ID=name) for name in ("babbles", "works")]) as shims:
        babbles, works = shims
        works.greet()
        babbles.send(b'\x00\xff\xfe garbage\n[]\n{"jsonrpc": "2.0", "id": 1}\n\n"' + b"x" * 70_000)
        known = made_by(works, "Undisturbed")
        assert babbles.end().status == 0
        assert title_of(works, known) == "Undisturbed"
        assert names_of(host) == ["works"]
        assert works.end().status == 0


@contextmanager
def _begun_by_a_group(host: Host) -> Generator[Lines]:
    """The session that started the server, leading a process group of its own."""
    host.end()
    with program(host, "-c", LEADER, *PROGRAM) as leader:
        leader.greet()
        assert os.getpgid(leader.process.pid) == leader.process.pid
        yield leader


def test_the_end_of_the_group_that_started_the_server_is_not_the_servers(host: Host) -> None:
    with _begun_by_a_group(host) as leader, host.shim() as other:
        other.greet()
        known = made_by(other, "It stays")
        server = host.server()
        os.killpg(leader.process.pid, signal.SIGKILL)
        assert leader.process.wait(10) == -signal.SIGKILL
        until(lambda: len(names_of(host)) == 1)
        assert title_of(other, known) == "It stays"
        assert (host.server(), parent_of(server)) == (server, 1)
        assert other.end().status == 0


def test_the_server_keeps_nothing_of_the_client_that_started_it(host: Host) -> None:
    with _begun_by_a_group(host) as leader:
        server, group = host.server(), leader.process.pid
        assert os.getsid(server) not in (os.getsid(0), os.getsid(group))
        assert os.getpgid(server) not in (os.getpgid(0), os.getpgid(group))
        ending = leader.end()  # returns when nobody has the other ends of its pipes
    assert (ending.status, ending.err) == (0, "")
    assert is_alive(server)
    assert host.server() == server


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows these of a process")
def test_the_server_stands_on_its_own(host: Host) -> None:
    with host.shim() as session:
        session.greet()
        process = Path(f"/proc/{host.server()}")
        files = {int(each.name): each.readlink() for each in (process / "fd").iterdir()}
        assert process.joinpath("cwd").readlink() == Path("/")
        assert "Umask:\t0077\n" in process.joinpath("status").read_text()
    paths = host.paths
    assert [files.pop(number) for number in range(3)] == [
        Path("/dev/null"), paths.server_log, paths.server_log,
    ]  # fmt: skip
    ours = {path for path in files.values() if not str(path).startswith(("socket:", "anon_inode:"))}
    assert ours == {paths.server_lock, paths.log}


def test_an_idle_server_leaves_in_time_and_nothing_remains(host: Host) -> None:
    host.end()
    home = told(host, HEPHAESTUS_IDLE_SECONDS="1")
    before = len(log_of(home, "serves"))
    assert home.works()
    until_nothing_remains(home.paths, 1 + TICK_S + LEAVING_S)
    assert len(log_of(home, "serves")) == before + 1
    assert log_of(home, "leaves")[-1].endswith("leaves: no connection for 1 seconds")
    ended, left = (_moment(log_of(home, word)[-1]) for word in (" ends ", "leaves"))
    assert 1 <= left - ended < 1 + TICK_S + LEAVING_S
    written = home.paths.log.stat().st_size
    assert home.works()
    said_by_postgres = home.paths.log.read_text()[written:]
    assert "database system was shut down at" in said_by_postgres
    assert "not properly shut down" not in said_by_postgres
    home.end()


def _moment(line: str) -> float:
    return datetime.fromisoformat(line[:23].replace(",", ".")).timestamp()


def test_whoever_is_connected_keeps_the_server(
    fleeting: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPHAESTUS_IDLE_SECONDS", "0.3")
    with fleeting.shim() as session:
        session.greet()
        server = fleeting.server()
        _let_it_look_twice()
        assert not session.call("list_workflows")["isError"]
        with visiting(fleeting.home):  # a command
            assert session.end().status == 0
            _let_it_look_twice()
            assert fleeting.server() == server
    until_nothing_remains(fleeting.paths, LEAVING_S)


def _let_it_look_twice() -> None:
    time.sleep(0.3 + 1.5 * TICK_S)


def test_who_comes_in_the_moment_the_server_leaves_is_served_by_the_next(fleeting: Host) -> None:
    assert fleeting.works()
    before = len(log_of(fleeting, "serves"))
    server = fleeting.server()
    os.kill(server, signal.SIGSTOP)
    with crowd([fleeting] * 6) as shims:
        for shim in shims:
            shim.send(opening())
        _let_it_look_twice()  # they wait at its door, and its time is up
        os.kill(server, signal.SIGCONT)
        for shim in shims:
            assert shim.receive()["result"]["serverInfo"]["name"] == "hephaestus-tickets"
        assert fleeting.server() != server
        assert [(ending.status, ending.err) for ending in map(Lines.end, shims)] == [(0, "")] * 6
    assert len(log_of(fleeting, "serves")) == before + 1


def test_who_comes_while_the_server_is_leaving_is_served_by_the_next(fleeting: Host) -> None:
    before = len(log_of(fleeting, "leaves"))
    assert fleeting.works()
    until(lambda: len(log_of(fleeting, "leaves")) > before)
    with crowd([fleeting] * 6) as shims:
        for shim in shims:
            shim.send(opening())
        assert [shim.receive()["id"] for shim in shims] == [1] * 6
        assert [(ending.status, ending.err) for ending in map(Lines.end, shims)] == [(0, "")] * 6
