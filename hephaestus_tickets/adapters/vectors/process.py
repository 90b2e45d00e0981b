"""The engine's process: started when it is asked, again after its end, and asked in turn."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from array import array
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from hephaestus_tickets.adapters.vectors import framing

Json = dict[str, Any]  # Any: JSON
_Answer = asyncio.Future[Json]

_ENGINE = "hephaestus_tickets.adapters.vectors.engine"
_TO_END_S = 5.0
# What the kernel or the engine itself ends a process with: it met what it cannot bear.
_CRASHES = {-signal.SIGBUS, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE}


class Ended(Exception):
    """The process ended before it answered. `is_crash`: by this very question."""

    def __init__(self, code: int, *, is_first: bool) -> None:
        self.is_crash = is_first and code in _CRASHES
        self.is_taken = code == framing.TAKEN
        super().__init__(f"it ended with {code}")


class EngineProcess:
    """`patience`: seconds that another engine on the directory may take to end."""

    def __init__(self, directory: Path, patience: float) -> None:
        self._directory, self._patience = directory.absolute(), patience
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._asked: deque[_Answer] = deque()
        self._starting = asyncio.Lock()

    async def ask(self, question: Json, floats: array[float], seconds: float) -> Json:
        """Raises Ended; TimeoutError where it took longer, which ends the process."""
        process = await self._running()
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        if process.stdin:
            process.stdin.write(framing.frame(question, floats))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            _kill(process)
            raise

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def _running(self) -> Process:
        async with self._starting:
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    _ENGINE,
                    str(self._directory),
                    str(self._patience),
                    stdin=PIPE,
                    stdout=PIPE,
                    stderr=DEVNULL,
                    cwd="/",
                    start_new_session=True,  # a terminal's Ctrl-C is for us
                )
                self._reading = asyncio.create_task(self._read(self._process))
            return self._process

    async def _read(self, process: Process) -> None:
        """Until the process ends: then nobody's question is left without an answer."""
        try:
            if process.stdout:
                await self._hand_out(process.stdout)
        except asyncio.CancelledError:
            _kill(process)
            raise
        finally:
            code = await _ended(process)
            self._process = None
            left, self._asked = self._asked, deque()
            for place, answer in enumerate(left):
                if not answer.done():
                    answer.set_exception(Ended(code, is_first=place == 0))

    async def _hand_out(self, answers: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await answers.readexactly(framing.HEAD.size)
                said = await answers.readexactly(framing.HEAD.unpack(head)[0])
                answer = self._asked.popleft()
                if not answer.done():
                    answer.set_result(json.loads(said))

    async def aclose(self) -> None:
        """The engine ends when its input does."""
        if self._process is None or self._reading is None:
            return
        if self._process.stdin:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_TO_END_S):
                await asyncio.shield(self._reading)
        except TimeoutError:
            _kill(self._process)
            await self._reading


async def _ended(process: Process) -> int:
    """Its exit code; it has closed its output, and gets a moment for the rest."""
    try:
        async with asyncio.timeout(_TO_END_S):
            return await process.wait()
    except TimeoutError:
        _kill(process)
        return await process.wait()


def _kill(process: Process) -> None:
    """Not by its own method: that would take the exit code from the one who waits for it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
