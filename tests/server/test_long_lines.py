"""A line that is too long is refused, whatever is in it, and costs no more than others."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_tickets.server.lines import LONGEST_MESSAGE, Lines, TooLong
from hephaestus_tickets.server.sessions import run_session
from tests.server.wires import Bare, Server, bare, pipe, session_of

REFUSAL = (
    "message_too_large: a message may have at most 4,194,304 bytes, this one had more; "
    "send less text at once."
)
LONG = "x" * LONGEST_MESSAGE
PARAMS = {"name": "create_ticket", "arguments": {"title": "A", "description": LONG, "id": 5}}
V = {"jsonrpc": "2.0"}
CALL = {"method": "tools/call"}

MESSAGES = [
    pytest.param({**V, "id": 7, **CALL, "params": PARAMS}, 7, id="first"),
    pytest.param({"id": 7, **V, "params": PARAMS, **CALL}, 7, id="very first"),
    pytest.param({**CALL, **V, "id": "seven", "params": PARAMS}, "seven", id="a text"),
    pytest.param({**CALL, "params": PARAMS, **V, "id": 0}, 0, id="last"),
    pytest.param({**CALL, "params": PARAMS, "id": -1, **V}, -1, id="nearly last"),
    pytest.param({**CALL, "params": PARAMS, "id": 'a"b\\', **V}, 'a"b\\', id="escaped"),
    pytest.param({**V, **CALL, "params": PARAMS}, None, id="a notification"),
    pytest.param({**V, "params": {"id": 5, "x": LONG}}, None, id="only within"),
    pytest.param({**V, "params": {"x": LONG, "id": 5}}, None, id="only within, at the end"),
    pytest.param({**V, "text": LONG + '","id":5}'}, None, id="within a text"),
    pytest.param({**V, "text": LONG + ',"id":5'}, None, id="within a text, without a quote"),
    pytest.param([LONG, {"id": 7, "a": 1}], None, id="a list"),
    pytest.param({**V, "id": None, "params": PARAMS}, None, id="null"),
    pytest.param({**V, "id": "y" * 600, "params": PARAMS}, None, id="a long id"),
]
spacings = pytest.mark.parametrize("separators", [(",", ":"), (", ", " : ")], ids=["tight", "wide"])


@spacings
@pytest.mark.parametrize(("message", "number"), MESSAGES)
def test_the_id_is_told_from_either_end(
    message: object, number: object, separators: tuple[str, str]
) -> None:
    line = json.dumps(message, separators=separators).encode()
    [taken] = Lines().of(line + b"\n")
    assert isinstance(taken, TooLong)
    assert taken.request() == number


@given(st.lists(st.binary(max_size=20)), st.integers(1, 9))
def test_lines_are_whole_whatever_the_pieces(lines: list[bytes], size: int) -> None:
    whole = [line.replace(b"\n", b"") for line in lines]
    text = b"".join(line + b"\n" for line in whole)
    reading = Lines()
    taken = [
        line
        for start in range(0, len(text), size)
        for line in reading.of(text[start : start + size])
    ]
    assert taken == whole
    assert list(reading.last()) == []


def test_the_longest_message_is_taken_and_one_byte_more_is_not() -> None:
    lines = Lines()
    assert list(lines.of(LONG.encode() + b"\n")) == [LONG.encode()]
    [longer] = lines.of(b"x" + LONG.encode() + b"\n")
    assert isinstance(longer, TooLong)
    assert list(lines.of(b"{}\n")) == [b"{}"]


@pytest.mark.parametrize("is_ended", [True, False], ids=["a line", "half a line"])
async def test_it_is_refused_and_the_session_goes_on(server: Server, *, is_ended: bool) -> None:
    async with bare(server, session_of("a")) as wire:
        call = json.dumps({**V, "id": 7, **CALL, "params": PARAMS}).encode()
        if is_ended:
            await wire.send(call, b"\n")
            assert await wire.receive() == _refusal(7)
            assert "result" in await wire.ask("ping")
        await wire.send(call)
        assert await wire.rest() == [_refusal(7)]


async def test_one_whose_id_cannot_be_told_is_refused_without_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with bare(server, session_of("a")) as wire:
        await wire.send(LONG.encode(), b"y\n")
        assert await wire.receive() == _refusal(None)
    assert "refused a message of more than 4194304 bytes" in caplog.text


def _refusal(number: int | None) -> object:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": -32600, "message": REFUSAL}}


async def test_one_of_a_client_that_is_gone_ends_its_session_quietly(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = tmp_path / "asked"
    asked.write_text(f"{LONG}y\n")
    with asked.open("rb") as reading, pipe() as (answering, writing), anyio.fail_after(10):
        answering.close()
        await run_session(server, session_of("a"), reading.fileno(), writing.fileno())
    assert "fault" not in caplog.text


async def test_however_long_a_line_is_memory_is_bounded(server: Server) -> None:
    async with bare(server, session_of("a")) as wire:
        tracemalloc.start()
        await _send_64_mb(wire)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert await wire.receive() == _refusal(None)
    assert peak < 3 * LONGEST_MESSAGE


async def _send_64_mb(wire: Bare) -> None:
    chunk = b"x" * 65_536
    for _ in range(1024):
        await wire.send(chunk)
    await wire.send(b"\n")


async def test_the_longest_description_is_no_long_message(server: Server) -> None:
    """Each character as a client may escape it."""
    async with bare(server, session_of("a")) as wire:
        arguments = {"title": "A", "description": "\U0001f600" * 100_000}
        made = await wire.ask("tools/call", name="create_ticket", arguments=arguments)
        assert not made["result"]["isError"]
