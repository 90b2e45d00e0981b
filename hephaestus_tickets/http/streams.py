"""Answers that last until their client leaves: when the server does, they end too."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ENDLESS = "subscriptions/listen"
_LOOK_SECONDS = 0.1
_STREAM = "text/event-stream"


class Streams:
    """Ends them once the server is `leaving` and no message is under way, whose answer they may
    have to carry.
    """  # noqa: D205 - one sentence

    def __init__(self, leaving: anyio.Event) -> None:
        self._leaving = leaving
        self._messages = 0

    @contextmanager
    def under_way(self, method: str) -> Generator[None]:
        counted = 0 if method == _ENDLESS else 1
        self._messages += counted
        try:
            yield
        finally:
            self._messages -= counted

    def ending(self, app: ASGIApp) -> ASGIApp:
        """The application, whose streams alone are cut short."""

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _Answer(send)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._end, answer, tasks.cancel_scope)
                await app(scope, receive, answer.send)
                tasks.cancel_scope.cancel()
            await answer.close()

        return served

    async def _end(self, answer: _Answer, scope: anyio.CancelScope) -> None:
        await self._leaving.wait()
        while self._messages:  # noqa: ASYNC110 - it changes with each message, and ends once
            await anyio.sleep(_LOOK_SECONDS)
        await anyio.sleep(_LOOK_SECONDS)  # what was answered last is being written
        if answer.is_stream:
            scope.cancel()


class _Answer:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_open = False
        self.is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_open = True
            self.is_stream = Headers(scope=message).get("content-type", "").startswith(_STREAM)
        elif not message.get("more_body", False):
            self._is_open = False
        await self._send(message)

    async def close(self) -> None:
        """Nothing is left to say; a client that is gone does not hear it."""
        if self._is_open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
