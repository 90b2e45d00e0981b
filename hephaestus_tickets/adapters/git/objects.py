"""The object store that git is let into: whether all that it leads to lies inside the roots."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hephaestus_tickets.adapters.git.reading import DAMAGED, FORBIDDEN, Roots, small_file
from hephaestus_tickets.domain.commits import RepositoryUnavailable

BORROWS = "it borrows objects from outside GIT_ROOTS"

_DEEPEST_ALTERNATE = 5  # as git itself has it
_DEEPEST_FOLDER = 3  # info/commit-graphs has files
_MOST_ENTRIES = 2_000_000
_ALTERNATES_BYTES = 65_536


def check_objects(objects: str, roots: Roots) -> None:
    """Raises RepositoryUnavailable. Blocks: it looks at every name in the object store.

    Git follows alternates and links by itself, so they are looked at just before it starts.
    """
    waiting = [(objects, 0)]
    seen: set[str] = set()
    while waiting:
        directory, depth = waiting.pop()
        if directory in seen:
            continue
        if depth > _DEEPEST_ALTERNATE:
            raise RepositoryUnavailable("it borrows objects over too many repositories")
        seen.add(directory)
        _check_links(directory, roots)
        waiting += [(each, depth + 1) for each in _alternates(directory, roots)]


def _alternates(objects: str, roots: Roots) -> Iterator[str]:
    listed = small_file(os.path.join(objects, "info", "alternates"), roots, _ALTERNATES_BYTES)
    for line in (listed or b"").split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        if b"\x00" in line or line.startswith(b'"'):  # quoted: no git writes that by itself
            raise RepositoryUnavailable(DAMAGED)
        path = os.path.join(objects, os.fsdecode(line))
        yield roots.real(path, BORROWS)


def _check_links(objects: str, roots: Roots) -> None:
    for count, entry in enumerate(_entries(objects, _DEEPEST_FOLDER)):
        if entry.is_symlink() and not roots.hold(entry.path):
            raise RepositoryUnavailable(BORROWS)
        if count > _MOST_ENTRIES:
            raise RepositoryUnavailable("it has too many loose objects; `git gc` packs them")


def _entries(directory: str, depth: int) -> Iterator[os.DirEntry[str]]:
    """A folder comes before what is in it, so that none that is refused is opened."""
    for entry in _listed(directory):
        yield entry
        if depth and entry.is_dir():
            yield from _entries(entry.path, depth - 1)


def _listed(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return  # packed away meanwhile, or an alternate that is gone
    except OSError as error:
        raise RepositoryUnavailable(FORBIDDEN) from error
