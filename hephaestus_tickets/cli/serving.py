"""`serve`: the local server in the foreground, or a replica on a database of your own."""

from __future__ import annotations

import logging
import os
import signal
import sys

import anyio
from sqlalchemy import URL

from hephaestus_tickets.app import local_server, open_calls
from hephaestus_tickets.app.http import serving_http
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.db import DatabaseSettings, check_database
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import edition
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.locks import RESTART_S, only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.local.settings import HomeSettings
from hephaestus_tickets.upkeep import Upkeep

logger = logging.getLogger("hephaestus_tickets.server")

PORT = 8420


def serve() -> None:
    """Serve until stopped: the home's local server, or with DB_HOST set a replica over HTTP.

    Sessions and commands start a local server by themselves; use this to keep it up, or under a
    supervisor. HTTP_PORT has it listen there too: MCP at /mcp and /sse, REST, /openapi.json. It
    logs to standard error.
    """
    os.umask(0o077)  # whatever the shell's is: what it makes is for nobody else
    database = DatabaseSettings()
    if database.host:
        _serve_replica(database.url())
        return
    terms = local_server.terms(Edition.of(edition()), stays=True)
    home = prepare_home(HomeSettings().home)
    with only_server(home, RESTART_S), running_postgres(home) as postgres:
        local_server.serve(home, postgres, terms)


def _serve_replica(url: URL) -> None:
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr, force=True
    )
    logging.getLogger("hephaestus_tickets").setLevel(logging.INFO)
    settings = HttpSettings()
    check_database(url)
    anyio.run(_replica, url, settings.model_copy(update={"port": settings.port or PORT}))


async def _replica(url: URL, settings: HttpSettings) -> None:
    async with (
        open_semantic(None) as semantic,
        open_calls(url, semantic) as calls,
        serving_http(calls, settings) as address,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(Indexer(calls.units, is_alone=False).run)
        tasks.start_soon(Upkeep(calls.units).run)
        logger.info("serves %s", address)
        await _told_to_end()
        logger.info("leaves")
        tasks.cancel_scope.cancel()


async def _told_to_end() -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            return
