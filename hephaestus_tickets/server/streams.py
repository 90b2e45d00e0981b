"""The transport of a session: one JSON-RPC message per line, in and out of two descriptors.

The SDK reads from Input and writes to Output as from any of its streams, in its own tasks.
"""

from __future__ import annotations

import logging
import math
import os
import select
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from anyio import CancelScope
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from hephaestus_tickets.server.lines import LONGEST_MESSAGE, Lines, TooLong, request_of

logger = logging.getLogger("hephaestus_tickets.session")

MOST_REQUESTS = 32
MOST_SUBSCRIPTIONS = 8
_CHUNK = 65_536
_ANSWER_S = 5.0
_ENDING_S = 1.0  # a subscription that was just cancelled has ended by then
# Answered only when the session ends: neither the end of input nor other requests wait for it.
_ENDLESS = "subscriptions/listen"
_TOO_LARGE = (
    f"message_too_large: a message may have at most {LONGEST_MESSAGE:,} bytes, this one had more; "
    "send less text at once."
)
_NO_MESSAGE = (
    "invalid_message: this is no JSON-RPC 2.0 message in valid JSON; a frequent reason is half a "
    "surrogate pair, such as \\ud83d alone. Mend it and send it again."
)
_TOO_MANY = (
    f"too_many_subscriptions: a session may listen at most {MOST_SUBSCRIPTIONS} times at once; "
    "end one of them first."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    request: RequestId
    size: int
    is_endless: bool


class Work:
    """The requests of a session that were read and not yet answered: so many, and no more."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []
        self._one_less = anyio.Event()
        self._waiting = CancelScope()
        self._is_abandoned = False

    async def admits(self, message: JSONRPCRequest, size: int) -> bool:
        """Waits until there is room for it; False where that could be for ever."""
        asked = _Asked(message.id, size, message.method == _ENDLESS)
        with anyio.move_on_after(_ENDING_S if asked.is_endless else math.inf):
            while not self._has_room(asked):
                await self._one_less.wait()
            self._asked.append(asked)
            return True
        return False

    def _has_room(self, asked: _Asked) -> bool:
        before = [each for each in self._asked if each.is_endless == asked.is_endless]
        if asked.is_endless:
            return len(before) < MOST_SUBSCRIPTIONS
        total = sum(each.size for each in before) + asked.size
        return not before or (len(before) < MOST_REQUESTS and total <= LONGEST_MESSAGE)

    def settle(self, request: RequestId | None) -> None:
        """It is answered, or will not be."""
        # Nothing keeps a client from using an id twice: each of them counts.
        asked = next((each for each in self._asked if each.request == request), None)
        if asked is not None:
            self._asked.remove(asked)
            self._one_less.set()
            self._one_less = anyio.Event()

    async def none_left(self) -> None:
        """Returns when all are answered, or when no answer came for some seconds."""
        while left := sum(not each.is_endless for each in self._asked):
            with anyio.move_on_after(_ANSWER_S) as patience:
                await self._one_less.wait()
            if patience.cancelled_caught:
                logger.warning("the client left before %d answers", left)
                return

    def abandon(self) -> None:
        """The client takes no answers any more: there is nothing more to read for it."""
        self._is_abandoned = True
        self._waiting.cancel()

    @contextmanager
    def unless_abandoned(self) -> Generator[None]:
        """Cuts the block short as soon as the client is gone."""
        with CancelScope() as self._waiting:
            if self._is_abandoned:
                self._waiting.cancel()
            yield


class _Stream:
    """What the SDK's streams have in common: it closes each after use."""

    async def aclose(self) -> None:
        """Leaves the descriptor open: it is the caller's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()


class Output(_Stream):
    """A descriptor to write to; a client that never reads holds up only its own session."""

    def __init__(self, descriptor: int, work: Work) -> None:
        self._descriptor = descriptor
        self._work = work
        self._must_wait = os.get_blocking(descriptor)
        # What can be written to has room for this much: the event loop never stands still.
        self._at_once = select.PIPE_BUF if self._must_wait else _CHUNK
        self._turn = anyio.Lock(fast_acquire=True)
        self._rest = memoryview(b"")

    async def send(self, item: SessionMessage, /) -> None:
        """Writes the message whole; raises BrokenResourceError where the client is gone."""
        try:
            await self._write(item.message)
        finally:
            if isinstance(item.message, JSONRPCResponse | JSONRPCError):
                self._work.settle(item.message.id)

    async def refuse(self, request: RequestId | None, reason: str) -> None:
        """Answers what never came to be in work."""
        error = ErrorData(code=INVALID_REQUEST, message=reason)
        with suppress(anyio.BrokenResourceError):  # the client is gone: nobody is to be told
            await self._write(JSONRPCError(jsonrpc="2.0", id=request, error=error))

    async def _write(self, message: JSONRPCMessage) -> None:
        try:
            async with self._turn:
                await self._write_rest()
                text = message.model_dump_json(by_alias=True, exclude_unset=True)
                self._rest = memoryview(f"{text}\n".encode())
                await self._write_rest()
        except ConnectionError as gone:
            self._work.abandon()
            raise anyio.BrokenResourceError from gone

    async def _write_rest(self) -> None:
        """Also ends the line of a `send` that was cancelled halfway."""
        while self._rest:
            if self._must_wait:
                await self._writable()
            try:
                written = os.write(self._descriptor, self._rest[: self._at_once])
            except BlockingIOError:
                await self._writable()
            else:
                self._rest = self._rest[written:]

    async def _writable(self) -> None:
        with suppress(PermissionError):  # a plain file cannot be waited for, nor need it be
            await anyio.wait_writable(self._descriptor)


class Input(_Stream):
    """A descriptor's messages; no thread waits for them, so the process can end at any time.

    The SDK cancels what it works on at the end of input; the input therefore ends for it only
    when every request has its answer.
    """

    def __init__(self, descriptor: int, work: Work, output: Output) -> None:
        self._descriptor = descriptor
        self._work = work
        self._output = output
        self._lines = Lines()
        self._ready: deque[bytes | TooLong] = deque()
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        received = None
        with self._work.unless_abandoned():
            received = await self._next()
        if received is None:
            await self._work.none_left()
            raise StopAsyncIteration
        return received

    async def receive(self) -> SessionMessage | Exception:
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def _next(self) -> SessionMessage | Exception | None:
        while (line := await self._line()) is not None:
            received = await self._received(line)
            if received is not None:
                return received
        return None

    async def _line(self) -> bytes | TooLong | None:
        while not (self._ready or self._has_ended):
            chunk = await self._read()
            self._has_ended = not chunk
            self._ready.extend(self._lines.of(chunk) if chunk else self._lines.last())
        return self._ready.popleft() if self._ready else None

    async def _read(self) -> bytes:
        while True:
            with suppress(PermissionError):  # a plain file cannot be waited for, nor need it be
                await anyio.wait_readable(self._descriptor)
            try:
                return os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                continue
            except ConnectionResetError:  # it left without reading all: an end like another
                return b""

    async def _received(self, line: bytes | TooLong) -> SessionMessage | Exception | None:
        """What the SDK is to see of it; None for what is refused here."""
        if isinstance(line, TooLong):
            logger.warning("refused a message of more than %d bytes", LONGEST_MESSAGE)
            await self._output.refuse(line.request(), _TOO_LARGE)
            return None
        message = _parsed(line)
        if isinstance(message, Exception):
            return await self._passed_over(line, message)
        if not isinstance(message, JSONRPCRequest):
            return SessionMessage(message)
        if not await self._work.admits(message, len(line)):
            await self._output.refuse(message.id, _TOO_MANY)
            return None
        settled = partial(self._settle, message.id)
        return SessionMessage(message, ServerMessageMetadata(on_request_unanswered=settled))

    async def _passed_over(self, line: bytes, fault: Exception) -> Exception | None:
        """Who can be told is told, instead of waiting for an answer that never comes."""
        request = request_of(line)
        if request is None:
            return fault
        await self._output.refuse(request, _NO_MESSAGE)
        return None

    async def _settle(self, request: RequestId) -> None:
        self._work.settle(request)


def _parsed(line: bytes) -> JSONRPCMessage | Exception:
    try:
        return jsonrpc_message_adapter.validate_json(line.decode("utf-8", "replace"), by_name=False)
    except ValidationError as error:
        # The SDK may keep it for the whole session, and that error would keep the line.
        return ValueError(f"not a message: {error.error_count()} faults")
