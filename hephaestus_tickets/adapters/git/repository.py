"""What the services ask of a repository."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Protocol

from hephaestus_tickets.domain.commits import Commit, CommitDiff, DiffWindow, LoggedCommit


class Repository(Protocol):
    """One repository; `key` tells it from others and stays, whatever names it.

    What a method starts of git ends with it; each may raise RepositoryUnavailable.
    A sha is 7 to 64 hexadecimal digits in lower case; a branch is named without refs/heads/, and
    empty is the one that is checked out (HEAD).
    """

    @property
    def key(self) -> str: ...

    async def commit(self, sha: str) -> Commit:
        """Raises CommitNotFound, AmbiguousCommit."""
        ...

    async def diff(self, sha: str, window: DiffWindow) -> CommitDiff:
        """Raises CommitNotFound, AmbiguousCommit."""
        ...

    async def tip(self, branch: str) -> str:
        """The sha of a branch's last commit. Raises BranchNotFound."""
        ...

    async def reachable(self, shas: Iterable[str], tip: str) -> set[str]:
        """Those of these commits that `tip` is or comes from.

        They are full shas, of this repository or not.
        """
        ...

    def log(self, tip: str, since: str) -> AsyncGenerator[LoggedCommit]:
        """The commits `tip` comes from that `since` does not, the newest first.

        All of them where `since` is empty or no commit of the repository.
        """
        ...


class Repositories(Protocol):
    """The repositories of a process.

    `has_default` where workflows without one of their own use GIT_REPOSITORY.
    """

    @property
    def is_open(self) -> bool:
        """Whether any repository can be read at all."""
        ...

    @property
    def has_default(self) -> bool: ...

    def open(self, named: str) -> Repository:
        """The repository that a board names, or the default one for none.

        Raises RepositoryUnavailable: there is no such repository below the operator's roots, it
        is none, or nothing may be read from it.
        """
        ...
