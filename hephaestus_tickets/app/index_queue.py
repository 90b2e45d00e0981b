"""How the index queue stands, for commands that only look."""

from __future__ import annotations

from sqlalchemy import URL

from hephaestus_tickets.db import blocking_connection
from hephaestus_tickets.indexing.jobs import Queue
from hephaestus_tickets.queries import index_jobs


def index_queue(url: URL) -> Queue:
    """Raises SetupError where the database cannot be reached."""
    with blocking_connection(url) as connection:
        return Queue.of(*connection.execute(index_jobs.queue()).one())
