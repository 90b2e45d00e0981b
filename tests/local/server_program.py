"""What a test's server runs in a process of its own: PostgreSQL on a home, and SQL for it."""

from __future__ import annotations

import os
import pwd
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.postgres import PostgresSocket, embedded_postgres

Line: TypeAlias = "Connection[Any, Any]"  # plain values: SQL one way, rows the other


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
        with embedded_postgres(home, binaries=order.binaries, keeper=order.keeper) as socket:
            line.send(Hello(directory=socket.directory))
            _serve(socket, line)
    except SetupError as error:
        line.send(Hello(refused=str(error)))


def _become(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _serve(socket: PostgresSocket, line: Line) -> None:
    """Until the test hangs up; SQL in a tuple is not waited for."""
    try:
        while True:
            match line.recv():
                case (str(statement),):
                    threading.Thread(target=_rows, args=(socket, statement), daemon=True).start()
                case statement:
                    line.send(_rows(socket, statement))
    except EOFError:
        return


def _rows(socket: PostgresSocket, statement: str) -> list[tuple[Any, ...]]:
    try:
        with psycopg.connect(
            host=str(socket.directory), port=socket.port, user=socket.user, dbname=socket.database
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
    except psycopg.OperationalError:
        return []  # ended with the server, which is what these tests are about
