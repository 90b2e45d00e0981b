"""What is said first on a connection, by either side, and what the other makes of it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from crowds import log_of, told
from hosts import Host, hosted
from lines import Lines, call_of, opening
from stand_in import standing_in

from hephaestus_tickets import __version__
from hephaestus_tickets.local.endpoint import (
    ANSWER_S,
    LONGEST_HELLO,
    PROTOCOL,
    connected,
    hello_line,
)
from hephaestus_tickets.local.reception import HELLO_S

ODD = {
    "quotes": b"a \"quoted\" 'name' \\",
    "lines": b"one\ntwo\r\nthree\x85\xe2\x80\xa8",
    "control": bytes(range(1, 32)) + b"\x7f",
    "no UTF-8": b"\xff\xfe \xed\xb2\x80 \xc3",
    "emoji": "🔥 ü".encode(),
    "JSON": b'","takes_over":true,"x":"',
}
GREETED = b'{"jsonrpc": "2.0", "id": 1, "result": {}}\n'


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD)
def test_a_hello_is_one_line_of_json_whatever_the_environment_holds(raw: bytes) -> None:
    value, seen = os.fsdecode(raw), raw.decode("utf-8", "replace")
    line = hello_line("session", {"HEPHAESTUS_IDLE_SECONDS": value}, session={"AGENT_ID": value})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    hello = json.loads(line)
    assert hello["session"] == {"AGENT_ID": seen}
    assert hello["takes_over"] is False
    assert list(hello["settings"]) == ["HEPHAESTUS_IDLE_SECONDS"]


def test_a_hello_names_a_directory_of_any_name_and_none_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b'a "b"\n\xff')
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert (
        json.loads(hello_line("status", {}))["cwd"]
        == f'{tmp_path}/a "b"\n\N{REPLACEMENT CHARACTER}'
    )
    odd.rmdir()
    assert json.loads(hello_line("status", {}))["cwd"] == ""


def test_no_value_of_a_setting_is_in_a_hello() -> None:
    line = hello_line("session", {"HEPHAESTUS_IDLE_SECONDS": "1234.5", "DB_PASSWORD": "secret"})
    assert b"1234.5" not in line
    assert b"secret" not in line


@dataclass
class Patience:
    """Who waits for an answer that does not come, since this file's first test with a process."""

    host: Host
    since: float
    silent: dict[str, socket.socket]
    ignored: Lines


@pytest.fixture(scope="module")
def patience() -> Iterator[Patience]:
    """A served home, and beside the tests what takes its time: the one that is ignored has it."""
    with ExitStack() as stack:
        host = stack.enter_context(hosted(""))
        assert host.works()
        mute = host.named("mute")
        stack.enter_context(standing_in(mute))
        ignored = stack.enter_context(mute.shim())
        silent = {said: stack.enter_context(_connection(host)) for said in ("", '{"protocol":')}
        for said, connection in silent.items():
            connection.sendall(said.encode())
        yield Patience(host, time.monotonic(), silent, ignored)


@pytest.fixture
def host(patience: Patience) -> Host:
    return patience.host


def _connection(host: Host) -> socket.socket:
    connection = connected(str(host.home))
    assert connection
    ours = socket.socket(fileno=connection.detach())
    ours.settimeout(HELLO_S + 5)
    return ours


def _answer(host: Host, raw: bytes) -> bytes:
    """All that the server says to whom says this and no more."""
    with _connection(host) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        with suppress(ConnectionResetError):  # it ended before it had read all of it
            while chunk := connection.recv(65_536):
                said += chunk
    return said


def _hello(**changed: object) -> bytes:
    said = json.loads(hello_line("session", {}))
    return json.dumps(said | changed).encode() + b"\n"


NOT_UNDERSTOOD = (
    b"error The local server does not understand this version's hello; "
    b"`hephaestus-tickets stop` ends it, then start again.\n"
)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", NOT_UNDERSTOOD),
        (b"\x00\xff\xfe\n", NOT_UNDERSTOOD),
        (b"{}\n", NOT_UNDERSTOOD),
        (b"[" * 60_000 + b"\n", NOT_UNDERSTOOD),
        (_hello(purpose="rule"), NOT_UNDERSTOOD),
        (_hello(protocol="many"), NOT_UNDERSTOOD),
        (_hello(session={"AGENT_ID": ["x"]}), NOT_UNDERSTOOD),
        (_hello() + opening(), NOT_UNDERSTOOD),
        (_hello(cwd="x" * LONGEST_HELLO), b""),
        (b"x" * LONGEST_HELLO, b""),
        (b"", b""),
        (_hello(), b"welcome \n"),
        (_hello(mood="good", session={"LATER": "1"}), b"welcome \n"),
        (_hello()[:-9], NOT_UNDERSTOOD),
    ],
    ids=[
        "HTTP", "bytes", "empty", "deep", "purpose", "type", "session", "more at once",
        "long", "endless", "nothing", "right", "extra", "half",
    ],
)  # fmt: skip
def test_a_hello_is_answered_by_one_line_or_not_at_all(
    host: Host, raw: bytes, answer: bytes
) -> None:
    assert _answer(host, raw) == answer
    assert not log_of(host, "Traceback")


