"""The stdio server as a client starts it: what is on its stdout, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import sys
import termios
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from lines import Lines, call_of, opening, request, started
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from servers import until, until_nothing_runs

from hephaestus_tickets.local.home import Home, throwaway_home
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.server.streams import LONGEST_MESSAGE, Input, Unanswered

ROOT = Path(__file__).parents[2]
# As soon as stdout is ours, this prints into it in every way there is.
NOISY = """
import os, subprocess, sys, threading, time, warnings

def print_all_the_time():
    while not os.path.sameopenfile(1, 2):
        time.sleep(0.001)
    while True:
        print("noise", flush=True)
        os.write(1, b"noise\\n")
        warnings.warn("noise")
        subprocess.run(["/bin/echo", "noise"])

threading.Thread(target=print_all_the_time, daemon=True).start()
sys.argv = ["hephaestus-tickets"]
from hephaestus_tickets.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def served_home() -> Iterator[Home]:
    """One home for this file: each test leaves it startable."""
    with throwaway_home() as home:
        yield home


def test_stdout_holds_only_messages_whatever_prints(served_home: Home) -> None:
    with started(served_home.root, sys.executable, "-c", NOISY) as server:
        server.send(opening())
        server.send(b"".join(call_of(number, "get_board_config") for number in range(2, 30)))
        ending = server.end()
    assert sorted(answer["id"] for answer in ending.answers) == list(range(1, 30))
    assert ending.err.count("noise") > 3


def test_what_was_asked_before_the_end_of_input_is_answered(served_home: Home) -> None:
    with started(served_home.root) as server:
        server.send(opening() + request(2, "tools/list", {}))
        server.send(b"".join(call_of(n, "create_ticket", title="A") for n in range(3, 43)))
        ending = server.end()
    assert (ending.status, ending.err) == (0, "")
    answers = {answer["id"]: answer["result"] for answer in ending.answers}
    assert sorted(answers) == list(range(1, 43))
    made = {answers[n]["structuredContent"]["ticket_id"] for n in range(3, 43)}
    assert len(made) == 40


async def test_the_end_of_input_waits_for_nothing_that_is_cancelled_or_endless() -> None:
    unanswered = Unanswered()
    unanswered.read(request(1, "tools/call", {"name": "get_ticket"}).decode())
    unanswered.read(request(2, "subscriptions/listen", {}).decode())
    cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
    unanswered.read(json.dumps({"jsonrpc": "2.0", **cancelled}))
    with anyio.fail_after(1):
        await unanswered.none_left()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_a_signal_ends_it_within_a_second_and_postgresql_with_it(
    served_home: Home, sign: signal.Signals
) -> None:
    with started(served_home.root) as server:
        server.greet()
        assert holders(served_home.postgres_lock) != []
        server.process.send_signal(sign)
        ending = server.end()
    assert (ending.status, ending.out, ending.err) == (0, b"", "")
    assert ending.seconds < 1
    assert holders(served_home.postgres_lock) == []


def test_a_killed_server_leaves_nothing_running_and_no_ticket_behind(served_home: Home) -> None:
    with started(served_home.root) as first:
        first.greet()
        made = first.call("create_ticket", title="It was committed")["structuredContent"]
        first.process.kill()
        until_nothing_runs(served_home)
    with started(served_home.root) as second:
        second.greet()
        found = second.call("get_ticket", ticket_id=made["ticket_id"])["structuredContent"]
        assert found["ticket"]["title"] == "It was committed"
        assert _refused_while(second, served_home)


def _refused_while(first: Lines, home: Home) -> bool:
    with started(home.root) as second:
        ending = second.end()
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (
        f"hephaestus-tickets: {home.root} is in use by process {first.process.pid}; "
        "end that one first, or set HEPHAESTUS_HOME to another directory.\n"
    )
    return not first.call("list_workflows")["isError"]


def test_the_end_of_input_ends_it_within_a_second_whatever_came_before(served_home: Home) -> None:
    with started(served_home.root) as server:
        server.greet()
        server.send(b'not JSON\n[]\n{"jsonrpc": "2.0"}\n\xff\xfe\n\n')
        assert not server.call("list_workflows")["isError"]
        server.send(b'{"jsonrpc": "2.0", "id": 7, "meth')
        ending = server.end()
    assert (ending.status, ending.out) == (0, b"")
    assert ending.seconds < 1
    assert holders(served_home.postgres_lock) == []


def test_a_message_of_17_mb_ends_the_session_and_says_so(served_home: Home) -> None:
    with started(served_home.root) as server:
        server.greet()
        refusal = server.call("create_ticket", title="A", description="x" * 5_000_000)
        assert refusal["content"][0]["text"].startswith("invalid_arguments: ")
        with pytest.raises(BrokenPipeError):
            server.send(b"x" * (17 * 1024 * 1024))
        server.process.wait(5)
        assert server.process.stderr
        said = server.process.stderr.read().decode()
    assert f"a message of more than {LONGEST_MESSAGE} bytes ends the session" in said
    assert "Traceback" not in said
    assert holders(served_home.postgres_lock) == []


async def test_however_long_a_line_is_memory_is_bounded() -> None:
    reading, writing = os.pipe()
    feeder = threading.Thread(target=_feed, args=(writing, 64 * 1024 * 1024))
    feeder.start()
    tracemalloc.start()
    lines = [line async for line in Input(reading, Unanswered())]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    os.close(reading)
    feeder.join()
    assert lines == []
    assert peak < 3 * LONGEST_MESSAGE


def _feed(descriptor: int, size: int) -> None:
    chunk = b"x" * 65_536
    try:
        for _ in range(size // len(chunk)):
            os.write(descriptor, chunk)
    except BrokenPipeError:
        os.close(descriptor)


def test_a_client_that_never_reads_does_not_keep_it_from_ending(served_home: Home) -> None:
    with started(served_home.root) as server:
        server.send(opening() + b"".join(request(n, "tools/list", {}) for n in range(2, 40)))
        until(lambda: _waiting(server) > 16_000, 20)
        server.process.terminate()
        began = time.monotonic()
        assert server.process.wait(5) == 0
        assert time.monotonic() - began < 2
    assert holders(served_home.postgres_lock) == []


def _waiting(server: Lines) -> int:
    """Bytes that it wrote and nobody has read."""
    assert server.process.stdout
    answer = fcntl.ioctl(server.process.stdout, termios.FIONREAD, b"\0" * 4)
    return struct.unpack("i", answer)[0]


def test_a_client_that_is_gone_ends_it(served_home: Home) -> None:
    with started(served_home.root) as server:
        server.greet()
        assert server.process.stdout
        assert server.process.stderr
        server.process.stdout.close()
        server.send(request(2, "tools/list", {}))
        assert server.process.wait(5) == 0
        assert server.process.stderr.read() == b""


async def test_mcp_json_works_as_it_is(served_home: Home) -> None:
    configured = json.loads((ROOT / "mcp.json").read_text())["mcpServers"]["hephaestus-tickets"]
    server = StdioServerParameters(
        **configured, cwd=ROOT, env={"HEPHAESTUS_HOME": str(served_home.root)}
    )
    async with Client(server) as client:
        assert "create_ticket" in {tool.name for tool in (await client.list_tools()).tools}
    until_nothing_runs(served_home)
