"""Git repositories: what the services ask of one, and git itself that answers."""

from __future__ import annotations

from hephaestus_tickets.adapters.git.repositories import no_repositories, open_repositories
from hephaestus_tickets.adapters.git.repository import Repositories, Repository
from hephaestus_tickets.adapters.git.settings import GitSettings

__all__ = [
    "GitSettings",
    "Repositories",
    "Repository",
    "no_repositories",
    "open_repositories",
]
