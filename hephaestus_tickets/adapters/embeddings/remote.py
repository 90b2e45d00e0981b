"""Any OpenAI-compatible server behind the Protocol: bounded requests, patience with an end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hephaestus_tickets.adapters.embeddings.replies import (
    REFUSALS,
    fault_of,
    unreachable,
    vectors_of,
)
from hephaestus_tickets.adapters.embeddings.settings import DIMENSIONS
from hephaestus_tickets.adapters.embeddings.space import EmbeddingUnavailable, Space, Vector

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_OPENAI = "https://api.openai.com/v1"
_ATTEMPTS = 3
_REQUEST_TEXTS = 64
_REQUEST_BYTES = 200_000  # a token has at least one: OpenAI takes 300,000 tokens a request
_TEXT_BYTES = 8_000  # for the same reason never more than the 8,192 tokens it takes of a text
_SHORTEST_BYTES = 500
_TOO_LONG = re.compile(r"token|too (?:long|large)|context|length", re.IGNORECASE)
_TAKES_NO_DIMENSIONS = re.compile(r"dimension|matryoshka", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a request is put, as far as servers differ in what they take."""

    names_dimension: bool
    text_bytes: int = _TEXT_BYTES

    def instead(self, refusal: APIStatusError, *, longest: int) -> _Form | None:
        """Another form where the server says what it does not take of this one, or None."""
        said = f"{refusal.message} {refusal.body}"
        if refusal.status_code not in REFUSALS:
            return None
        if self.names_dimension and _TAKES_NO_DIMENSIONS.search(said):
            return replace(self, names_dimension=False)
        # Models of one's own often read less of a text than OpenAI's.
        if _TOO_LONG.search(said) and longest > _SHORTEST_BYTES:
            return replace(self, text_bytes=max(_SHORTEST_BYTES, longest // 2))
        return None


class RemoteEmbedder:
    """Vectors by `POST /embeddings`.

    A request gets `seconds`, a whole call `patience`; the first retry comes after `pause` seconds,
    each further one after twice as many.
    """

    def __init__(
        self,
        space: Space,
        key: str,
        *,
        seconds: float = 10.0,
        patience: float = 30.0,
        pause: float = 0.5,
    ) -> None:
        self._space, self._key = space, key
        self._seconds, self._patience, self._pause = seconds, patience, pause
        self._opening = asyncio.Lock()
        self._opened: AsyncOpenAI | None = None
        # What a model makes anyway is not asked for: older ones refuse the word.
        self._form = _Form(names_dimension=DIMENSIONS.get(space.model) != space.dimension)

    @property
    def space(self) -> Space:
        return self._space

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if not texts:
            return []
        client = await self._client()
        deadline = asyncio.get_running_loop().time() + self._patience
        vectors: list[Vector] = []
        for batch in _batches(texts):
            vectors += await self._retried(client, batch, deadline)
        return vectors

    async def aclose(self) -> None:
        if self._opened:
            await self._opened.close()

    async def _client(self) -> AsyncOpenAI:
        async with self._opening:
            if self._opened is None:
                # In a thread: the import alone takes most of a second.
                self._opened = await asyncio.to_thread(
                    _open_client, self._space.base_url or _OPENAI, self._key, self._seconds
                )
            return self._opened

    async def _retried(
        self, client: AsyncOpenAI, texts: Sequence[str], deadline: float
    ) -> list[Vector]:
        loop, pause, attempt = asyncio.get_running_loop(), self._pause, 1
        while True:
            try:
                return await self._once(client, texts, deadline)
            except EmbeddingUnavailable as error:
                wait = pause if error.retry_after is None else error.retry_after
                is_last = error.is_misconfigured or attempt == _ATTEMPTS
                if is_last or loop.time() + wait >= deadline:
                    raise
            await asyncio.sleep(wait)
            pause, attempt = pause * 2, attempt + 1

    async def _once(
        self, client: AsyncOpenAI, texts: Sequence[str], deadline: float
    ) -> list[Vector]:
        from openai import APIError, APIStatusError  # noqa: PLC0415 - loaded with the client

        # Neither error is chained: the server's words may repeat a text or the key.
        try:
            content = await self._accepted(client, texts, deadline)
        except APIStatusError as error:
            raise fault_of(error, space=self._space, key=self._key, texts=texts) from None
        except APIError:
            raise unreachable() from None
        return await asyncio.to_thread(vectors_of, content, count=len(texts), space=self._space)

    async def _accepted(self, client: AsyncOpenAI, texts: Sequence[str], deadline: float) -> bytes:
        """The reply to the request in a form that this server takes; later ones begin with it."""
        from openai import APIStatusError  # noqa: PLC0415 - loaded with the client

        first = form = self._form
        while True:
            sent = [_sendable(text, form.text_bytes) for text in texts]
            try:
                content = await self._posted(client, sent, form, deadline)
            except APIStatusError as error:
                form = form.instead(error, longest=max(len(text.encode()) for text in sent))
                if form is None:
                    raise
            else:
                self._form = self._form if form is first else form
                return content

    async def _posted(
        self, client: AsyncOpenAI, texts: list[str], form: _Form, deadline: float
    ) -> bytes:
        from openai import omit  # noqa: PLC0415 - loaded with the client

        left = deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._seconds, left)):
                reply = await client.embeddings.with_raw_response.create(
                    input=texts,
                    model=self._space.model,
                    dimensions=self._space.dimension if form.names_dimension else omit,
                    encoding_format="float",
                )
                return reply.content
        except TimeoutError:
            raise EmbeddingUnavailable("the embedding server did not answer in time") from None


def _open_client(base_url: str, key: str, seconds: float) -> AsyncOpenAI:
    from openai import AsyncOpenAI  # noqa: PLC0415 - late: its import takes most of a second

    return AsyncOpenAI(base_url=base_url, api_key=key, timeout=seconds, max_retries=0)


def _sendable(text: str, most_bytes: int) -> str:
    """The text's beginning; never empty, which servers refuse."""
    # A character is at least a byte: what lies beyond need not be encoded.
    encoded = text[:most_bytes].encode("utf-8", "replace")[:most_bytes]
    return encoded.decode("utf-8", "ignore") or " "


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        weight = len(_sendable(text, _TEXT_BYTES).encode())
        if batch and (len(batch) == _REQUEST_TEXTS or size + weight > _REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += weight
    if batch:
        yield batch
