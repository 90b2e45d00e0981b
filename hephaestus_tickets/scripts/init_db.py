"""Create or upgrade the database: `python -m hephaestus_tickets.scripts.init_db`."""

from __future__ import annotations

from hephaestus_tickets.app import migrate, socket_url
from hephaestus_tickets.db import DatabaseSettings
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.postgres import embedded_postgres

# The home is one process's at a time; another that only sets it up is done in seconds.
PATIENCE_S = 30.0


def init_database() -> bool:
    """True if anything was done. Any number of processes may call it at once."""
    settings = DatabaseSettings()
    if settings.host:
        return migrate(settings.url())
    with embedded_postgres(prepare_home(), patience=PATIENCE_S) as socket:
        return migrate(socket_url(socket))


if __name__ == "__main__":
    init_database()
