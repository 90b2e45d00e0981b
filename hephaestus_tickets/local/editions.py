"""Which code may take over from which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The code of a process: `newest` and `total` are of its files' times, in nanoseconds."""

    version: str
    newest: int
    total: int
    directory: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Edition:
        return cls(**values)

    def __str__(self) -> str:
        return f"{self.version} in {self.directory}"

    def supersedes(self, other: Edition) -> bool:
        """Newer, or the same checkout, edited since: also one whose clock was set back."""
        if self.directory == other.directory:
            return self != other
        return self._order > other._order

    @property
    def _order(self) -> tuple[list[int], int]:
        numbers = re.findall(r"\d+", self.version)
        return [int(number) for number in numbers], self.newest
