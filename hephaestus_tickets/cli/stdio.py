"""MCP over standard input and output, with the database it needs."""

from __future__ import annotations

import logging
import os
import signal
import sys

import anyio
import typer
from anyio import CancelScope
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.db import DatabaseSettings, check_database
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.local import shim
from hephaestus_tickets.local.home import home_at
from hephaestus_tickets.local.settings import HomeSettings
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.sessions import run_session
from hephaestus_tickets.upkeep import Upkeep


def stdio() -> None:
    """Serve one MCP client over standard input and output (the default).

    With DB_HOST set, in this process; else the local server serves it, started if there is none.
    """
    settings = DatabaseSettings()
    if not settings.host:
        if logging.getLogger().isEnabledFor(logging.INFO):
            typer.echo(
                f"The local server logs to {home_at(HomeSettings().home).server_log}.", err=True
            )
        raise typer.Exit(shim.run())
    session = SessionSettings()
    check_database(settings.url())
    anyio.run(_serve, settings.url(), session, _own_stdout())
    # All is closed; taking the interpreter apart would only keep the client waiting.
    sys.stderr.flush()
    os._exit(0)


def _own_stdout() -> int:
    """A private duplicate of stdout; whatever else prints goes to stderr from now on."""
    protocol = os.dup(1)
    os.dup2(2, 1)
    return protocol


async def _serve(url: URL, settings: SessionSettings, protocol: int) -> None:
    async with (
        open_semantic(None) as semantic,
        open_calls(url, semantic) as calls,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_end_on_signal, tasks.cancel_scope)
        tasks.start_soon(Indexer(calls.units, is_alone=False).run)
        tasks.start_soon(Upkeep(calls.units).run)
        session = settings.session()
        await run_session(build_server(calls, session.toolsets), session, 0, protocol)
        tasks.cancel_scope.cancel()


async def _end_on_signal(scope: CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()
            return
