"""Where the database is, and sessions on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from select import POLLIN, poll
from typing import Any, Literal

from psycopg import AsyncConnection, sql
from psycopg import Error as PsycopgError
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, select, text
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import InvalidatePoolError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from hephaestus_tickets.domain.errors import SetupError

REVISION = "0005"
REVISIONS = ("0001", "0002", "0003", "0004", "0005")
# Who waits for tickets to index listens here.
INDEX_CHANNEL = "hephaestus_index"
_COALESCE_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
CONNECT_SECONDS = 5
# No call waits for ever: a lock that is not had in this time is a refusal, not a hang.
LOCK_SECONDS = 20
STATEMENT_SECONDS = 60
# For statements that find their few rows by keys: PostgreSQL may plan them once and keep that plan.
# For others none suits any workflow: one may hold all tickets, or hardly any.
KEEPS_PLAN = {"keeps_plan": True}
_PREPARED_AFTER = 5  # executions
_USED = "hephaestus_used"

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class DatabaseSettings(BaseSettings):
    """`DB_…`: a PostgreSQL server of your own; without DB_HOST the embedded one is used."""

    model_config = SettingsConfigDict(env_prefix="DB_")

    host: str = Field(
        default="", description="A PostgreSQL server of your own; empty: the embedded one"
    )
    port: int = Field(default=5432, ge=1, le=65535, description="Its port")
    name: str = Field(default="hephaestus_tickets", description="The database")
    user: str = Field(default="hephaestus", description="The role that owns it")
    password: SecretStr = Field(default=SecretStr(""), description="The role's password")
    sslmode: SslMode = Field(default="prefer", description="As libpq knows it")

    def url(self) -> URL:
        return URL.create(
            "postgresql+psycopg",
            username=self.user,
            password=self.password.get_secret_value() or None,
            host=self.host,
            port=self.port,
            database=self.name,
            query={"sslmode": self.sslmode},
        )


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database stands at; None where there is no schema."""

    revision: str | None

    @property
    def is_current(self) -> bool:
        return self.revision == REVISION

    def refuse_newer(self) -> None:
        if self.revision is not None and self.revision not in REVISIONS:
            raise SetupError(
                f"The database is at schema revision {self.revision}, which this version "
                f"(revision {REVISION}) does not know: upgrade hephaestus-tickets."
            )

    def refuse_other(self) -> None:
        self.refuse_newer()
        if not self.is_current:
            raise SetupError(
                f"The database is at schema revision {self.revision or 'none'}, this version "
                f"needs {REVISION}: run `hephaestus-tickets init-db`."
            )


def schema_state(connection: Connection) -> SchemaState:
    if not inspect(connection).has_table("alembic_version"):
        return SchemaState(None)
    return SchemaState(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())


def connect_args(*, seconds: int = CONNECT_SECONDS) -> dict[str, object]:
    """What every connection of ours sets: bounded waits, UTC, our name in pg_stat_activity."""
    return {
        "connect_timeout": seconds,
        "application_name": "hephaestus-tickets",
        "options": (
            f"-c lock_timeout={LOCK_SECONDS}s -c statement_timeout={STATEMENT_SECONDS}s"
            " -c timezone=UTC -c client_encoding=UTF8"
        ),
    }


@dataclass(frozen=True, slots=True)
class Listening:
    """Hears what is told on its channel."""

    connection: AsyncConnection

    async def heard(self, seconds: float) -> bool:
        """Whether anything came in that time. Raises psycopg.Error where the connection is lost."""
        async for _ in self.connection.notifies(timeout=seconds, stop_after=1):
            return True
        return False

    async def each(self, tell: Callable[[], None]) -> None:
        """As heard, of all that comes while the connection lasts."""
        async for _ in self.connection.notifies():
            tell()


