"""Which failures are worth the whole unit of work once more, and after what pause."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

ATTEMPTS = 4
AWAY_SECONDS = 5.0  # a local server brings PostgreSQL back in less
_CLASH_PAUSE_SECONDS = 0.02
_AWAY_PAUSE_SECONDS = 0.05
_CLASHES = frozenset({"40001", "40P01"})


class Effect(Enum):
    """What a unit of work leaves behind."""

    NOTHING = auto()  # it reads
    ROWS = auto()  # PostgreSQL undoes them without a COMMIT
    REPEATABLE = auto()  # rows under a key: done again, it is answered with what was done
    OUTPUT = auto()  # written elsewhere meanwhile: nothing undoes that


class Stage(Enum):
    """How far a unit of work had come when it failed."""

    CONNECTING = auto()  # nothing was sent
    WORKING = auto()
    COMMITTING = auto()  # COMMIT was sent, and perhaps done


class Verdict(Enum):
    AGAIN = auto()  # it was undone, and may pass when another is through
    LATER = auto()  # nothing was sent, or it was undone: when the database is back
    UNKNOWN = auto()  # nobody can say whether it was done: never again by itself
    REFUSED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`is_clash`: another unit was in the way. `is_lost`: so is the connection, or never was."""

    stage: Stage
    is_clash: bool = False
    is_lost: bool = False


def is_clash(sqlstate: str | None) -> bool:
    """True for a serialization failure or a deadlock: nothing was written, it may pass."""
    return sqlstate in _CLASHES


def verdict_on(failure: Failure, effect: Effect) -> Verdict:
    if failure.is_lost and failure.stage is Stage.CONNECTING:
        return Verdict.LATER
    if effect is Effect.OUTPUT:
        return Verdict.REFUSED
    if failure.is_lost and failure.stage is Stage.COMMITTING and effect is Effect.ROWS:
        return Verdict.UNKNOWN
    if failure.is_lost:
        return Verdict.LATER
    return Verdict.AGAIN if failure.is_clash else Verdict.REFUSED


def pause_after(verdict: Verdict, *, undone: int, away_seconds: float) -> float | None:
    """Seconds until the next attempt; None where there is none.

    So many attempts were begun and `undone`, and so long ago the database could first not be
    reached. Each pause is longer than the one before, for the other side to finish: PostgreSQL
    that lost one process takes connections for a moment before it ends them all.
    """
    if undone >= ATTEMPTS or away_seconds >= AWAY_SECONDS:
        return None
    if verdict is Verdict.AGAIN:
        return _CLASH_PAUSE_SECONDS * 2 ** (undone - 1)
    if verdict is Verdict.LATER:
        return _AWAY_PAUSE_SECONDS * 2**undone
    return None