def test_another_protocol_is_refused_with_the_way_out_and_can_still_ask_for_the_status(
    host: Host,
) -> None:
    assert _answer(host, _hello(protocol=PROTOCOL + 1)).decode() == (
        f"error The local server (version {__version__}) is in use and speaks another protocol "
        f"than version {__version__}; end its other sessions, or end it with "
        "`hephaestus-tickets stop`.\n"
    )
    said = _answer(host, _hello(protocol=PROTOCOL + 1, purpose="status"))
    word, _, text = said.partition(b" ")
    assert (word, json.loads(text)["pid"]) == (b"welcome", host.server())


def test_a_hello_that_is_too_long_is_one_sentence(host: Host) -> None:
    assert told(host, AGENT_ID="x" * LONGEST_HELLO).refusal() == (
        f"The local server of {host.home} ends every connection; "
        "`hephaestus-tickets doctor` says more."
    )


def test_nothing_is_forwarded_before_the_welcome_and_all_that_follows_it_is(host: Host) -> None:
    with standing_in(host.named("fake")) as server, host.named("fake").shim() as shim:
        shim.send(opening() + call_of(2, "list_workflows"))
        with server.caller() as caller:
            assert caller.hello["purpose"] == "session"
            assert not caller.has_said_more(within=0.5)
            caller.say(b"wel")
            assert not caller.has_said_more(within=0.2)
            caller.say(b"come Mind the gap.\n" + GREETED[:9])
            assert caller.line() + caller.line() + caller.line() == opening() + call_of(
                2, "list_workflows"
            )
            caller.say(GREETED[9:])
            assert shim.receive()["result"] == {}
        ending = shim.end()
    assert ending.err.splitlines()[0] == "hephaestus-tickets: Mind the gap."


def test_who_is_cut_off_before_the_welcome_starts_over_once(host: Host) -> None:
    with standing_in(host.named("fake")) as server, host.named("fake").shim() as shim:
        shim.send(opening())
        server.cut_off()
        with server.caller() as caller:
            caller.say(b"welcome \n" + GREETED)
            assert shim.receive()["result"] == {}
            assert caller.line() + caller.line() == opening()
            assert not server.has_more_callers()


def test_who_is_cut_off_twice_says_so(host: Host) -> None:
    fake = host.named("fake")
    with standing_in(fake) as server, fake.shim() as shim:
        shim.send(opening())
        server.cut_off()
        server.cut_off()
        ending = shim.end()
        assert not server.has_more_callers()
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (
        f"hephaestus-tickets: The local server of {fake.home} ends every connection; "
        "`hephaestus-tickets doctor` says more.\n"
    )


def test_who_is_cut_off_by_a_server_that_leaves_starts_the_next(host: Host) -> None:
    left = host.named("left")
    with standing_in(left) as server, left.shim() as shim:
        shim.send(opening())
        with server.caller():
            left.paths.socket.unlink()
        assert shim.receive()["result"]["serverInfo"]["name"] == "hephaestus-tickets"
        assert shim.end().status == 0


@pytest.mark.parametrize(
    ("said", "told_to_the_client"),
    [
        (b"error The moon is full; wait.\n", "The moon is full; wait."),
        (b"error \n", "The local server of {home} ends every connection; {look}"),
    ],
    ids=["a sentence", "none"],
)
def test_an_error_is_said_and_nothing_is_tried_again(
    host: Host, said: bytes, told_to_the_client: str
) -> None:
    fake = host.named("fake")
    with standing_in(fake) as server, fake.shim() as shim:
        shim.send(opening())
        with server.caller() as caller:
            caller.say(said)
            ending = shim.end()
        assert not server.has_more_callers()
    look = "`hephaestus-tickets doctor` says more."
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (
        f"hephaestus-tickets: {told_to_the_client.format(home=fake.home, look=look)}\n"
    )


def test_the_end_of_a_server_that_said_welcome_is_one_sentence(host: Host) -> None:
    fake = host.named("fake")
    with standing_in(fake) as server, fake.shim() as shim:
        with server.caller() as caller:
            caller.say(b"welcome \n" + GREETED)
            assert shim.receive()["result"] == {}
        assert shim.process.wait(10) == 1
        assert shim.process.stderr
        assert shim.process.stderr.read().decode() == (
            f"hephaestus-tickets: The local server of {fake.home} ended; start the session again.\n"
        )


def test_who_says_nothing_in_time_is_cut_off_without_a_word(patience: Patience) -> None:
    for connection in patience.silent.values():
        assert connection.recv(1) == b""
    assert time.monotonic() - patience.since > HELLO_S - 1
    assert patience.host.works()


def test_a_server_that_never_answers_is_one_sentence(patience: Patience) -> None:
    ending = patience.ignored.end()
    assert time.monotonic() - patience.since > ANSWER_S - 1
    assert (ending.status, ending.out) == (1, b"")
    assert ending.err == (
        f"hephaestus-tickets: The local server of {patience.host.named('mute').home} "
        f"(process {os.getpid()}) does not answer; `hephaestus-tickets stop` ends it.\n"
    )
