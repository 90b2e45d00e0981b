"""MCP over standard input and output, with the database it needs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator

import anyio
from anyio import CancelScope
from mcp.server.stdio import stdio_server
from sqlalchemy import URL

from hephaestus_tickets.app import SessionSettings, database_url, open_calls
from hephaestus_tickets.server import build_server

LONGEST_MESSAGE = 16 * 1024 * 1024
_CHUNK = 65_536


def serve_stdio() -> None:
    """Serve one client until its input ends or a signal comes; PostgreSQL ends with it."""
    session = SessionSettings()
    protocol = _own_stdout()
    with database_url() as url:
        anyio.run(_serve, url, session, protocol)
    # A worker thread may still wait for input that never comes: leave without waiting for it.
    sys.stderr.flush()
    os._exit(0)


def _own_stdout() -> int:
    """A private duplicate of stdout; whatever else prints goes to stderr from now on."""
    protocol = os.dup(1)
    os.dup2(2, 1)
    return protocol


async def _serve(url: URL, settings: SessionSettings, protocol: int) -> None:
    async with open_calls(url) as calls, anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        server = build_server(calls, settings.session())
        # The SDK types its streams as files; it only iterates the one, and writes and flushes
        # the other.
        streams = stdio_server(stdin=Lines(0), stdout=Output(protocol))  # pyright: ignore[reportArgumentType] - see above
        async with streams as (incoming, outgoing):
            # MCPServer only runs on the process's own stdin and stdout.
            lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
            await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _end_on_signal(scope: CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()
            return


class Lines:
    """A descriptor's lines, read so that a cancelled session need not wait for the next one."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pending = bytearray()

    async def __aiter__(self) -> AsyncIterator[str]:
        while chunk := await self._read():
            self._pending += chunk
            *lines, rest = self._pending.split(b"\n")
            self._pending = bytearray(rest)
            for line in lines:
                yield line.decode("utf-8", "replace")
            if len(self._pending) > LONGEST_MESSAGE:
                # No protocol goes on after half a message.
                return
        if self._pending.strip():
            yield self._pending.decode("utf-8", "replace")

    async def _read(self) -> bytes:
        return await anyio.to_thread.run_sync(
            os.read, self._descriptor, _CHUNK, abandon_on_cancel=True
        )


class Output:
    """A descriptor to write to; a client that never reads holds up only its own session."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, text: str) -> None:
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest:
            written = await anyio.to_thread.run_sync(
                os.write, self._descriptor, rest, abandon_on_cancel=True
            )
            rest = rest[written:]

    async def flush(self) -> None:
        """Nothing is buffered."""
