"""One git process: started apart from everything, read piece by piece, ended in any case."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeVar

from hephaestus_tickets.adapters.git.isolation import OPTIONS, OwnDirectories, environment
from hephaestus_tickets.adapters.git.locating import Place
from hephaestus_tickets.adapters.git.objects import check_objects
from hephaestus_tickets.domain.commits import RepositoryUnavailable

logger = logging.getLogger("hephaestus_tickets.git")

NOT_INSTALLED = "git is not installed on the server"

_CHUNK_BYTES = 65_536
_STDERR_BYTES = 4_096
# Git runs in this shell's place, with a bound to what it may take; what the platform or the server
# is bound to already stays. Not by `preexec_fn`, which runs Python between fork and exec and can
# deadlock in a process with threads, nor by `prlimit` after the start: a large object is
# allocated before that comes. In KiB: 1 GiB of data, 4 GiB with the packs that are mapped; no
# file grows by it (a pipe is none) and none is left where it crashes.
_LIMITED = (
    "/bin/sh",
    "-c",
    '{ ulimit -c 0; ulimit -f 0; ulimit -d 1048576; ulimit -v 4194304; } 2>/dev/null; exec "$@"',
    "git",
)
_NOT_STARTED = {126, 127}  # said by the shell
_TO_END_S = 5.0
_AT_ONCE = 8
_Answer = TypeVar("_Answer")


class Failure(Enum):
    """What git's complaint is about, as far as callers differ."""

    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not found"
    INCOMPLETE = "incomplete"
    OTHER = "other"


# In this order: "ambiguous argument" begins the message about a name that means nothing.
_COMPLAINTS = (
    (b" is ambiguous", Failure.AMBIGUOUS),
    (b"unknown revision", Failure.NOT_FOUND),
    (b"bad revision", Failure.NOT_FOUND),
    (b"bad object", Failure.NOT_FOUND),
    (b"expected commit type", Failure.NOT_FOUND),
    (b"unable to read", Failure.INCOMPLETE),
    (b"Could not read", Failure.INCOMPLETE),
    (b"could not read", Failure.INCOMPLETE),
    (b"missing", Failure.INCOMPLETE),
)


class GitFailed(Exception):
    """Git ended with a complaint; its own words are kept from everybody: they name paths."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """The program, found in the directories of `search_path` or else of PATH."""

    own: OwnDirectories
    deadline_seconds: float
    search_path: str | None = None
    turns: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_AT_ONCE), compare=False, repr=False
    )

    @asynccontextmanager
    async def running(
        self, place: Place, arguments: Sequence[str]
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """What git says of a repository's objects, in chunks; it is gone when the block is left.

        The deadline counts while git is waited for, not while the caller is busy with a chunk.
        Raises RepositoryUnavailable, and GitFailed after the last chunk.
        """
        await self._turn()
        try:
            program, own, variables = await asyncio.to_thread(self._prepared, place)
            process = await _started([*_LIMITED, program, *OPTIONS, *arguments], own, variables)
            output = _Output(process, self.deadline_seconds, arguments[0])
            try:
                yield output
            finally:
                await output.end()
        finally:
            self.turns.release()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self.deadline_seconds):
                await self.turns.acquire()
        except TimeoutError as error:
            raise RepositoryUnavailable("too many ask for repositories at once") from error

    def _prepared(self, place: Place) -> tuple[str, Path, dict[str, str]]:
        program = shutil.which("git", path=self.search_path)
        if program is None:
            raise RepositoryUnavailable(NOT_INSTALLED)
        check_objects(place.objects, place.roots)
        own = self.own.of(place.object_format)
        return os.path.abspath(program), own, environment(own, place)


async def _started(command: Sequence[str], own: Path, variables: dict[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=own,
            env=variables,
            limit=_CHUNK_BYTES,
            start_new_session=True,  # a group of its own: it is ended with all it started
        )
    except OSError as error:
        raise RepositoryUnavailable("git cannot be started on the server now") from error


class _Output:
    """The chunks of a process's output, and its end."""

    def __init__(self, process: Process, seconds: float, command: str) -> None:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both are pipes")
        self._process, self._command = process, command
        self._stdout, self._stderr = process.stdout, process.stderr
        self._seconds = self._left = seconds
        self._listening = asyncio.create_task(self._listen())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._in_time(self._stdout.read(_CHUNK_BYTES))
        if chunk:
            return chunk
        status = await self._in_time(self._process.wait())
        if status == 0:
            raise StopAsyncIteration
        if status in _NOT_STARTED:
            raise RepositoryUnavailable(NOT_INSTALLED)
        raise self._failed(status, await self._in_time(self._listening))

    async def end(self) -> None:
        """Kills what is left of it and waits for that, also when cancelled meanwhile."""
        # Its number is its group's, and is not given away while one of the group holds the pipe.
        if self._process.returncode is None or not self._stdout.at_eof():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        going, cancelled = asyncio.create_task(self._go()), None
        loop = asyncio.get_running_loop()
        last = loop.time() + _TO_END_S  # no longer: a disk that hangs holds even the killed
        while not going.done() and loop.time() < last:
            try:
                await asyncio.wait({going}, timeout=last - loop.time())
            except asyncio.CancelledError as error:
                cancelled = error
        going.cancel()
        if cancelled:
            raise cancelled

    async def _go(self) -> None:
        # A pipe that nobody reads never ends, and is open as long.
        while await self._stdout.read(_CHUNK_BYTES):
            pass
        await self._process.wait()
        await self._listening

    async def _listen(self) -> bytes:
        """The beginning and the end of what it complains of."""
        head = tail = b""
        while said := await self._stderr.read(_STDERR_BYTES):
            head, tail = (head + said)[:_STDERR_BYTES], (tail + said)[-_STDERR_BYTES:]
        return head + tail

    async def _in_time(self, answer: Awaitable[_Answer]) -> _Answer:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                return await answer
        except TimeoutError:
            logger.warning("git %s did not answer within %g s", self._command, self._seconds)
            raise RepositoryUnavailable(
                f"git did not answer within {self._seconds:g} seconds"
            ) from None
        finally:
            self._left -= loop.time() - began

    def _failed(self, status: int, complaint: bytes) -> GitFailed:
        failure = next((kind for words, kind in _COMPLAINTS if words in complaint), Failure.OTHER)
        if failure in {Failure.INCOMPLETE, Failure.OTHER}:
            logger.warning("git %s ended with status %d", self._command, status)
        return GitFailed(failure)
