"""A session in a process of its own, as with DB_HOST: what is on its stdout, and how it ends."""

from __future__ import annotations

import fcntl
import json
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from commands import settings_of
from lines import Lines, call_of, opening, request, started
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from servers import until
from sqlalchemy import URL

from hephaestus_tickets.local.ending import throwaway_tracker

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


Serve = Callable[..., AbstractContextManager[Lines]]


@pytest.fixture
def serve(database_url: URL, tmp_path: Path) -> Serve:
    """Starts a session on a database of the test's own; no home is ever made."""
    settings = settings_of(database_url)
    return lambda *command: started(tmp_path / "no home", *command, **settings)


def test_stdout_holds_only_messages_whatever_prints(serve: Serve) -> None:
    with serve(sys.executable, "-c", NOISY) as server:
        server.send(opening())
        server.send(b"".join(call_of(number, "get_board_config") for number in range(2, 30)))
        ending = server.end()
    assert sorted(answer["id"] for answer in ending.answers) == list(range(1, 30))
    assert ending.err.count("noise") > 3


def test_what_was_asked_before_the_end_of_input_is_answered(serve: Serve) -> None:
    with serve() as server:
        server.send(opening() + request(2, "tools/list", {}))
        server.send(b"".join(call_of(n, "create_ticket", title=f"A {n}") for n in range(3, 43)))
        ending = server.end()
    assert (ending.status, ending.err) == (0, "")
    answers = {answer["id"]: answer["result"] for answer in ending.answers}
    assert sorted(answers) == list(range(1, 43))
    made = {answers[n]["structuredContent"]["ticket_id"] for n in range(3, 43)}
    assert len(made) == 40


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_a_signal_ends_it_within_a_second(serve: Serve, sign: signal.Signals) -> None:
    with serve() as server:
        server.greet()
        server.process.send_signal(sign)
        ending = server.end()
    assert (ending.status, ending.out, ending.err) == (0, b"", "")
    assert ending.seconds < 1


def test_the_end_of_input_ends_it_within_a_second_whatever_came_before(serve: Serve) -> None:
    with serve() as server:
        server.greet()
        server.send(b'not JSON\n[]\n{"jsonrpc": "2.0"}\n\xff\xfe\n\n')
        assert not server.call("list_workflows")["isError"]
        server.send(b'{"jsonrpc": "2.0", "id": 7, "meth')
        ending = server.end()
    assert (ending.status, ending.out) == (0, b"")
    assert ending.seconds < 1


def test_a_message_of_17_mb_is_refused_and_the_session_goes_on(serve: Serve) -> None:
    with serve() as server:
        server.greet()
        refusal = server.call("create_ticket", title="A", description="x" * 3_000_000)
        assert refusal["content"][0]["text"].startswith("invalid_arguments: ")
        server.send(call_of(7, "create_ticket", title="A", description="x" * (17 * 1024 * 1024)))
        refused = server.receive()
        assert refused["id"] == 7
        assert refused["error"]["message"].startswith("message_too_large: ")
        assert not server.call("list_workflows")["isError"]
        assert server.end().status == 0


def test_a_client_that_never_reads_does_not_keep_it_from_ending(serve: Serve) -> None:
    with serve() as server:
        server.send(opening() + b"".join(request(n, "tools/list", {}) for n in range(2, 40)))
        until(lambda: _waiting(server) > 16_000, 20)
        server.process.terminate()
        began = time.monotonic()
        assert server.process.wait(5) == 0
        assert time.monotonic() - began < 2


def _waiting(server: Lines) -> int:
    """Bytes that it wrote and nobody has read."""
    assert server.process.stdout
    answer = fcntl.ioctl(server.process.stdout, termios.FIONREAD, b"\0" * 4)
    return struct.unpack("i", answer)[0]


def test_a_client_that_is_gone_ends_it(serve: Serve) -> None:
    with serve() as server:
        server.greet()
        assert server.process.stdout
        assert server.process.stderr
        server.process.stdout.close()
        server.send(request(2, "tools/list", {}))
        assert server.process.wait(5) == 0
        assert server.process.stderr.read() == b""


async def test_mcp_json_works_as_it_is() -> None:
    configured = json.loads((ROOT / "mcp.json").read_text())["mcpServers"]["hephaestus-tickets"]
    with throwaway_tracker() as home:
        server = StdioServerParameters(
            **configured, cwd=ROOT, env={"HEPHAESTUS_HOME": str(home.root)}
        )
        async with Client(server) as client:
            assert "create_ticket" in {tool.name for tool in (await client.list_tools()).tools}
