"""What makes vectors of texts, what makes the vectors comparable, and why there are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Protocol

from hephaestus_tickets.domain.errors import Unavailable

Vector = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What makes vectors comparable: who made them, by which model, how long they are."""

    provider: str
    model: str
    dimension: int
    base_url: str = ""  # where an OpenAI-compatible server is, unless it is OpenAI's own

    @property
    def name(self) -> str:
        """For people, and unique: `local/all-MiniLM-L6-v2/384`."""
        where = f" at {self.base_url}" if self.base_url else ""
        return f"{self.provider}/{self.model}/{self.dimension}{where}"

    @property
    def key(self) -> str:
        """Short, and safe in the name of a collection or a directory."""
        fields = [self.provider, self.model, self.dimension, self.base_url]
        return sha256(json.dumps(fields).encode()).hexdigest()[:12]


class Embedder(Protocol):
    """Makes vectors of texts."""

    @property
    def space(self) -> Space: ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector of unit length for each text, in order. Raises EmbeddingUnavailable."""
        ...

    async def aclose(self) -> None: ...


class EmbeddingUnavailable(Unavailable):
    """No vectors now. `reason` is what is so, without a secret or a text.

    `retry_after`: seconds the server asked for. `is_misconfigured`: no retry will help until an
    operator acts.
    """

    def __init__(
        self,
        reason: str,
        mend: str = "",
        *,
        retry_after: float | None = None,
        is_misconfigured: bool = False,
    ) -> None:
        self.reason = reason
        self.retry_after = retry_after
        self.is_misconfigured = is_misconfigured
        pause = "a few" if retry_after is None else f"{ceil(retry_after)}"
        mend = mend or f"Wait {pause} seconds and try again."
        super().__init__(f"Texts cannot be embedded: {reason}. {mend}")
