"""How a shard goes: under another name first, so that no removal leaves half of one."""

from __future__ import annotations

import shutil
from pathlib import Path

HALF = ".half"  # what is being made or removed, and means nothing


def discard(place: Path) -> None:
    half = place.with_suffix(HALF)
    shutil.rmtree(half, ignore_errors=True)
    if place.exists():
        place.rename(half)
        shutil.rmtree(half, ignore_errors=True)
