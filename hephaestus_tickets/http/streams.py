"""Answers that last until their client leaves: when the server does, they end too."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
from mcp import MCPError
from mcp_types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hephaestus_tickets.http.problems import HttpRefusal, refused

_ENDLESS = "subscriptions/listen"
_LOOK_SECONDS = 0.1
_STREAM = "text/event-stream"


_TOO_MANY = (
    "As many event streams are open as this server keeps (HTTP_STREAMS). Close one, or try again "
    "in a few seconds."
)


class TooManyStreams(HttpRefusal):
    status = 503
    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__(_TOO_MANY)


class Streams:
    """Ends them once the server is `leaving` and no message is under way, whose answer they may
    have to carry.
    """  # noqa: D205 - one sentence

    def __init__(self, leaving: anyio.Event, most: int) -> None:
        self._leaving, self._most = leaving, most
        self._messages = self._open = 0

    @contextmanager
    def under_way(self, method: str) -> Generator[None]:
        """A message; raises MCPError for one that asks for a stream too many."""
        if method == _ENDLESS:
            if self._open >= self._most:
                raise MCPError(code=INVALID_REQUEST, message=f"{TooManyStreams.code}: {_TOO_MANY}")
            with self._one_more():
                yield
            return
        self._messages += 1
        try:
            yield
        finally:
            self._messages -= 1

    @contextmanager
    def _one_more(self) -> Generator[None]:
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def ending(self, app: ASGIApp) -> ASGIApp:
        """The application, whose streams alone are cut short, and refused where there are many."""
        ended = self._ending(app)

        async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["method"] != "GET":  # an answer to a message, which ends with it
                await ended(scope, receive, send)
            elif self._open >= self._most:
                await refused(TooManyStreams())(scope, receive, send)
            else:
                with self._one_more():
                    await ended(scope, receive, send)

        return bounded

    def _ending(self, app: ASGIApp) -> ASGIApp:
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
