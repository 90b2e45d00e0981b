"""A server in a process of its own, for tests that kill it: SQL in, JSON out, line by line.

As root it may become another account: after its imports, for that account may not be able to
read them.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
import threading
from pathlib import Path

import psycopg

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.binaries import Binaries
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.postgres import PostgresSocket, embedded_postgres


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("home", type=Path)
    arguments.add_argument("--account")
    arguments.add_argument("--binaries", type=Path)
    arguments.add_argument("--version", type=int, nargs=2)
    arguments.add_argument("--keeper", action="store_true")
    chosen = arguments.parse_args()
    if chosen.account:
        _become(chosen.account)
    binaries = Binaries(directory=chosen.binaries, version=tuple(chosen.version))
    try:
        home = prepare_home(chosen.home)
        with embedded_postgres(home, binaries=binaries, keeper=chosen.keeper) as socket:
            _serve(socket)
    except SetupError as error:
        _say({"refused": str(error)})


def _become(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _serve(socket: PostgresSocket) -> None:
    _say({"directory": str(socket.directory)})
    for line in sys.stdin:
        statement = json.loads(line)
        if statement.get("background"):
            arguments = (socket, statement["sql"])
            threading.Thread(target=_answer, args=arguments, daemon=True).start()
        else:
            _say(_answer(socket, statement["sql"]))


def _answer(socket: PostgresSocket, statement: str) -> dict[str, object]:
    try:
        with psycopg.connect(
            host=str(socket.directory), port=socket.port, user=socket.user, dbname=socket.database
        ) as connection:
            cursor = connection.execute(statement.encode())
            return {"rows": cursor.fetchall() if cursor.description else []}
    except psycopg.OperationalError as error:
        return {"failed": str(error)}


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
