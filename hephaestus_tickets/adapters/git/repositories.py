"""The repositories of a process: those that the operator allows, or none."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from hephaestus_tickets.adapters.git.commits import GitRepository
from hephaestus_tickets.adapters.git.isolation import OwnDirectories
from hephaestus_tickets.adapters.git.locating import located
from hephaestus_tickets.adapters.git.process import Git
from hephaestus_tickets.adapters.git.reading import Roots
from hephaestus_tickets.adapters.git.repository import Repositories, Repository
from hephaestus_tickets.adapters.git.settings import GitSettings
from hephaestus_tickets.domain.commits import RepositoryUnavailable

_UNNAMED = "its board names none, and the operator has set none (GIT_REPOSITORY)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepositories:
    """Repositories below the roots of the settings, and the default one."""

    settings: GitSettings
    git: Git

    @property
    def is_open(self) -> bool:
        return bool(self.settings.repository or self.settings.directories())

    @property
    def has_default(self) -> bool:
        return bool(self.settings.repository)

    def open(self, named: str) -> Repository:
        name = named or self.settings.repository
        if not name:
            raise RepositoryUnavailable(_UNNAMED)
        # Anew each time: a root may be mounted, or a link be turned, while a server runs.
        roots = Roots.of(filter(None, (*self.settings.directories(), self.settings.repository)))
        return GitRepository(place=located(name, roots), git=self.git)


class NoRepositories:
    """For a process that has none, whatever is named."""

    @property
    def is_open(self) -> bool:
        return False

    @property
    def has_default(self) -> bool:
        return False

    def open(self, named: str) -> Repository:
        raise RepositoryUnavailable("this process reads no repositories" if named else _UNNAMED)


@contextmanager
def open_repositories(
    settings: GitSettings, *, search_path: str | None = None
) -> Generator[Repositories]:
    """Those that the settings allow; makes nothing on the disk before the first question.

    Git is looked for in the directories of `search_path`, or else of PATH.
    """
    own = OwnDirectories()
    git = Git(own=own, deadline_seconds=settings.deadline_seconds, search_path=search_path)
    try:
        yield GitRepositories(settings=settings, git=git)
    finally:
        own.remove()


def no_repositories() -> Repositories:
    return NoRepositories()
