"""The local server: one process for a home, with PostgreSQL as its child and many sessions."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

import anyio
from anyio.abc import TaskGroup
from mcp.server.mcpserver import MCPServer
from pydantic import ValidationError

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.app.http import serving_if_asked
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.app.sessions import session_of, setting_fault
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.local.children import open_log
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import digest
from hephaestus_tickets.local.home import Home
from hephaestus_tickets.local.listener import Listener
from hephaestus_tickets.local.postgres import Postgres
from hephaestus_tickets.local.reception import Admission, Hello, Reception
from hephaestus_tickets.local.settings import LocalServerSettings, environment
from hephaestus_tickets.local.supervision import Supervision
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.server.sessions import run_session
from hephaestus_tickets.upkeep import Upkeep

logger = logging.getLogger("hephaestus_tickets.server")

_TICK_S = 1.0
_DESCRIPTORS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a server was started. Without `idle_seconds` it stays until it is stopped."""

    edition: Edition
    settings: dict[str, str]  # digests, as a hello has them
    idle_seconds: float | None

    @property
    def stays(self) -> bool:
        return self.idle_seconds is None


def terms(edition: Edition, *, stays: bool) -> Terms:
    """As the environment has them. Raises SetupError."""
    try:
        idle_seconds = None if stays else LocalServerSettings().idle_seconds
    except ValidationError as error:
        raise SetupError(setting_fault(error, "HEPHAESTUS_")) from error
    return Terms(edition=edition, settings=digest(environment()), idle_seconds=idle_seconds)


def serve(home: Home, postgres: Postgres, terms: Terms) -> None:
    """Serves the home until a signal, idleness or newer code ends it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("hephaestus_tickets").setLevel(logging.INFO)
    _allow_descriptors()
    was_migrated = migrate(socket_url(postgres.socket))
    anyio.run(_serve, home, postgres, terms, was_migrated)


def _allow_descriptors() -> None:
    """Each session is one; some systems begin with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _DESCRIPTORS:
        most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(home: Home, postgres: Postgres, terms: Terms, was_migrated: bool) -> None:
    url = socket_url(postgres.socket)
    async with (
        open_semantic(home) as semantic,
        open_calls(url, semantic) as calls,
        serving_if_asked(calls, is_asked=terms.stays),
    ):
        await LocalServer(home, postgres, calls, terms, was_migrated=was_migrated).run()


class LocalServer:
    """Serves a home's visitors until it is told to leave, or nobody has come for a while."""

    def __init__(
        self, home: Home, postgres: Postgres, calls: Calls, terms: Terms, *, was_migrated: bool
    ) -> None:
        self._home, self._postgres, self._calls, self._terms = home, postgres, calls, terms
        self._was_migrated = was_migrated
        self._started_at = datetime.now(UTC)
        self._servers: dict[frozenset[Toolset], MCPServer[Session]] = {}
        self._reception = Reception(self, terms.edition, stays=terms.stays)
        self._supervision = Supervision(home, postgres)
        self._listener = Listener(home)
        self._leaving, self._woken = anyio.Event(), anyio.Event()

    async def run(self) -> None:
        version, pid = self._terms.edition.version, os.getpid()
        logger.info("version %s serves %s (process %d)", version, self._home.root, pid)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey_signals)
                tasks.start_soon(self._watch)
                tasks.start_soon(self._receive, tasks)
                tasks.start_soon(Indexer(self._calls.units, is_alone=True).run)
                tasks.start_soon(Upkeep(self._calls.units).run)
                await self._leaving.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._listener.close()

    def leave(self, reason: str) -> None:
        logger.info("leaves: %s", reason)
        self._listener.close()
        self._leaving.set()

    async def _receive(self, tasks: TaskGroup) -> None:
        while True:
            tasks.start_soon(self._reception.receive, await self._listener.accept())

    async def _obey_signals(self) -> None:
        ending = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        with anyio.open_signal_receiver(*ending, signal.SIGCHLD) as signals:
            async for sign in signals:
                if sign == signal.SIGCHLD:
                    self._woken.set()  # it may be PostgreSQL that ended
                else:
                    self.leave(f"signal {sign.name}")

    async def _watch(self) -> None:
        """Looks at what no connection would tell; on time by a clock that is never set."""
        while True:
            self._woken = anyio.Event()
            with anyio.move_on_after(_TICK_S):
                await self._woken.wait()
            if not self._listener.is_found():
                self.leave("its home is gone, or another's")
            elif self._is_idle():
                self.leave(f"no connection for {self._terms.idle_seconds:g} seconds")
            else:
                self._keep_log()
                await self._supervision.look()

    def _keep_log(self) -> None:
        """What it prints without a terminal goes to the log of that name, never a long one."""
        if self._terms.stays:
            return
        # No descriptor or no room left: the log grows on, and everybody is served as before.
        with suppress(OSError), open_log(self._home.server_log) as log:
            if not os.path.samestat(os.fstat(log.descriptor), os.fstat(2)):
                os.dup2(log.descriptor, 1)
                os.dup2(log.descriptor, 2)

    def _is_idle(self) -> bool:
        if self._terms.idle_seconds is None or self._reception.visitors:
            return False
        return anyio.current_time() - self._reception.empty_since >= self._terms.idle_seconds

    def admission(self, hello: Hello) -> Admission:
        if hello.purpose == "database":
            return Admission(name="a command", text=self._way_to_database(), serve=_until_it_leaves)
        self._was_migrated = False
        session = session_of(hello.session)
        server = self._server_for(session.toolsets)
        serve = partial(_run_session, server, session)
        return Admission(name=session.caller.agent_id, text=self._warning(hello), serve=serve)

    def _server_for(self, toolsets: frozenset[Toolset]) -> MCPServer[Session]:
        if toolsets not in self._servers:
            self._servers[toolsets] = build_server(self._calls, toolsets)
        return self._servers[toolsets]

    def _warning(self, hello: Hello) -> str:
        ours = self._terms.settings
        differing = [name for name, value in hello.settings.items() if ours.get(name) != value]
        if not differing:
            return ""
        return (
            f"{', '.join(differing)} differs from what the running local server started with, "
            "which holds; `hephaestus-tickets stop` ends it, and the next start reads yours."
        )

    def _way_to_database(self) -> str:
        first_to_come, self._was_migrated = self._was_migrated, False
        way = {
            "socket": asdict(self._postgres.socket),
            "was_migrated": first_to_come,
            "edition": asdict(self._terms.edition),
        }
        return json.dumps(way, default=str)

    def status(self) -> str:
        waiting = self._reception.upgrade_waits
        return json.dumps(
            {
                "version": self._terms.edition.version,
                "edition": asdict(self._terms.edition),
                "pid": os.getpid(),
                "started_at": self._started_at,
                "idle_seconds": self._terms.idle_seconds,
                "home": self._home.root,
                "log": None if self._terms.stays else self._home.server_log,
                "postgres": {
                    "pid": self._postgres.pid,
                    "socket": self._postgres.socket.directory,
                    "fault": self._supervision.fault,
                    "restarts": self._supervision.restarts,
                },
                "connections": [asdict(each) for each in self._reception.visitors.values()],
                "upgrade_waits": None if waiting is None else str(waiting),
            },
            default=str,
        )


async def _run_session(server: MCPServer[Session], session: Session, descriptor: int) -> None:
    await run_session(server, session, descriptor, descriptor)


async def _until_it_leaves(descriptor: int) -> None:
    while True:
        await anyio.wait_readable(descriptor)
        if not os.read(descriptor, 1):
            return
