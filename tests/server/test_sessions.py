"""Many sessions on one server: each is its own, and none is in another's way."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Timer
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import TextContent
from sqlalchemy import URL

from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import TURNS, Calls
from hephaestus_tickets.server.sessions import run_session
from tests.server.wires import (
    CORE,
    MODERN,
    Server,
    bare,
    board_locked,
    call_of,
    can_be_read,
    client_of,
    pipe,
    request,
    served,
    session_of,
    until,
    waiting_for_a_lock,
)

eras = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
# Structured content: JSON.
Json = Any


async def done(client: Client, tool: str, /, **arguments: Json) -> Json:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client: Client, tool: str, /, **arguments: Json) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def make_workflow(calls: Calls, workflow_id: str) -> None:
    admin: frozenset[Toolset] = frozenset({"admin"})
    server = build_server(calls, admin)
    async with client_of(server, session_of("admin", toolsets=admin)) as client:
        await done(client, "configure_board", workflow_id=workflow_id)


@eras
async def test_sessions_on_one_server_never_mix(calls: Calls, server: Server, mode: str) -> None:
    await make_workflow(calls, "ada-work")
    await make_workflow(calls, "bob-work")
    async with (
        client_of(server, session_of("ada", "ada-work"), mode) as ada,
        client_of(server, session_of("bob", "bob-work"), mode) as bob,
        anyio.create_task_group() as tasks,
    ):
        for client, name in [(ada, "ada"), (bob, "bob")] * 10:
            tasks.start_soon(_file_as, client, name)


async def _file_as(client: Client, name: str) -> None:
    made = (await done(client, "create_ticket", title="A ticket"))["ticket_id"]
    found = (await done(client, "get_ticket", ticket_id=made))["ticket"]
    assert (found["created_by"], found["workflow_id"]) == (name, f"{name}-work")
    [content] = (await client.read_resource(f"ticket://{made}")).contents
    assert name in str(content)
    assert (await refused(client, "create_ticket", title="A", agent_id="eve")).startswith(
        f"agent_mismatch: This session belongs to the agent '{name}'"
    )


@eras
async def test_each_session_has_the_tools_of_its_own_toolsets(calls: Calls, mode: str) -> None:
    both: frozenset[Toolset] = frozenset({"core", "admin"})
    async with (
        client_of(build_server(calls, CORE), session_of("ada"), mode) as ada,
        client_of(build_server(calls, both), session_of("bob", toolsets=both), mode) as bob,
    ):
        shown = [{tool.name for tool in (await each.list_tools()).tools} for each in (ada, bob)]
        assert shown[0] < shown[1]
        assert "belongs to the toolset 'admin'" in await refused(ada, "configure_board")
        await done(bob, "configure_board", workflow_id="new")


async def test_a_server_without_a_session_is_run_by_nothing_else(server: Server) -> None:
    with pytest.raises(ExceptionGroup) as failed:
        async with Client(server, mode="legacy"):
            pass
    assert failed.group_contains(RuntimeError, match="has no session of its own")


async def test_32_sessions_are_at_work_at_once(server: Server, database_url: URL) -> None:
    made: list[str] = []

    async def file(number: int) -> None:
        async with client_of(server, session_of(f"agent-{number}")) as client:
            made.append((await done(client, "create_ticket", title="A"))["ticket_id"])

    async with anyio.create_task_group() as tasks, bare(server, session_of("one more")) as other:
        with board_locked(database_url) as connection:
            for number in range(32):
                tasks.start_soon(file, number)
            await until(lambda: waiting_for_a_lock(connection) > TURNS)
            assert "result" in await other.ask("ping")
            assert made == []
    assert len(set(made)) == 32


async def test_one_session_cannot_take_all_connections(server: Server, database_url: URL) -> None:
    async with bare(server, session_of("greedy")) as greedy, bare(server, session_of("b")) as other:
        with board_locked(database_url) as connection:
            await greedy.send(*(call_of(n, "create_ticket", title="A") for n in range(32)))
            await until(lambda: waiting_for_a_lock(connection) == TURNS)
            for _ in range(20):
                read = await other.ask("tools/call", name="get_board_config", arguments={})
                assert not read["result"]["isError"]
            assert waiting_for_a_lock(connection) == TURNS
        answers = await greedy.rest()
    assert sorted(each["id"] for each in answers) == list(range(32))
    assert not any(each["result"]["isError"] for each in answers)


async def test_a_crash_of_one_session_touches_no_other(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bare(server, session_of("whole")) as whole:
        directory = os.open(tmp_path, os.O_RDONLY)
        await run_session(server, session_of("broken"), directory, directory)
        os.close(directory)
        assert "the session of broken ended by a fault" in caplog.text
        assert "result" in await whole.ask("ping")


async def test_a_client_that_leaves_in_the_midst_ends_its_session_quietly(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with bare(server, session_of("whole")) as whole:
        async with bare(server, session_of("gone")) as gone:
            await gone.send(*(request(n, "tools/list") for n in range(100)))
        assert "result" in await whole.ask("ping")
    assert caplog.text == ""


async def test_a_client_that_leaves_with_an_answer_unread_ends_its_session_quietly(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with bare(server, session_of("gone")) as gone:
        await gone.send(request(1, "ping"))
        await until(lambda: can_be_read(gone.socket))
    assert caplog.text == ""


async def test_a_client_that_only_stops_reading_ends_its_session(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with pipe() as (reading, asking), pipe() as (answering, writing):
        answering.close()
        asking.write(request(1, "server/discover", _meta=MODERN))
        with anyio.fail_after(10):
            await run_session(server, session_of("a"), reading.fileno(), writing.fileno())
    assert caplog.text == ""


async def test_nobody_waits_for_a_client_that_never_reads_its_pipe(server: Server) -> None:
    asked = [request(n, "tools/list", _meta=MODERN) for n in range(20)]
    with pipe() as (reading, asking), pipe() as (answering, writing):
        asking.write(b"".join(asked))
        freed = Timer(10, answering.close)
        freed.start()
        async with anyio.create_task_group() as tasks, bare(server, session_of("b")) as other:
            ends = reading.fileno(), writing.fileno()
            tasks.start_soon(run_session, server, session_of("a"), *ends)
            await until(lambda: can_be_read(answering))
            for _ in range(100):
                assert "result" in await other.ask("ping")
            assert freed.is_alive()
            tasks.cancel_scope.cancel()
        freed.cancel()


async def test_a_session_over_files_answers_all_and_ends(server: Server, tmp_path: Path) -> None:
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_bytes(b"".join(request(n, "server/discover", _meta=MODERN) for n in range(50)))
    with asked.open("rb") as reading, answered.open("wb") as writing, anyio.fail_after(10):
        await run_session(server, session_of("a"), reading.fileno(), writing.fileno())
    assert answered.read_bytes().count(b"serverInfo") == 50


async def test_no_input_at_all_ends_the_session(server: Server) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    with anyio.fail_after(10):
        await run_session(server, session_of("a"), nothing, nothing)
    os.close(nothing)


async def test_a_client_that_says_nothing_is_waited_for_and_may_leave(server: Server) -> None:
    async with served(server, session_of("silent")), bare(server, session_of("b")) as other:
        assert "result" in await other.ask("ping")
