"""Clients that do what none should, each beside one that behaves and must not feel it."""

from __future__ import annotations

import json
import resource
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from hosts import Host, end, hosted
from lines import Lines, call_of, opening, request
from servers import until

from hephaestus_tickets.local.endpoint import Socket, answer_to, connected, hello_line

MEGABYTE = 1024 * 1024
# What one session may make the server keep: its longest message, some copies of it, its answers.
ROOM = 40 * MEGABYTE
ROOM_OF_SHIM = 24 * MEGABYTE


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted("") as host:
        yield host


@pytest.fixture(scope="module")
def good(host: Host) -> Iterator[Lines]:
    """The client that behaves; its session lasts as long as all others."""
    with _descriptors(1024), host.shim() as session:  # as many as most systems give the server
        session.greet()
        _time_of_calls(session)
        yield session


@contextmanager
def _descriptors(most: int) -> Generator[None]:
    """How many this process, and what it starts, may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def nobody_feels_it(host: Host, good: Lines) -> Iterator[None]:
    """The server stays what it was: the same process, no larger, alone with the good one."""
    server, before = host.server(), _memory(host.server())
    yield
    assert not good.call("list_workflows")["isError"]
    assert host.server() == server
    assert _memory(server) - before < ROOM
    until(lambda: _connections(host) == 1)


def _memory(pid: int) -> int:
    """The most it ever had, where the kernel keeps that; else what it has now."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 1024 * int(subprocess.check_output(["/bin/ps", "-o", "rss=", "-p", str(pid)]))
    [most] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return 1024 * int(most.split()[1])


def _connections(host: Host) -> int:
    connection = connected(str(host.home))
    assert connection
    with closing(connection):
        _, text, _ = answer_to(connection, hello_line("status", {}))
    return len(json.loads(text)["connections"])


def _time_of_calls(session: Lines) -> float:
    began = time.monotonic()
    for _ in range(50):
        assert not session.call("get_board_config")["isError"]
    return time.monotonic() - began


def _is_as_quick_as(before: float, session: Lines) -> bool:
    """Nearly: one processor does the work of both."""
    return _time_of_calls(session) < 8 * before + 1


@contextmanager
def _sending(session: Lines, pieces: Iterator[bytes]) -> Generator[threading.Thread]:
    """Sends in the background, as much as is taken, until the block ends the session."""
    stdin = session.process.stdin
    assert stdin

    def send() -> None:
        try:
            for piece in pieces:
                stdin.write(piece)
                stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield thread
    finally:
        session.process.kill()
        thread.join()


@pytest.mark.parametrize(
    "said",
    [b"", opening(), opening() + b'{"jsonrpc": "2.0", "id": 7, "meth', b'{"half'],
    ids=["nothing", "hello", "half a line", "half a hello"],
)
def test_silence_is_waited_for(host: Host, good: Lines, said: bytes) -> None:
    before = _time_of_calls(good)
    with host.shim() as silent:
        silent.send(said)
        until(lambda: _connections(host) == 2)
        assert _is_as_quick_as(before, good)
        assert silent.process.poll() is None
        ending = silent.end()
    assert (ending.status, ending.err) == (0, "")
    assert ending.seconds < 5


def test_a_line_of_16_mb_is_refused_and_the_session_goes_on(host: Host, good: Lines) -> None:
    with host.shim() as large:
        large.greet()
        large.send(call_of(7, "create_ticket", title="A", description="x" * (16 * MEGABYTE)))
        refused = large.receive()
        assert (refused["id"], refused["error"]["code"]) == (7, -32600)
        assert refused["error"]["message"].startswith("message_too_large: ")
        assert not large.call("list_workflows")["isError"]
        assert _memory(large.process.pid) < ROOM_OF_SHIM
        assert large.end().err == ""


def test_a_line_without_end_is_read_and_forgotten(host: Host, good: Lines) -> None:
    before = _time_of_calls(good)
    with host.shim() as endless:
        endless.greet()
        pieces = (b"x" * MEGABYTE for _ in range(200))
        with _sending(endless, pieces) as sending:
            assert _is_as_quick_as(before, good)
            sending.join(60)
            assert not sending.is_alive()
            assert _memory(endless.process.pid) < ROOM_OF_SHIM
            endless.send(b"\n")
            assert "message_too_large" in endless.receive()["error"]["message"]
            assert not endless.call("list_workflows")["isError"]


@pytest.mark.parametrize("method", ["tools/list", "create_ticket"])
def test_who_never_reads_is_not_read_for_ever(host: Host, good: Lines, method: str) -> None:
    before = _time_of_calls(good)
    with host.shim() as deaf:
        deaf.send(opening())
        with _sending(deaf, _endless(method)) as sending:
            assert _is_as_quick_as(before, good)
            assert _is_as_quick_as(before, good)
            assert sending.is_alive()
            assert _memory(deaf.process.pid) < ROOM_OF_SHIM


def _endless(method: str) -> Iterator[bytes]:
    for number in range(2, 10_000_000):
        if method == "tools/list":
            yield request(number, method, {})
        else:
            yield call_of(number, method, title="One of many")


def test_who_closes_stdout_is_done(host: Host, good: Lines) -> None:
    with host.shim() as gone:
        gone.greet()
        assert gone.process.stdout
        gone.process.stdout.close()
        gone.send(request(2, "tools/list", {}))
        assert gone.process.wait(10) == 0
        assert gone.process.stderr
        assert gone.process.stderr.read() == b""


def test_a_killed_shim_ends_its_session_alone(host: Host, good: Lines) -> None:
    with host.shim() as killed:
        killed.greet()
        killed.send(b"".join(call_of(n, "create_ticket", title=f"A {n}") for n in range(2, 30)))
        end(killed.process.pid)


def test_thousands_of_connections_that_say_nothing_keep_nobody_out(host: Host, good: Lines) -> None:
    before = _time_of_calls(good)
    with _descriptors(4096), ExitStack() as silent:
        for _ in range(3_000):
            silent.enter_context(closing(_connection(host)))
        assert _is_as_quick_as(before, good)
        assert host.works()


def _connection(host: Host) -> Socket:
    connection = connected(str(host.home))
    assert connection
    return connection


def test_more_connections_than_it_has_room_for_are_refused(host: Host, good: Lines) -> None:
    before = _time_of_calls(good)
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(_greeted(host))) for _ in range(300)]
        words = [connection.recv(2_000).split()[0] for connection in connections]
        assert sorted(words) == 45 * [b"error"] + 255 * [b"welcome"]
        assert _is_as_quick_as(before, good)
        assert host.refusal() == "The local server has 256 connections already; end some first."
    until(lambda: _connections(host) == 1)
    assert host.works()


def _greeted(host: Host) -> Socket:
    """A connection that said who it is and has not read the answer."""
    connection = _connection(host)
    connection.sendall(hello_line("session", {}))
    return connection
