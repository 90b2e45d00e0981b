"""A repository's commits, as git tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
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
        async with self._shown(sha, DIFF_ARGUMENTS) as chunks:
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
        waiting = iter({sha for sha in shas if len(sha) == self.place.hex_digits})
        reached: set[str] = set()
        while batch := set(islice(waiting, _BATCH)):
            try:
                missed = await self._beyond(batch, tip)
            except GitFailed:
                batch = await self._present(batch)
                missed = await self._present_beyond(batch, tip)
            reached |= batch - missed
        return reached

    async def log(self, tip: str, since: str) -> AsyncGenerator[LoggedCommit]:
        commits = (tip, f"^{since}") if since else (tip,)
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
        whole = ("show", *arguments, "--end-of-options", f"{sha}^{{commit}}")
        async with self._asked(sha, whole) as chunks:
            yield chunks

    @asynccontextmanager
    async def _asked(
        self, sha: str, arguments: Sequence[str]
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """As `running`; what git or a reader complains of is said in terms of this commit."""
        with _translated(sha):
            async with self.git.running(self.place, arguments) as chunks:
                yield chunks

    async def _present_beyond(self, shas: set[str], tip: str) -> set[str]:
        with _translated(tip):
            return await self._beyond(shas, tip) if shas else set()

    async def _beyond(self, shas: set[str], tip: str) -> set[str]:
        """Those that `tip` does not come from. Raises GitFailed where one is missing."""
        return await self._listed(shas, "--end-of-options", *shas, f"^{tip}")

    async def _present(self, shas: set[str]) -> set[str]:
        """Those that are commits of the repository."""
        arguments = ("--no-walk=unsorted", "--ignore-missing", "--end-of-options", *shas)
        with _translated(""):
            return await self._listed(shas, *arguments)

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
