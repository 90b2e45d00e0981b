"""`serve`, `status` and `stop`: a local server in the foreground, what it says, and its end."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from commands import is_one_sentence
from crowds import crowd, log_of, made_by, names_of, state_of, title_of, told
from hosts import Host, hosted
from lines import Lines, opening
from servers import until
from victims import remains_of

from hephaestus_tickets import __version__
from hephaestus_tickets.local.locks import holders

COMING_S = 30.0
ENDING_S = 10.0


@dataclass
class Hanging:
    """Commands that ask servers which were stopped by SIGSTOP, since this file began."""

    made: Host
    status: Lines
    stop: Lines
    session: Lines  # of the server that is to be stopped
    servers: tuple[int, int]


@pytest.fixture(scope="module")
def hanging() -> Iterator[Hanging]:
    """What takes its time beside the other tests."""
    with ExitStack() as stack:
        made = stack.enter_context(hosted(""))
        assert made.works()
        made.end()
        hosts = [made.copied("hangs"), made.copied("hangs too")]
        sessions = stack.enter_context(crowd(hosts))
        for session in sessions:
            session.greet()
        servers = hosts[0].server(), hosts[1].server()
        for server in servers:
            os.kill(server, signal.SIGSTOP)
        status = stack.enter_context(hosts[0].shim("status"))
        stop = stack.enter_context(hosts[1].shim("stop"))
        yield Hanging(made, status, stop, sessions[1], servers)


@pytest.fixture
def host(hanging: Hanging) -> Host:
    """A home that was served before; a test that minds its server ends it first."""
    return hanging.made


@contextmanager
def _serving(host: Host) -> Generator[Lines]:
    host.end()
    with host.shim("serve") as serving:
        until(lambda: host.paths.socket.exists() or serving.process.poll() is not None, COMING_S)
        assert serving.process.poll() is None, serving.end()
        yield serving


def _is_refused_to_serve(host: Host, server: int) -> bool:
    refused = host.said("serve")
    assert refused.err == (
        f"hephaestus-tickets: {host.home} is in use by process {server}; end that one with "
        "`hephaestus-tickets stop`, or set HEPHAESTUS_HOME to another directory.\n"
    )
    return (refused.status, refused.out) == (1, b"")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_serve_logs_to_stderr_until_a_signal_ends_it(host: Host, sign: signal.Signals) -> None:
    with _serving(host) as serving:
        before = len(log_of(host, ""))
        assert host.works()
        serving.process.send_signal(sign)
        ending = serving.end()
    assert (ending.status, ending.out) == (0, b"")
    assert ending.seconds < ENDING_S
    assert f" serves {host.home} (process {serving.process.pid})\n" in ending.err
    assert f" leaves: signal {sign.name}\n" in ending.err
    assert "Traceback" not in ending.err
    assert len(log_of(host, "")) == before
    assert remains_of(host.paths) == []


def test_serve_stays_without_a_connection_and_alone_until_it_is_stopped(host: Host) -> None:
    with _serving(told(host, HEPHAESTUS_IDLE_SECONDS="0.1")) as serving:
        server = serving.process.pid
        began = time.monotonic()
        assert _is_refused_to_serve(host, server)
        assert time.monotonic() - began > 1.1  # an idle one would have left
        assert (state_of(host)["pid"], state_of(host)["idle_seconds"]) == (server, None)
        stopped = host.said("stop")
        ending = serving.end()
    assert stopped.out.decode() == f"The local server (process {server}) has ended.\n"
    assert (ending.status, ending.out) == (0, b"")
    assert remains_of(host.paths) == []


def test_serve_refuses_a_home_whose_server_started_by_itself(host: Host) -> None:
    assert host.works()
    server = host.server()
    assert _is_refused_to_serve(host, server)
    assert host.works()
    assert host.server() == server


def test_stop_ends_the_server_and_its_sessions_at_once_and_keeps_all(host: Host) -> None:
    with crowd([host] * 2) as shims:
        for shim in shims:
            shim.greet()
        known = made_by(shims[0], "Kept")
        server = host.server()
        began = time.monotonic()
        stopped = host.said("stop")
        assert time.monotonic() - began < ENDING_S
        assert (stopped.status, stopped.err) == (0, "")
        assert stopped.out.decode() == f"The local server (process {server}) has ended.\n"
        assert remains_of(host.paths) == []
        for shim in shims:
            assert shim.process.wait(5) == 1
            assert _said_on_stderr(shim) == _told_of_the_end(host)
    assert log_of(host, "leaves")[-1].endswith("leaves: signal SIGTERM")
    with host.shim() as session:
        session.greet()
        assert title_of(session, known) == "Kept"


def _told_of_the_end(host: Host) -> str:
    ended = f"The local server of {host.home} ended"
    return f"hephaestus-tickets: {ended}; start the session again.\n"


def _said_on_stderr(shim: Lines) -> str:
    assert shim.process.stderr
    return shim.process.stderr.read().decode()


def test_stop_ends_a_server_that_is_just_starting_and_no_client(host: Host) -> None:
    host.end()
    with host.shim() as shim:
        shim.send(opening())
        until(lambda: bool(holders(host.paths.server_lock)), COMING_S)
        stopped = host.said("stop")
        assert shim.process.wait(5) == 1
        assert _said_on_stderr(shim) == _told_of_the_end(host)
    assert stopped.out.decode().endswith(" has ended.\n")
    assert str(shim.process.pid) not in stopped.out.decode()
    assert remains_of(host.paths) == []


def test_where_nothing_runs_stop_and_status_say_so_and_start_nothing(host: Host) -> None:
    host.end()
    for home in (host, host.named("never made")):
        said = [home.said("stop"), home.said("status"), home.said("status", "--json")]
        assert [(ending.status, ending.err) for ending in said] == [(0, "")] * 3
        assert [ending.out.decode() for ending in said] == [
            f"No local server runs on {home.home}.\n",
            f"No local server runs on {home.home}; the next session or command starts one.\n",
            "null\n",
        ]
        assert remains_of(home.paths) == []
    assert not host.named("never made").home.exists()


def test_status_says_what_runs_and_who_is_connected(host: Host) -> None:
    with crowd([told(host, AGENT_ID=name) for name in ("ada", "bob")]) as shims:
        for shim in shims:
            shim.greet()
        server, postmaster = host.server(), host.postmaster()
        said = host.said("status")
        assert (said.status, said.err) == (0, "")
        lines = said.out.decode().splitlines()
        assert names_of(host) == ["ada", "bob"]
        pids = [shim.process.pid for shim in shims]
    head = [line.partition(" (")[0] if line.startswith("since") else line for line in lines[:8]]
    when_idle = "leaves after 20 seconds without a connection"
    assert head.pop(1)[:16] == "since         20"
    assert (
        head.pop(4)[:14] == "index         "
    )  # other tests left tickets, which nobody indexes here
    assert head == [
        f"local server  process {server}, version {__version__}, {when_idle}",
        f"home          {host.home}",
        f"log           {host.paths.server_log}",
        f"PostgreSQL    process {postmaster}, socket in {host.paths.pg}",
        "upgrade       none waits",
        "connections   2",
    ]
    expected = [
        f"  session     {name}, process {pid}, in /"
        for name, pid in zip(("ada", "bob"), pids, strict=True)
    ]
    assert sorted(line.rpartition(", ")[0] for line in lines[8:]) == expected


def test_status_as_json_is_one_line(host: Host) -> None:
    with told(host, AGENT_ID="ada").shim() as shim:
        shim.greet()
        said = host.said("status", "--json")
        assert (said.status, said.err, said.out.count(b"\n")) == (0, "", 1)
        found = json.loads(said.out)
        assert found.pop("index")["last_error"] is None
        assert found == state_of(host)
        assert found["home"] == str(host.home)
        assert found["postgres"]["pid"] == host.postmaster()
        [visitor] = found["connections"]
        assert (visitor["purpose"], visitor["name"]) == ("session", "ada")
        assert (visitor["pid"], visitor["cwd"]) == (shim.process.pid, "/")


def test_status_of_a_server_that_is_just_starting_says_so(host: Host) -> None:
    host.end()
    with host.shim() as shim:
        shim.send(opening())
        until(lambda: len(holders(host.paths.postgres_lock)) > 0, COMING_S)
        server = host.server()
        os.kill(server, signal.SIGSTOP)
        said = host.said("status")
        as_json = host.said("status", "--json")
        os.kill(server, signal.SIGCONT)
        assert shim.receive()["id"] == 1
    assert (said.status, said.err) == (0, "")
    assert said.out.decode() == f"Process {server} is just starting or ending on {host.home}.\n"
    assert as_json.out == b"null\n"


def test_status_of_a_server_that_hangs_is_one_sentence(hanging: Hanging) -> None:
    ending = hanging.status.end()
    assert (ending.status, ending.out) == (1, b"")
    assert is_one_sentence(ending.err)
    assert ending.err == (
        f"hephaestus-tickets: The local server (process {hanging.servers[0]}) does not answer; "
        "`hephaestus-tickets stop` ends it.\n"
    )


def test_stop_kills_a_server_that_hangs_and_says_so(hanging: Hanging) -> None:
    ending = hanging.stop.end()
    assert (ending.status, ending.err) == (0, "")
    assert ending.out.decode() == (
        f"The local server (process {hanging.servers[1]}) did not end by itself and was killed.\n"
    )
    host = hanging.made.named("hangs too")
    assert hanging.session.process.wait(5) == 1
    assert _said_on_stderr(hanging.session) == _told_of_the_end(host)
    until(lambda: not holders(host.paths.postgres_lock), ENDING_S)
    assert host.works()
