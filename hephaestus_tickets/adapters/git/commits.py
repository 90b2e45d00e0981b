"""A repository's commits, as git tells of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

from hephaestus_tickets.adapters.git.diffing import DIFF_ARGUMENTS, DiffReader
from hephaestus_tickets.adapters.git.locating import Place
from hephaestus_tickets.adapters.git.logged import LOG_ARGUMENTS, LogReader
from hephaestus_tickets.adapters.git.parsing import (
    SUMMARY_ARGUMENTS,
    CommitReader,
    UnreadableOutput,
)
from hephaestus_tickets.adapters.git.process import Failure, Git, GitFailed
from hephaestus_tickets.adapters.git.refs import tip_of
from hephaestus_tickets.domain.commits import (
    AmbiguousCommit,
    Commit,
    CommitDiff,
    CommitNotFound,
    DiffWindow,
    LoggedCommit,
    RepositoryUnavailable,
)

_SHA = re.compile("[0-9a-f]{7,64}")
_FILES = 1_000
_BATCH = 5_000  # shas of one command line, which has room for more
_INCOMPLETE = "it lacks objects that are needed for this (a partial clone, or a damaged one)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRepository:
    """The Repository at a place. A tag's sha stands for its commit."""

    place: Place
    git: Git

    @property
    def key(self) -> str:
        return self.place.key

    async def commit(self, sha: str) -> Commit:
        reader = CommitReader(0, _FILES)
        async with self._shown(sha, SUMMARY_ARGUMENTS) as chunks:
            async for chunk in chunks:
                reader.feed(chunk)
            return reader.result()

    async def diff(self, sha: str, window: DiffWindow) -> CommitDiff:
        reader = DiffReader(window)
        arguments = DIFF_ARGUMENTS if window.has_hunks else SUMMARY_ARGUMENTS
        async with self._shown(sha, arguments) as chunks:
            async for chunk in chunks:
                if reader.feed(chunk):
                    break
            else:
                reader.close()
            return reader.result()

    async def tip(self, branch: str) -> str:
        return await asyncio.to_thread(tip_of, self.place, branch)

    async def reachable(self, shas: Iterable[str], tip: str) -> set[str]:
        """Two more processes where some of them are no commits of the repository."""
        digits = self.place.hex_digits
        waiting = iter({sha for sha in shas if len(sha) == digits and _SHA.fullmatch(sha)})
        reached: set[str] = set()
        while batch := set(islice(waiting, _BATCH)):
            reached |= await self._reachable(batch, tip)
        return reached

    async def _reachable(self, shas: set[str], tip: str) -> set[str]:
        with suppress(GitFailed):  # one of them is missing
            return shas - await self._beyond(shas, tip)
        with _translated(tip):
            present = await self._present(shas)
            return present - await self._beyond(present, tip)

    async def log(self, tip: str, since: str) -> AsyncGenerator[LoggedCommit]:
        commits = (tip, f"^{_commit(since)}") if _SHA.fullmatch(since) else (tip,)
        arguments = ("log", *LOG_ARGUMENTS, "--ignore-missing", "--end-of-options", *commits)
        reader = LogReader()
        async with self._asked(tip, arguments) as chunks:
            async for chunk in chunks:
                for commit in reader.feed(chunk):
                    yield commit

    @asynccontextmanager
    async def _shown(
        self, sha: str, arguments: Sequence[str]
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        whole = ("show", *arguments, "--end-of-options", _commit(sha))
        async with self._asked(sha, whole) as chunks:
            yield chunks

    @asynccontextmanager
    async def _asked(
        self, sha: str, arguments: Sequence[str]
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """As `running`; what git or a reader complains of is said in terms of this commit."""
        if not _SHA.fullmatch(sha):  # git knows many more ways to name one
            raise CommitNotFound(sha)
        with _translated(sha):
            async with self.git.running(self.place, arguments) as chunks:
                yield chunks

    async def _beyond(self, shas: set[str], tip: str) -> set[str]:
        """Those that `tip` does not come from. Raises GitFailed where one is missing.

        What is newer than all of the branch but a handful of commits may count as such.
        """
        return await self._listed(shas, "--end-of-options", *map(_commit, shas), f"^{tip}")

    async def _present(self, shas: set[str]) -> set[str]:
        """Those that are commits of the repository."""
        options = ("--no-walk=unsorted", "--ignore-missing", "--end-of-options")
        return await self._listed(shas, *options, *map(_commit, shas))

    async def _listed(self, shas: set[str], *arguments: str) -> set[str]:
        """Those of them that rev-list prints; it is not heard further when it printed all."""
        found: set[str] = set()
        rest = b""
        async with self.git.running(self.place, ("rev-list", *arguments)) as chunks:
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                found |= shas & {line.decode("ascii", "replace") for line in lines}
                if len(found) == len(shas):
                    break
        return found


def _commit(sha: str) -> str:
    """In git's words: it is no other kind of object."""
    return f"{sha}^{{commit}}"


@contextmanager
def _translated(sha: str) -> Generator[None]:
    try:
        yield
    except UnreadableOutput as error:
        raise RepositoryUnavailable("git's answer could not be understood") from error
    except GitFailed as error:
        if error.failure is Failure.AMBIGUOUS:
            raise AmbiguousCommit(sha) from error
        if error.failure is Failure.NOT_FOUND:
            raise CommitNotFound(sha) from error
        is_incomplete = error.failure is Failure.INCOMPLETE
        raise RepositoryUnavailable(_INCOMPLETE if is_incomplete else "git failed") from error
