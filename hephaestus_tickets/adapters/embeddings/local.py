"""The bundled model behind the Protocol: one thread, small batches, queries first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hephaestus_tickets.adapters.embeddings.minilm import (
    LOCAL_SPACE,
    Embedded,
    MiniLM,
    installed_weights,
)
from hephaestus_tickets.adapters.embeddings.space import EmbeddingUnavailable, Space, Vector
from hephaestus_tickets.adapters.embeddings.turns import Turns

_IDLE_SECONDS = 600.0
# How long a query may have to wait for a batch: two long texts take about 50 ms on two cores.
_BATCH_TEXTS = 16
_BATCH_CHARACTERS = 1_200
_READ_CHARACTERS = 600  # about as many as the tokens that are read


class LocalEmbedder:
    """all-MiniLM-L6-v2 in this process, in memory from the first text until none came for long."""

    def __init__(self, *, weights: Path | None = None, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._weights, self._idle_seconds = weights, idle_seconds
        self._model: MiniLM | None = None
        self._turns = Turns()
        # One thread: also what a cancelled caller left running is done before the next begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedding")
        self._forgetting: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.loads = 0

    @property
    def space(self) -> Space:
        return LOCAL_SPACE

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return (await self.embed_counted(texts)).vectors

    async def embed_counted(self, texts: Sequence[str]) -> Embedded:
        """As embed, with the number of tokens that were read."""
        vectors: dict[int, Vector] = {}
        tokens = 0
        for batch in _batches(texts):
            async with self._turns.turn(hurried=len(texts) == 1):
                embedded = await self._run([texts[index] for index in batch])
            vectors.update(zip(batch, embedded.vectors, strict=True))
            tokens += embedded.tokens
        return Embedded(vectors=[vectors[index] for index in range(len(texts))], tokens=tokens)

    async def aclose(self) -> None:
        """Ends the thread, when the batch under way is done; those who wait are refused."""
        self._is_closed = True
        self._forget()
        await asyncio.to_thread(self._thread.shutdown)
        self._model = None

    async def _run(self, texts: Sequence[str]) -> Embedded:
        if self._is_closed:
            raise EmbeddingUnavailable("the tracker is ending")
        loop = asyncio.get_running_loop()
        embedded = await loop.run_in_executor(self._thread, self._embed, texts)
        if self._forgetting:
            self._forgetting.cancel()
        if not self._is_closed:
            self._forgetting = loop.call_later(self._idle_seconds, self._forget)
        return embedded

    def _embed(self, texts: Sequence[str]) -> Embedded:
        model = self._model
        if model is None:
            model = self._model = MiniLM(self._weights or installed_weights())
            self.loads += 1
        return model.embed(texts)

    def _forget(self) -> None:
        if self._forgetting:
            self._forgetting.cancel()
        self._forgetting = self._model = None


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Indices of texts of about one length, so that little is padded."""
    lengths = [min(len(text), _READ_CHARACTERS) for text in texts]
    batch: list[int] = []
    for index in sorted(range(len(texts)), key=lengths.__getitem__):
        is_full = (len(batch) + 1) * lengths[index] > _BATCH_CHARACTERS
        if batch and (is_full or len(batch) == _BATCH_TEXTS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
