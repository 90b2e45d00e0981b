"""From the name of a repository to the directories that make it, all of them allowed ones."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from hephaestus_tickets.adapters.git.reading import FORBIDDEN, OUTSIDE, Roots, path_in, small_file
from hephaestus_tickets.domain.commits import RepositoryUnavailable

NO_REPOSITORY = "it is not a git repository"
STRANGE_FORMAT = "its objects are named in a way that is not supported here"
HEX_DIGITS = {"sha1": 40, "sha256": 64}

_GITDIR = b"gitdir: "
_POINTER_BYTES = 8_192
_CONFIG_BYTES = 1_048_576
_SECTION = re.compile(r"\s*\[\s*(?P<name>[\w.-]+)(?P<sub>[^\]]*)\](?P<rest>.*)")
_SETTING = re.compile(r'\s*(?P<name>[A-Za-z][\w-]*)\s*=\s*"?(?P<value>[\w-]+)"?\s*(?:[#;].*)?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository's directories, without links: of a linked worktree `git_dir` is its own."""

    git_dir: str
    common_dir: str
    objects: str
    object_format: str
    has_reftable: bool
    roots: Roots

    @property
    def key(self) -> str:
        return hashlib.sha256(os.fsencode(self.common_dir)).hexdigest()

    @property
    def hex_digits(self) -> int:
        return HEX_DIGITS[self.object_format]


def located(named: str, roots: Roots) -> Place:
    """By an absolute path, or one below the first of the roots that has it.

    Raises RepositoryUnavailable, without telling what there is outside the roots.
    """
    directory = _directory(named, roots)
    git_dir = roots.real(_git_dir(directory, roots))
    common_dir = roots.real(_common_dir(git_dir, roots))
    objects = roots.real(os.path.join(common_dir, "objects"))
    has_head = os.path.lexists(os.path.join(git_dir, "HEAD"))
    if not (has_head and os.path.isdir(objects) and os.path.isdir(_below(common_dir, "refs"))):
        may_read = not os.path.exists(directory) or os.access(directory, os.R_OK | os.X_OK)
        raise RepositoryUnavailable(NO_REPOSITORY if may_read else FORBIDDEN)
    return Place(
        git_dir=git_dir,
        common_dir=common_dir,
        objects=objects,
        object_format=_object_format(common_dir),
        has_reftable=os.path.isdir(_below(common_dir, "reftable")),
        roots=roots,
    )


def _below(directory: str, name: str) -> str:
    return os.path.join(directory, name)


def _directory(named: str, roots: Roots) -> str:
    if not _is_path(named):
        raise RepositoryUnavailable(NO_REPOSITORY)
    # What is absolute stays itself, whatever it is joined to.
    places = [_below(each, named) for each in roots.directories]
    allowed = [each for each in places if roots.hold(each)]
    if not allowed:
        raise RepositoryUnavailable(OUTSIDE)
    return roots.real(next(filter(os.path.isdir, allowed), allowed[0]))


def _is_path(named: str) -> bool:
    try:
        os.fsencode(named)
    except UnicodeEncodeError:
        return False
    return bool(named) and not set(named) & {"\x00", "\n", "\r"}


def _git_dir(directory: str, roots: Roots) -> str:
    dot_git = _below(directory, ".git")
    if os.path.isdir(dot_git):
        return dot_git
    pointer = small_file(dot_git, roots, _POINTER_BYTES)
    if pointer is None:
        return directory
    if not pointer.startswith(_GITDIR):
        raise RepositoryUnavailable(NO_REPOSITORY)
    return _below(directory, path_in(pointer.removeprefix(_GITDIR)))


def _common_dir(git_dir: str, roots: Roots) -> str:
    pointer = small_file(_below(git_dir, "commondir"), roots, _POINTER_BYTES)
    return git_dir if pointer is None else _below(git_dir, path_in(pointer))


def _object_format(common_dir: str) -> str:
    """All that is ever read of a foreign configuration, and not by git."""
    config = small_file(_below(common_dir, "config"), Roots((common_dir,)), _CONFIG_BYTES)
    found = _extension((config or b"").decode("utf-8", "replace"), "objectformat") or "sha1"
    if found not in HEX_DIGITS:
        raise RepositoryUnavailable(STRANGE_FORMAT)
    return found


def _extension(config: str, wanted: str) -> str:
    section = value = ""
    for line in config.splitlines():
        rest = line
        if header := _SECTION.match(line):
            section = "" if header["sub"].strip() else header["name"].lower()
            rest = header["rest"]
        setting = _SETTING.fullmatch(rest)
        if section == "extensions" and setting and setting["name"].lower() == wanted:
            value = setting["value"].lower()
    return value
