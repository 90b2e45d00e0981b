"""Alembic's entry: runs the revisions on the connection it is handed, in its transaction."""

from __future__ import annotations

from alembic import context

from hephaestus_tickets.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
