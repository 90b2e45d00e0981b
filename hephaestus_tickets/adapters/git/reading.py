"""Small files of a repository, read as if its owner were an enemy."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from hephaestus_tickets.domain.commits import RepositoryUnavailable

OUTSIDE = "it is not below a directory that the operator allows (GIT_ROOTS)"
DAMAGED = "it is damaged"
FORBIDDEN = "the server may not read all of it"

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class Roots:
    """Directories, links resolved, outside of which nothing is read."""

    directories: tuple[str, ...]

    @classmethod
    def of(cls, directories: Iterable[str]) -> Roots:
        return cls(tuple(_real(each) for each in directories))

    def hold(self, path: str) -> bool:
        """Whether it, wherever its links lead, is one of them or below one."""
        return self._hold_real(_real(path))

    def real(self, path: str, refusal: str = OUTSIDE) -> str:
        """The path without links. Raises RepositoryUnavailable where that is outside."""
        real = _real(path)
        if not self._hold_real(real):
            raise RepositoryUnavailable(refusal)
        return real

    def _hold_real(self, real: str) -> bool:
        return any(real == each or real.startswith(_with_end(each)) for each in self.directories)


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except RecursionError as error:  # a chain of a thousand links
        raise RepositoryUnavailable(DAMAGED) from error


def _with_end(directory: str) -> str:
    return directory.rstrip(os.sep) + os.sep


def small_file(path: str, roots: Roots, limit: int) -> bytes | None:
    """What is in it; None where there is no file. Raises RepositoryUnavailable.

    A link that leads outside is refused, and so is a file of more than `limit` bytes.
    """
    real = roots.real(path)
    try:
        # Not blocking: who opens a FIFO waits for its other end.
        opened = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise RepositoryUnavailable(FORBIDDEN) from error
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return None
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RepositoryUnavailable(DAMAGED)
    return content


def path_in(content: bytes) -> str:
    """The one path that a file of a repository holds. Raises RepositoryUnavailable."""
    path = content.rstrip(b"\r\n")
    if not path or b"\x00" in path or b"\n" in path:
        raise RepositoryUnavailable(DAMAGED)
    return os.fsdecode(path)
