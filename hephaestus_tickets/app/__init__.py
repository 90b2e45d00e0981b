"""The composition root: settings become a database, calls and sessions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings
from sqlalchemy import URL

from hephaestus_tickets.adapters.embeddings import EmbeddingSettings
from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.adapters.vectors import QdrantSettings
from hephaestus_tickets.app.claims import ClaimSettings
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.app.search import SearchSettings
from hephaestus_tickets.app.sessions import SessionSettings, setting_fault
from hephaestus_tickets.db import DatabaseSettings, blocking_connection, check_database
from hephaestus_tickets.db import open_database as open_pool
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import edition
from hephaestus_tickets.local.postgres import PostgresSocket
from hephaestus_tickets.local.settings import HomeSettings, LocalServerSettings
from hephaestus_tickets.local.visiting import Visit, visiting
from hephaestus_tickets.migrations import upgrade
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.semantic import Semantic
from hephaestus_tickets.services.unit_of_work import Units

# What the environment may say.
SETTINGS: tuple[type[BaseSettings], ...] = (
    HomeSettings,
    LocalServerSettings,
    SessionSettings,
    DatabaseSettings,
    QdrantSettings,
    EmbeddingSettings,
    SearchSettings,
    GitSettings,
    ClaimSettings,
    HttpSettings,
)


def fault_of_settings(error: ValidationError) -> str:
    """One sentence that names the variable; empty if the fault is not in the environment."""
    for settings in SETTINGS:
        if settings.__name__ == error.title:
            return setting_fault(error, settings.model_config.get("env_prefix", ""))
    return ""


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

    A server's database is only checked; `init-db` alone migrates it. The embedded one is the
    local server's, which stays while the block lasts. Raises SetupError.
    """
    settings = DatabaseSettings()
    if settings.host:
        url = settings.url()
        check_database(url)
        yield url
        return
    with visiting(home or HomeSettings().home) as visit:
        yield _current(visit)


def _current(visit: Visit) -> URL:
    url = socket_url(visit.socket)
    try:
        check_database(url)
    except SetupError as error:
        if visit.edition == Edition.of(edition()):
            raise
        raise SetupError(
            f"The local server in use is of another version ({visit.edition}), and so is its "
            "database; end its other sessions, or it with `hephaestus-tickets stop`, and try again."
        ) from error
    return url


def migrate(url: URL) -> bool:
    """Create or upgrade the schema; True if anything was done. Raises SetupError."""
    with blocking_connection(url) as connection:
        return upgrade(connection)


@asynccontextmanager
async def open_calls(
    url: URL, semantic: Semantic | None = None, repositories: Repositories | None = None
) -> AsyncGenerator[Calls]:
    leases = ClaimSettings().leases()
    with open_repositories(GitSettings()) as configured:
        async with open_pool(url) as database:
            yield Calls(Units(database, semantic, leases, repositories or configured))
