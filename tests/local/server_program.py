"""What a test's server runs in a process of its own: PostgreSQL on a home, and SQL for it."""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.locks import RESTART_S, only_server
from hephaestus_tickets.local.postgres import Postgres, PostgresSocket, running_postgres

Line: TypeAlias = "Connection[Any, Any]"  # plain values: SQL or an Ask one way, answers the other

_PR_SET_DUMPABLE = 4


class Ask(Enum):
    IS_RUNNING = auto()
    RELAUNCH = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    home: Path
    account: str  # to become first, as root; empty to stay
    binaries: Binaries
    keeper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    directory: Path | None = None
    refused: str = ""


def run(order: Order, line: Line) -> None:
    os.environ["A_SECRET"] = "of the server"  # noqa: S105 - nobody's
    if order.account:
        _become(order.account)
    try:
        home = prepare_home(order.home)
        with (
            only_server(home, RESTART_S),
            running_postgres(home, binaries=order.binaries, keeper=order.keeper) as postgres,
        ):
            line.send(Hello(directory=postgres.socket.directory))
            _serve(postgres, line)
    except SetupError as error:
        line.send(Hello(refused=str(error)))


def _become(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # Who changed its account is hidden from it; a process that it starts itself is not.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _serve(postgres: Postgres, line: Line) -> None:
    """Until the test hangs up; SQL in a tuple is not waited for."""
    socket = postgres.socket
    try:
        while True:
            match line.recv():
                case Ask.IS_RUNNING:
                    line.send(postgres.is_running())
                case Ask.RELAUNCH:
                    line.send(_relaunched(postgres))
                case (str(statement),):
                    threading.Thread(target=_rows, args=(socket, statement), daemon=True).start()
                case statement:
                    line.send(_rows(socket, statement))
    except EOFError:
        return


def _relaunched(postgres: Postgres) -> str:
    """What was wrong with it; the waiting is another thread's, as where many are served."""
    postgres.relaunch()
    with ThreadPoolExecutor() as threads:
        refusal = threads.submit(postgres.wait_until_accepting).exception()
    return str(refusal or "")


def _rows(socket: PostgresSocket, statement: str) -> list[tuple[Any, ...]]:
    try:
        with psycopg.connect(
            host=str(socket.directory), port=socket.port, user=socket.user, dbname=socket.database
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
    except psycopg.OperationalError:
        return []  # ended with the server, which is what these tests are about