class Database:
    """The pool of connections. It takes none before a session's first statement."""

    def __init__(self, url: URL, *, pool_size: int = 16) -> None:
        self.url = url
        self.engine = create_async_engine(
            url,
            connect_args=connect_args(),
            pool_size=pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # what was used last has the statements of all calls prepared
            pool_timeout=LOCK_SECONDS,
            hide_parameters=True,  # an error is logged, what tickets say is not
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_lost)
        event.listen(self.engine.sync_engine, "before_cursor_execute", _choose_planning)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = async_sessionmaker(reading, expire_on_commit=False, autoflush=False)
        self._to_tell: set[str] = set()
        self._telling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def get_session(self) -> AsyncGenerator[AsyncSession]:
        """One transaction: committed when the block ends well, else rolled back."""
        async with self._sessions() as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def get_reading_session(self) -> AsyncGenerator[AsyncSession]:
        """Each statement sees what was committed when it began, as in any transaction of ours.

        There is none, and so none is begun or ended: for what only reads.
        """
        async with self._reading() as session:
            yield session

    def pool_use(self) -> tuple[int, int]:
        """Connections in use, and how many there may be."""
        pool = self.engine.sync_engine.pool
        return (pool.checkedout(), pool.size()) if isinstance(pool, QueuePool) else (0, 0)

    def tell(self, channel: str) -> None:
        """Wakes who listens, soon: all who ask within a moment share one NOTIFY.

        Within the transactions it would make their commits wait for each other. A lost one costs
        the listener its next look.
        """
        if channel in self._to_tell:
            return
        self._to_tell.add(channel)
        task = asyncio.create_task(self._tell(channel))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, channel: str) -> None:
        await asyncio.sleep(_COALESCE_SECONDS)
        self._to_tell.discard(channel)
        with suppress(SQLAlchemyError):
            async with self.engine.begin() as connection:
                await connection.execute(select(func.pg_notify(channel, "")))

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncGenerator[Listening]:
        """A connection of its own, beside the pool. Raises psycopg.Error."""
        connection = await AsyncConnection.connect(
            autocommit=True,
            host=self.url.host,
            port=self.url.port,
            user=self.url.username,
            password=self.url.password,
            dbname=self.url.database,
            sslmode=str(self.url.query.get("sslmode", "prefer")),
            connect_timeout=CONNECT_SECONDS,
            application_name="hephaestus-tickets",
        )
        try:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield Listening(connection)
        finally:
            connection.pgconn.finish()  # waits for nothing: who is cancelled could not

    async def hear(self, channel: str, tell: Callable[[], None]) -> None:
        """Tells of all that comes until it is cancelled; a connection that is lost is made anew."""
        while True:
            with suppress(PsycopgError):
                async with self.listening(channel) as listening:
                    await listening.each(tell)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def close(self) -> None:
        await asyncio.gather(*self._telling)
        await self.engine.dispose()


def _refuse_lost(connection: Any, record: ConnectionPoolEntry, _: object) -> None:  # Any: untyped
    """A connection lost while idle is replaced before a call can meet it.

    A PostgreSQL that ends one says so on its socket, on which else nothing comes while nothing is
    asked. To look there costs a call nothing; to ask would cost it a round trip.
    """
    if not record.info.get(_USED):  # it was made for this very call
        record.info[_USED] = True
        return
    driver = connection.driver_connection
    looking = poll()
    if not driver.closed:
        looking.register(driver.fileno(), POLLIN)
    if driver.closed or looking.poll(0):
        raise InvalidatePoolError


def _choose_planning(
    connection: Connection,
    _cursor: object,
    _statement: str,
    _parameters: object,
    context: ExecutionContext,
    _is_many: bool,
) -> None:
    """Only of a prepared statement does PostgreSQL keep a plan."""
    keeps = context.execution_options.get("keeps_plan", False)
    driver: Any = connection.connection.driver_connection  # Any: psycopg's, untyped here
    driver.prepare_threshold = _PREPARED_AFTER if keeps else None


@asynccontextmanager
async def open_database(url: URL, *, pool_size: int = 16) -> AsyncGenerator[Database]:
    database = Database(url, pool_size=pool_size)
    try:
        yield database
    finally:
        await database.close()


def check_database(url: URL) -> None:
    """Raises SetupError, one sentence, where the database is away, behind or newer."""
    with blocking_connection(url) as connection:
        schema_state(connection).refuse_other()


@contextmanager
def blocking_connection(url: URL) -> Generator[Connection]:
    """A plain connection in one transaction, for what runs before the event loop."""
    engine = create_engine(url, poolclass=NullPool, connect_args=connect_args())
    try:
        with _connected(engine) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError as error:
        raise SetupError(unreachable(engine.url, error)) from error


def unreachable(url: URL, error: OperationalError) -> str:
    """Why the database cannot be reached, in one sentence without a secret."""
    reason = str(error.orig).partition("\n")[0].strip()
    where = f"{url.host}:{url.port}" if url.host else "its socket"
    return (
        f"Cannot reach the database '{url.database}' at {where}: {reason}. "
        "Check that PostgreSQL runs there and that DB_HOST, DB_PORT, DB_NAME, DB_USER and "
        "DB_PASSWORD are right."
    )
