"""A command's way to the local server: to its database, and to what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import answer_to, connected, entered, hello_line, peer
from hephaestus_tickets.local.home import Home, home_at
from hephaestus_tickets.local.postgres import PostgresSocket
from hephaestus_tickets.local.settings import environment

# What the server says of itself: JSON.
Status = dict[str, Any]


class Visit(BaseModel):
    """`was_migrated`: this visit is the first since the start, which changed the schema."""

    socket: PostgresSocket
    was_migrated: bool
    edition: Edition


@contextmanager
def visiting(home: Path) -> Generator[Visit]:
    """The server stays as long as the block lasts; started if there was none.

    Raises SetupError, one sentence, where that cannot be had.
    """
    connection, text, _ = entered(str(home), "database", environment())
    with closing(connection):
        yield Visit.model_validate_json(text)


def running_socket(home: Path) -> PostgresSocket | None:
    """The way to the database of the server that runs; starts none."""
    try:
        found = status_of(home_at(home))
    except SetupError:
        return None
    if found is None or found["postgres"]["fault"]:
        return None
    return PostgresSocket.at(Path(found["postgres"]["socket"]))


def status_of(home: Home) -> Status | None:
    """None where no server listens. Raises SetupError where one does not answer."""
    connection = connected(str(home.root))
    if connection is None:
        return None
    with closing(connection):
        try:
            word, text, _ = answer_to(connection, hello_line("status", environment()))
        except TimeoutError as error:
            raise SetupError(
                f"The local server (process {peer(connection)[0]}) does not answer; "
                "`hephaestus-tickets stop` ends it."
            ) from error
    if word == "error":
        raise SetupError(text)
    return json.loads(text) if word else None
