"""The schema's revisions, and how a database is brought to the latest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from hephaestus_tickets.db import schema_state

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes a quarter of a second to import, and most starts find nothing to do: it is
# imported where it works.

# Any constant will do as long as nothing else of ours uses it.
MIGRATION_LOCK = 4_851_327_001


def upgrade(connection: Connection) -> bool:
    """Create or upgrade the schema; True if anything was done.

    Any number of processes may call it at once: one works, the others wait for it.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    state = schema_state(connection)
    state.refuse_newer()
    if state.is_current:
        return False
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(_config(connection), "head")
    return True


def head() -> str:
    """The newest revision there is."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    found = ScriptDirectory.from_config(_config(None)).get_current_head()
    if found is None:
        raise LookupError("the package holds no revision")
    return found


def _config(connection: Connection | None) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
