"""Create or upgrade the database: `python -m hephaestus_tickets.scripts.init_db`."""

from __future__ import annotations

from hephaestus_tickets.app import migrate
from hephaestus_tickets.db import DatabaseSettings
from hephaestus_tickets.local.settings import HomeSettings
from hephaestus_tickets.local.visiting import visiting


def init_database() -> bool:
    """True if anything was done. Any number of processes may call it at once."""
    settings = DatabaseSettings()
    if settings.host:
        return migrate(settings.url())
    with visiting(HomeSettings().home) as visit:
        return visit.was_migrated


if __name__ == "__main__":
    init_database()
