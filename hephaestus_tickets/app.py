"""The composition root: settings become a database, calls and sessions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode
from sqlalchemy import URL

from hephaestus_tickets.db import DatabaseSettings, blocking_connection, check_database
from hephaestus_tickets.db import open_database as open_pool
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.local.home import Home, HomeSettings, prepare_home
from hephaestus_tickets.local.postgres import PostgresSocket, embedded_postgres
from hephaestus_tickets.migrations import upgrade
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.server.calls import Calls, Session
from hephaestus_tickets.services.unit_of_work import Units


class SessionSettings(BaseSettings):
    """`AGENT_ID`, `WORKFLOW_ID`, `TOOLSETS`: who this session is and which tools it sees."""

    agent_id: str = Field(
        default="", description="Who this session is; empty: an agent with a name of its own"
    )
    workflow_id: str = Field(default="default", description="Where a call goes that names none")
    toolsets: Annotated[frozenset[Toolset], NoDecode] = Field(
        default=frozenset({"core"}), description="Which tools are shown: `core`, `admin`"
    )

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return frozenset(word.strip() for word in value.split(",") if word.strip())

    def session(self) -> Session:
        """A session bound to AGENT_ID, or one with a name of its own."""
        caller = Caller(
            agent_id=self.agent_id or f"agent-{secrets.token_hex(4)}",
            is_bound=bool(self.agent_id),
            default_workflow=self.workflow_id,
        )
        return Session(caller, self.toolsets)


# What the environment may say.
SETTINGS: tuple[type[BaseSettings], ...] = (HomeSettings, SessionSettings, DatabaseSettings)


def socket_url(socket: PostgresSocket) -> URL:
    return URL.create(
        "postgresql+psycopg",
        username=socket.user,
        host=str(socket.directory),
        port=socket.port,
        database=socket.database,
    )


@contextmanager
def database_url(home: Path | None = None) -> Generator[URL]:
    """Where the database is, its schema current: DB_HOST's server, or the embedded one.

    A server's database is only checked; `init-db` alone migrates it. Raises SetupError.
    """
    settings = DatabaseSettings()
    if settings.host:
        url = settings.url()
        check_database(url)
        yield url
        return
    with embedded_url(prepare_home(home)) as url:
        yield url


@contextmanager
def embedded_url(home: Home) -> Generator[URL]:
    """The home's own PostgreSQL, running while the block does, its schema brought up to date."""
    with embedded_postgres(home) as socket:
        url = socket_url(socket)
        migrate(url)
        yield url


def migrate(url: URL) -> bool:
    """Create or upgrade the schema; True if anything was done. Raises SetupError."""
    with blocking_connection(url) as connection:
        return upgrade(connection)


@asynccontextmanager
async def open_calls(url: URL) -> AsyncGenerator[Calls]:
    async with open_pool(url) as database:
        yield Calls(Units(database))
