"""Sessions over real sockets: the SDK's client at the other end, or bare lines."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from sqlalchemy import URL, Connection, create_engine

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server.calls import Session
from hephaestus_tickets.server.sessions import run_session

# JSON of a message.
Json = Any
Server = MCPServer[Session]
Received = SessionMessage | Exception

CORE: frozenset[Toolset] = frozenset({"core"})
PATIENCE_S = 20
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def session_of(
    agent_id: str, workflow_id: str = "default", toolsets: frozenset[Toolset] = CORE
) -> Session:
    caller = Caller(agent_id=agent_id, is_bound=True, default_workflow=workflow_id)
    return Session(caller, toolsets)


@asynccontextmanager
async def served(
    server: Server,
    session: Session,
    send_buffer: int | None = None,
    stop: anyio.Event | None = None,
) -> AsyncGenerator[socket.socket]:
    """The client's end; when the block ends it is closed, and the session ends by itself.

    At `stop` it is cancelled, as when the whole server ends.
    """
    ours, theirs = socket.socketpair()
    if send_buffer:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run, server, session, theirs, stop or anyio.Event())
            try:
                yield ours
            finally:
                ours.close()


async def _run(server: Server, session: Session, theirs: socket.socket, stop: anyio.Event) -> None:
    async def run() -> None:
        await run_session(server, session, theirs.fileno(), theirs.fileno())
        stop.set()

    with theirs:
        theirs.setblocking(False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await stop.wait()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def client_of(
    server: Server, session: Session, mode: str = "2026-07-28"
) -> AsyncGenerator[Client]:
    """The SDK's own client."""
    async with served(server, session) as ours, Client(_transport(ours), mode=mode) as client:
        yield client


@asynccontextmanager
async def _transport(
    ours: socket.socket,
) -> AsyncGenerator[
    tuple[MemoryObjectReceiveStream[Received], MemoryObjectSendStream[SessionMessage]]
]:
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=16 * 1024 * 1024)
    to_client, incoming = anyio.create_memory_object_stream[Received](100)
    outgoing, from_client = anyio.create_memory_object_stream[SessionMessage](100)

    async def receive() -> None:
        with to_client:
            async for line in reader:
                await to_client.send(SessionMessage(jsonrpc_message_adapter.validate_json(line)))

    async def send() -> None:
        with from_client:
            async for item in from_client:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                writer.write(f"{text}\n".encode())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        tasks.start_soon(send)
        yield incoming, outgoing
        writer.write_eof()
    writer.close()


@dataclass
class Bare:
    """Bytes and lines; nothing of the SDK."""

    socket: socket.socket
    _rest: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self.socket.setblocking(False)

    async def send(self, *raw: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, b"".join(raw))

    async def receive(self) -> Json:
        """The next message; None once the session has ended."""
        while b"\n" not in self._rest:
            chunk = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
            if not chunk:
                assert self._rest == b"", "it ended with half a line"
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    async def ask(self, method: str, **params: Json) -> Json:
        await self.send(request(99, method, **params))
        return await self.receive()

    async def greet(self) -> None:
        assert "result" in await self.ask("initialize", **HELLO)

    async def rest(self) -> list[Json]:
        """All that comes after the end of our input, until the session ends."""
        self.socket.shutdown(socket.SHUT_WR)
        return [message async for message in self._all()]

    async def _all(self) -> AsyncGenerator[Json]:
        while (message := await self.receive()) is not None:
            yield message


@asynccontextmanager
async def bare(
    server: Server, session: Session, send_buffer: int | None = None
) -> AsyncGenerator[Bare]:
    """Greeted already."""
    async with served(server, session, send_buffer) as ours:
        wire = Bare(ours)
        await wire.greet()
        yield wire


def request(number: int | str, method: str, **params: Json) -> bytes:
    return _line({"id": number, "method": method, "params": params})


def call_of(number: int, tool: str, **arguments: Json) -> bytes:
    return request(number, "tools/call", name=tool, arguments=arguments)


def cancelled(number: int) -> bytes:
    return _line({"method": "notifications/cancelled", "params": {"requestId": number}})


def _line(message: Json) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


@contextmanager
def board_locked(url: URL) -> Generator[Connection]:
    """While the block lasts, whoever writes tickets waits; the connection sees who does."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM board_configs FOR UPDATE")
        yield connection
    engine.dispose()


def waiting_for_a_lock(connection: Connection) -> int:
    # What it sees of the others would else stay as it was at the transaction's first look.
    connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
    return connection.exec_driver_sql(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ).scalar_one()


@contextmanager
def pipe() -> Generator[tuple[BinaryIO, BinaryIO]]:
    """Its reading and its writing end, as a shell makes them."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as out, os.fdopen(writing, "wb", 0) as into:
        yield out, into


def can_be_read(source: socket.socket | BinaryIO) -> bool:
    return bool(select.select([source], [], [], 0)[0])


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - no event tells what a database does
            await anyio.sleep(0.01)
