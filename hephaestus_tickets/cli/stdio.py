"""MCP over standard input and output, with the database it needs."""

from __future__ import annotations

import logging
import os
import signal
import sys

import anyio
from anyio import CancelScope
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from sqlalchemy import URL

from hephaestus_tickets.app import SessionSettings, database_url, open_calls
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.streams import Input, Output, Unanswered

logger = logging.getLogger("hephaestus_tickets.session")


def serve_stdio() -> None:
    """Serve one client until its input ends or a signal comes; PostgreSQL ends with it."""
    session = SessionSettings()
    protocol = _own_stdout()
    with database_url() as url:
        anyio.run(_serve, url, session, protocol)
    # All is closed; taking the interpreter apart would only keep the client waiting.
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
        try:
            await _run_session(build_server(calls, settings.session()), protocol)
        except* BrokenPipeError:
            logger.info("the client no longer reads")
        tasks.cancel_scope.cancel()


async def _run_session(server: MCPServer[None], protocol: int) -> None:
    unanswered = Unanswered()
    # The SDK types its streams as files; it only iterates the one, and writes and flushes
    # the other.
    streams = stdio_server(stdin=Input(0, unanswered), stdout=Output(protocol, unanswered))  # pyright: ignore[reportArgumentType] - see above
    async with streams as (incoming, outgoing):
        # MCPServer only runs on the process's own stdin and stdout.
        lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
        await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())


async def _end_on_signal(scope: CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()
            return
