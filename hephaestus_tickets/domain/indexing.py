"""What of a ticket is embedded, and when indexing is tried again."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_TEXT = 8_000  # characters
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0


def embedded_text(
    title: str, description: str, tags: Iterable[str], comments: Iterable[str]
) -> str:
    """Title first: models read only so far, and what is cut should matter least."""
    parts = [title, description, " ".join(tags), *comments]
    return "\n".join(part for part in parts if part.strip())[:LONGEST_TEXT]


def pause_after_failure(failures: int, retry_after: float | None) -> float:
    """Seconds until the next attempt after so many in a row that failed."""
    pause = min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE)
    return min(max(pause, retry_after or 0.0), _LONGEST_PAUSE)
