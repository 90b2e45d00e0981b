"""What a branch stands for, read from the files without git."""

from __future__ import annotations

import os
import re

from hephaestus_tickets.adapters.git.locating import Place
from hephaestus_tickets.adapters.git.reading import DAMAGED, Roots, small_file
from hephaestus_tickets.domain.commits import BranchNotFound, RepositoryUnavailable

_HEADS = "refs/heads/"
_LONGEST_CHAIN = 5  # of names that stand for names, as git itself has it
_REF_BYTES = 4_096
_PACKED_BYTES = 67_108_864
_SHA = re.compile(rb"[0-9a-f]+")
# After `man git-check-ref-format`; a name that begins with a dash is none of a branch.
_FORBIDDEN = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(?:^|/)\.|\.lock(?:/|$)|^[-/]|[/.]$|^@$|^$"
)


def tip_of(place: Place, branch: str) -> str:
    """The full sha of a branch, or of HEAD for none. Blocks.

    Raises BranchNotFound, also for one without a commit; RepositoryUnavailable.
    """
    if place.has_reftable:
        raise RepositoryUnavailable(
            "it keeps its refs in a form (reftable) that is not supported here"
        )
    if branch and not is_branch(branch):
        raise BranchNotFound(branch)
    name = _HEADS + branch if branch else "HEAD"
    for _ in range(_LONGEST_CHAIN + 1):
        content = _content(place, name)
        if not content.startswith(b"ref:"):
            return _sha(place, name, content)
        name = _target(content)
    raise RepositoryUnavailable(DAMAGED)


def is_branch(name: str) -> bool:
    """Whether a branch may be called so."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return not _FORBIDDEN.search(name)


def _content(place: Place, name: str) -> bytes:
    """Of the ref's own file, else of the one with the packed refs; empty where it is in none."""
    directory = place.git_dir if name == "HEAD" else place.common_dir
    loose = small_file(os.path.join(directory, name), Roots((directory,)), _REF_BYTES)
    return _packed(place, name) if loose is None else loose.strip() or b"?"


def _packed(place: Place, name: str) -> bytes:
    roots = Roots((place.common_dir,))
    packed = small_file(os.path.join(place.common_dir, "packed-refs"), roots, _PACKED_BYTES)
    wanted = b" " + os.fsencode(name) + b"\n"
    end = (packed or b"").find(wanted)
    return b"" if packed is None or end < 0 else packed[packed.rfind(b"\n", 0, end) + 1 : end]


def _target(content: bytes) -> str:
    name = os.fsdecode(content.removeprefix(b"ref:").strip())
    if not name.startswith("refs/") or not is_branch(name.removeprefix("refs/")):
        raise RepositoryUnavailable(DAMAGED)
    return name


def _sha(place: Place, name: str, content: bytes) -> str:
    if not content:
        raise BranchNotFound(name.removeprefix(_HEADS))
    if len(content) != place.hex_digits or not _SHA.fullmatch(content):
        raise RepositoryUnavailable(DAMAGED)
    return content.decode()
