"""A session over two descriptors: one JSON-RPC message per line, in and out."""

from __future__ import annotations

import logging
import os
import select
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
from mcp_types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

logger = logging.getLogger("hephaestus_tickets.session")

LONGEST_MESSAGE = 16 * 1024 * 1024
_CHUNK = 65_536
_ANSWER_S = 5.0
# Answered only when the session ends: the end of input must not wait for it.
_ENDLESS = "subscriptions/listen"


class Unanswered:
    """The requests that were read and not yet answered.

    The SDK cancels what it works on at the end of input; the input therefore ends for it only
    when every request has its answer.
    """

    def __init__(self) -> None:
        self._requests: set[RequestId] = set()
        self._one_less = anyio.Event()

    def read(self, line: str) -> None:
        message = _parsed(line)
        if isinstance(message, JSONRPCRequest) and message.method != _ENDLESS:
            self._requests.add(message.id)
        if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._settle((message.params or {}).get("requestId"))

    def written(self, line: str) -> None:
        message = _parsed(line)
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._settle(message.id)

    async def none_left(self) -> None:
        """Returns when all are answered, or when no answer came for some seconds."""
        while self._requests:
            with anyio.move_on_after(_ANSWER_S) as patience:
                await self._one_less.wait()
            if patience.cancelled_caught:
                logger.warning("the client left before %d answers", len(self._requests))
                return

    def _settle(self, request: RequestId | None) -> None:
        if request in self._requests:
            self._requests.remove(request)
            self._one_less.set()
            self._one_less = anyio.Event()


def _parsed(line: str) -> JSONRPCMessage | None:
    """The message as the SDK reads it; None for a line that it passes over."""
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None


class Input:
    """A descriptor's lines; no thread waits for them, so the process can end at any time."""

    def __init__(self, descriptor: int, unanswered: Unanswered) -> None:
        self._descriptor = descriptor
        self._unanswered = unanswered

    async def __aiter__(self) -> AsyncIterator[str]:
        async for raw in self._lines():
            line = raw.decode("utf-8", "replace")
            self._unanswered.read(line)
            yield line
        await self._unanswered.none_left()

    async def _lines(self) -> AsyncIterator[bytes]:
        begun = bytearray()
        while chunk := await self._read():
            first, *others = chunk.split(b"\n")
            begun += first
            if len(begun) > LONGEST_MESSAGE:
                logger.error("a message of more than %d bytes ends the session", LONGEST_MESSAGE)
                return
            for rest in others:
                yield bytes(begun)
                begun = bytearray(rest)
        if begun.strip():
            yield bytes(begun)

    async def _read(self) -> bytes:
        with suppress(PermissionError):  # a plain file cannot be waited for, nor need it be
            await anyio.wait_readable(self._descriptor)
        return os.read(self._descriptor, _CHUNK)


class Output:
    """A descriptor to write to; a client that never reads holds up only its own session."""

    def __init__(self, descriptor: int, unanswered: Unanswered) -> None:
        self._descriptor = descriptor
        self._unanswered = unanswered

    async def write(self, text: str) -> None:
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest:
            with suppress(PermissionError):  # as above
                await anyio.wait_writable(self._descriptor)
            # What can be written to has room for this much: the event loop never stands still.
            rest = rest[os.write(self._descriptor, rest[: select.PIPE_BUF]) :]
        self._unanswered.written(text)

    async def flush(self) -> None:
        """Nothing is buffered."""
