"""Which database failures are worth the whole unit of work once more."""

from __future__ import annotations

ATTEMPTS = 4
_RETRYABLE = frozenset({"40001", "40P01"})


def is_retryable(sqlstate: str | None) -> bool:
    """True for a serialization failure or a deadlock: nothing was written, it may pass."""
    return sqlstate in _RETRYABLE


def pause_before(attempt: int) -> float:
    """Seconds to wait before attempt 2, 3, 4: long enough for the other side to finish."""
    return 0.02 * 2 ** (attempt - 2)
