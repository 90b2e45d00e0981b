"""How many tickets a workflow has and how long they are: what BM25 compares with."""

from __future__ import annotations

import time
from dataclasses import dataclass

LARGE = 1_000
_KEPT_S = 60.0
_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Totals:
    tickets: int
    average_length: float


class TotalsKept:
    """Of large workflows alone, where counting takes as long as searching."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Totals, float]] = {}

    def known(self, workflow_id: str) -> Totals | None:
        totals, since = self._kept.get(workflow_id, (None, 0.0))
        return totals if time.monotonic() - since < _KEPT_S else None

    def remember(self, workflow_id: str, totals: Totals) -> Totals:
        if totals.tickets >= LARGE:
            if len(self._kept) >= _REMEMBERED:
                self._kept.clear()
            self._kept[workflow_id] = (totals, time.monotonic())
        return totals
