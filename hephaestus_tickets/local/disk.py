"""What a disk may refuse, as one sentence for the person at the keyboard."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from hephaestus_tickets.domain.errors import SetupError

MEGABYTE = 1024 * 1024
ROOM_TO_START = 16 * MEGABYTE  # one segment of the write-ahead log
ROOM_TO_BEGIN = 96 * MEGABYTE  # an empty cluster, its first database and log


def free_bytes(path: Path) -> int:
    """What an ordinary account may still write there."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def check_room(path: Path, needed: int) -> None:
    """Raises SetupError for a disk that is read-only or has less than `needed` bytes left."""
    if is_read_only(path):
        raise SetupError(_sentence(OSError(errno.EROFS, ""), path))
    free = free_bytes(path)
    if free < needed:
        raise SetupError(
            f"The disk that holds {path} has {free // MEGABYTE} MB left and "
            f"{needed // MEGABYTE} MB are needed; free some space and start again."
        )


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turns what the operating system refuses below `path` into a SetupError."""
    try:
        yield
    except OSError as error:
        raise SetupError(_sentence(error, path)) from error


def _sentence(error: OSError, path: Path) -> str:
    elsewhere = "set HEPHAESTUS_HOME to a directory that this account may write to"
    if error.errno == errno.EROFS:
        return f"{path} is on a read-only disk; {elsewhere}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk that holds {path} is full; free some space and start again."
    if error.errno == errno.ENOENT and not os.path.lexists(path):
        return f"{path} was deleted meanwhile; start again."
    place = Path(str(error.filename or path))
    if not (place.is_relative_to(path) or path.is_relative_to(place)):
        elsewhere = "`hephaestus-tickets doctor` says more"  # a program that is no longer there
    reason = (error.strerror or str(error)).lower()
    return f"{place} cannot be used ({reason}); {elsewhere}."
