"""Whose turn it is: one at a time, those in a hurry first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Turns:
    """A lock with two queues: nobody of the second is served while one of the first waits."""

    def __init__(self) -> None:
        self._is_taken = False
        self._hurried: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, hurried: bool) -> AsyncGenerator[None]:
        await self._come(self._hurried if hurried else self._patient)
        try:
            yield
        finally:
            self._pass_on()

    async def _come(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it became ours just as we gave up
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for queue in (self._hurried, self._patient):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._is_taken = False
