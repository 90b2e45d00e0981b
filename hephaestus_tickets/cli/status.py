"""`status` and `stop`: what runs on a home, and its end."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hephaestus_tickets.app import socket_url
from hephaestus_tickets.app.index_queue import index_queue
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import quotable
from hephaestus_tickets.indexing.jobs import Queue
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.ending import stopped
from hephaestus_tickets.local.endpoint import edition
from hephaestus_tickets.local.home import Home, home_at
from hephaestus_tickets.local.locks import holders
from hephaestus_tickets.local.postgres import PostgresSocket
from hephaestus_tickets.local.settings import HomeSettings
from hephaestus_tickets.local.visiting import Status, status_of


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Say what runs on the home: since when, which version, who is connected. Starts nothing."""
    home = home_at(HomeSettings().home)
    found = status_of(home)
    if as_json:
        typer.echo(json.dumps(None if found is None else {**found, "index": _queue(found)}))
    elif found is None:
        typer.echo(_nothing_runs(home))
    else:
        typer.echo("\n".join(_lines(found)))


def _nothing_runs(home: Home) -> str:
    there = holders(home.server_lock)
    if there:
        return f"Process {there[0]} is just starting or ending on {home.root}."
    return f"No local server runs on {home.root}; the next session or command starts one."


def _lines(found: Status) -> list[str]:
    since = datetime.fromisoformat(found["started_at"])
    idle, postgres = found["idle_seconds"], found["postgres"]
    ends = f"leaves after {idle:g} seconds without a connection" if idle else "stays until stopped"
    return [
        f"local server  process {found['pid']}, version {found['version']}, {ends}",
        f"since         {since:%Y-%m-%d %H:%M:%S} UTC ({_age(since)})",
        f"home          {found['home']}",
        f"log           {found['log'] or 'where `serve` prints'}",
        f"PostgreSQL    {postgres['fault'] or _postgres(postgres)}",
        f"index         {_index(found)}",
        f"upgrade       {_upgrade(found)}",
        f"connections   {len(found['connections'])}",
        *(_connection(each) for each in found["connections"]),
    ]


def _postgres(postgres: Status) -> str:
    again = f", started again {postgres['restarts']} times" if postgres["restarts"] else ""
    return f"process {postgres['pid']}, socket in {postgres['socket']}{again}"


def _index(found: Status) -> str:
    queue = _queue(found)
    return "unknown while PostgreSQL is away" if queue is None else str(Queue(**queue))


def _queue(found: Status) -> Status | None:
    """None where the database cannot be asked."""
    postgres = found["postgres"]
    if postgres["fault"]:
        return None
    with suppress(SetupError):
        return asdict(index_queue(socket_url(PostgresSocket.at(Path(postgres["socket"])))))
    return None


def _upgrade(found: Status) -> str:
    ours, running = Edition.of(edition()), Edition.of(found["edition"])
    waiting = str(ours) if ours.supersedes(running) else found["upgrade_waits"]
    if not waiting:
        return "none waits"
    return f"{waiting} waits; it takes over when it comes and no other connection is left"


def _connection(each: Status) -> str:
    since = datetime.fromisoformat(each["since"])
    where = f", in {quotable(each['cwd'], 200)}" if each["cwd"] else ""
    name = quotable(each["name"])
    return f"  {each['purpose']:<12}{name}, process {each['pid']}{where}, {_age(since)}"


def _age(since: datetime) -> str:
    seconds = max(round((datetime.now(UTC) - since).total_seconds()), 0)
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def stop() -> None:
    """End the home's local server now, PostgreSQL with it; does nothing where none runs.

    Sessions that are open end with it; the next one starts a new server. All that was
    acknowledged is kept. A server that hangs is killed.
    """
    typer.echo(stopped(home_at(HomeSettings().home)))
