"""What one session may cost, and what becomes of what it asked."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field

import anyio
import pytest
from sqlalchemy import URL

from hephaestus_tickets.server.lines import LONGEST_MESSAGE
from hephaestus_tickets.server.streams import MOST_REQUESTS, MOST_SUBSCRIPTIONS, Work
from tests.server.wires import (
    MODERN,
    Bare,
    Json,
    Server,
    bare,
    board_locked,
    call_of,
    can_be_read,
    cancelled,
    request,
    served,
    session_of,
    until,
    waiting_for_a_lock,
)

MEGABYTE = 1024 * 1024


async def make_long_ticket(wire: Bare) -> str:
    """One whose description is longer than what a socket holds."""
    arguments = {"title": "Long", "description": "é" * 90_000}
    made = await wire.ask("tools/call", name="create_ticket", arguments=arguments)
    return made["result"]["structuredContent"]["ticket_id"]


async def test_a_session_has_so_many_requests_in_work_and_the_next_one_waits(
    server: Server, database_url: URL
) -> None:
    async with bare(server, session_of("a")) as wire:
        creates = [call_of(n, "create_ticket", title="A") for n in range(MOST_REQUESTS - 1)]
        with board_locked(database_url):
            await wire.send(*creates)
            assert (await wire.ask("ping"))["id"] == 99
            await wire.send(call_of(98, "create_ticket", title="A"), request(99, "ping"))
        answers = [each["id"] for each in await wire.rest()]
    assert sorted(answers) == [*range(MOST_REQUESTS - 1), 98, 99]
    assert answers[0] != 99


async def test_what_is_in_work_is_bounded_in_bytes_too(server: Server, database_url: URL) -> None:
    half = {"filler": "x" * (LONGEST_MESSAGE // 2)}
    large = {"name": "create_ticket", "arguments": {"title": "A"}, "_meta": half}
    async with bare(server, session_of("a")) as wire:
        with board_locked(database_url):
            await wire.send(request(1, "tools/call", **large))
            assert (await wire.ask("ping"))["id"] == 99
            await wire.send(request(2, "tools/call", **large), request(3, "ping"))
        answers = [each["id"] for each in await wire.rest()]
    assert answers[0] == 1
    assert sorted(answers) == [1, 2, 3]


async def test_an_id_that_is_used_twice_counts_twice(server: Server, database_url: URL) -> None:
    async with bare(server, session_of("a")) as wire:
        with board_locked(database_url):
            await wire.send(*[call_of(1, "create_ticket", title="A")] * MOST_REQUESTS)
            await wire.send(request(2, "ping"))
        answers = [each["id"] for each in await wire.rest()]
    assert sorted(answers) == [1] * MOST_REQUESTS + [2]
    assert answers[0] == 1


async def test_a_client_that_never_reads_costs_little_and_slows_nobody(server: Server) -> None:
    async with (
        bare(server, session_of("deaf"), 4096) as deaf,
        bare(server, session_of("other")) as other,
    ):
        asking = Asking(deaf)
        tracemalloc.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asking.run)
            await _until_nothing_more_is_read_of(asking, other)
            assert tracemalloc.get_traced_memory()[1] < 9 * MEGABYTE  # of lists of tools
            tracemalloc.stop()
            await asking.end()
        asking.answers += await deaf.rest()
    assert sorted(each["id"] for each in asking.answers) == list(range(asking.asked))


@dataclass
class Asking:
    """A client that asks and asks."""

    wire: Bare
    asked: int = 0
    is_enough: bool = False
    has_ended: bool = False
    answers: list[Json] = field(default_factory=list[Json])

    async def run(self) -> None:
        while not self.is_enough:
            await self.wire.send(request(self.asked, "tools/list"))
            self.asked += 1
        self.has_ended = True

    async def end(self) -> None:
        """Reads as many answers as it must before its last request is taken."""
        self.is_enough = True
        while not self.has_ended:
            self.answers.append(await self.wire.receive())


async def _until_nothing_more_is_read_of(asking: Asking, other: Bare) -> None:
    before = -1
    while asking.asked != before:
        before = asking.asked
        for _ in range(100):
            assert "result" in await other.ask("ping")


async def test_answers_of_many_requests_never_interleave(server: Server) -> None:
    async with bare(server, session_of("a"), 4096) as wire:
        made = await make_long_ticket(wire)
        await wire.send(*(call_of(n, "get_ticket", ticket_id=made) for n in range(20)))
        answers = await wire.rest()
    assert sorted(each["id"] for each in answers) == list(range(20))


async def test_a_session_that_is_stopped_ends_the_line_it_writes_before_its_last_words(
    server: Server, database_url: URL
) -> None:
    stop = anyio.Event()
    async with served(server, session_of("a"), 4096, stop) as ours:
        wire = Bare(ours)
        await wire.greet()
        made = await make_long_ticket(wire)
        with board_locked(database_url) as connection:
            await wire.send(call_of(2, "create_ticket", title="A"))
            await until(lambda: waiting_for_a_lock(connection) == 1)
            await wire.send(call_of(1, "get_ticket", ticket_id=made))
            await until(lambda: can_be_read(ours))
            stop.set()
            first, second = await wire.receive(), await wire.receive()
    assert (first["id"], second["id"]) == (1, 2)
    assert second["error"]["message"] == "Connection closed"


async def test_the_end_of_input_waits_for_nothing_that_is_cancelled_or_endless(
    server: Server, database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(server, session_of("a")) as ours:
        wire = Bare(ours)
        with board_locked(database_url) as connection:
            await wire.send(_listen(1), _modern_create(2))
            await until(lambda: waiting_for_a_lock(connection) == 1)
            await wire.send(cancelled(2))
            said = await wire.rest()
    assert [each.get("method") for each in said[:1]] == ["notifications/subscriptions/acknowledged"]
    assert "before" not in caplog.text


def _listen(number: int) -> bytes:
    wanted = {"toolsListChanged": True}
    return request(number, "subscriptions/listen", notifications=wanted, _meta=MODERN)


def _modern_create(number: int) -> bytes:
    arguments = {"title": "A"}
    return request(number, "tools/call", name="create_ticket", arguments=arguments, _meta=MODERN)


async def test_so_many_subscriptions_and_no_more(server: Server) -> None:
    async with served(server, session_of("a")) as ours:
        wire = Bare(ours)
        for number in range(MOST_SUBSCRIPTIONS):
            await wire.send(_listen(number))
            assert (await wire.receive())["method"].endswith("acknowledged")
        for number in (50, 3, 51):
            await wire.send(_listen(number))
            refused = (await wire.receive())["error"]["message"]
            assert refused.startswith("too_many_subscriptions: ")
        await wire.send(cancelled(3), _listen(52))
        assert (await wire.receive())["method"].endswith("acknowledged")


async def test_who_is_gone_before_more_is_read_is_not_waited_for() -> None:
    work = Work()
    work.abandon()
    with anyio.fail_after(5), work.unless_abandoned():
        await anyio.sleep_forever()


async def test_half_a_line_at_the_end_is_nothing_and_a_whole_one_is_answered(
    server: Server,
) -> None:
    async with bare(server, session_of("a")) as wire:
        await wire.send(request(1, "ping"), b'{"jsonrpc": "2.0", "id": 2, "meth')
        assert [each["id"] for each in await wire.rest()] == [1]
    async with bare(server, session_of("a")) as wire:
        await wire.send(request(1, "ping"), request(2, "ping").strip())
        assert [each["id"] for each in await wire.rest()] == [1, 2]


async def test_what_is_no_message_is_passed_over(server: Server) -> None:
    async with bare(server, session_of("a")) as wire:
        await wire.send(b'not JSON\n[]\n{"jsonrpc": "2.0"}\n\xff\xfe\n\n', request(1, "ping"))
        assert [each["id"] for each in await wire.rest()] == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(
            rb'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"\ud83d"}}', id="surrogate"
        ),
        pytest.param(rb'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1,}}', id="comma"),
        pytest.param(rb'{"jsonrpc":"3.0","id":7,"method":"ping"}', id="another protocol"),
        pytest.param(
            b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":'
            + b"[" * 900
            + b"]" * 900
            + b"}}",
            id="deep",
        ),
    ],
)
async def test_a_request_that_is_no_valid_message_is_answered_all_the_same(
    server: Server, wrong: bytes
) -> None:
    async with bare(server, session_of("a")) as wire:
        await wire.send(wrong + b"\n", request(1, "ping"))
        refused, answered = await wire.rest()
    assert (refused["id"], answered["id"]) == (7, 1)
    assert refused["error"]["message"].startswith("invalid_message: ")


async def test_text_that_is_no_utf_8_is_replaced(server: Server) -> None:
    async with bare(server, session_of("a")) as wire:
        broken = call_of(1, "create_ticket", title="?").replace(b"?", b"a\xffb")
        await wire.send(broken)
        made = (await wire.receive())["result"]["structuredContent"]["ticket_id"]
        found = await wire.ask("tools/call", name="get_ticket", arguments={"ticket_id": made})
        assert found["result"]["structuredContent"]["ticket"]["title"] == "a\ufffdb"
