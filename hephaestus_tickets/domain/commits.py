"""Commits as a repository has them: facts, their changes file by file, what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hephaestus_tickets.domain.errors import Conflict, Invalid, NotFound, Unavailable
from hephaestus_tickets.domain.text import comma_list, one_line

_SHA = re.compile("[0-9a-f]{7,64}")


class FileStatus(StrEnum):
    """What a commit did to a file."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    COPIED = "copied"
    TYPE_CHANGED = "type_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    r"""One file of a commit; `old_path` of one renamed or copied.

    Bytes of a path that are not UTF-8 are written as \\xff. Lines are not counted in binary files.
    """

    path: str
    status: FileStatus
    old_path: str = ""
    insertions: int = 0
    deletions: int = 0
    is_binary: bool = False
    is_submodule: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as its repository has it; a merge's changes are those against its first parent.

    `files` are the first ones, `files_changed` and the lines count all of them.
    """

    sha: str
    parents: tuple[str, ...]
    author: str  # Name <address>
    authored_at: datetime
    committed_at: datetime
    message: str
    files_changed: int
    insertions: int
    deletions: int
    files: tuple[FileChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A run of changed lines with those around it; `text` has a line's sign before it."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    section: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """A file with its hunks, or with those from some line on; `is_cut`: they go on."""

    change: FileChange
    hunks: tuple[Hunk, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffPlace:
    """Where in a commit's diff a page begins: at a file, counted from 0, and a line of its diff."""

    file: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffWindow:
    """Which part of a commit's diff: so many files from a place on, in so many bytes of JSON.

    Only the file at `path`, where one is given.
    """

    start: DiffPlace = field(default_factory=DiffPlace)
    files: int
    budget: int
    has_hunks: bool = True
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitDiff:
    """A page of a commit's diff; `commit.files` is empty here. `goes_on` is the next place."""

    commit: Commit
    files: tuple[FileDiff, ...]
    goes_on: DiffPlace | None
    cut_lines: int = 0  # lines too long to be shown whole


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCommit:
    """A commit of a branch, with as much of its message as is looked into."""

    sha: str
    message: str


class InvalidCommitSha(Invalid):
    def __init__(self, commit_sha: str) -> None:
        self.commit_sha = commit_sha
        super().__init__(
            f"'{one_line(commit_sha, 80)}' is not a commit sha: give 7 to 64 hexadecimal digits, "
            "as `git rev-parse HEAD` prints them."
        )


class CommitNotFound(NotFound):
    def __init__(self, commit_sha: str) -> None:
        self.commit_sha = commit_sha
        super().__init__(
            f"There is no commit {commit_sha} in the repository of this workflow. Push or fetch "
            "it there first and check the sha with `git rev-parse HEAD`."
        )


class AmbiguousCommit(Conflict):
    def __init__(self, commit_sha: str) -> None:
        self.commit_sha = commit_sha
        super().__init__(
            f"{commit_sha} is the beginning of several commits' shas: give more digits, best all "
            "of them."
        )


class BranchNotFound(NotFound):
    def __init__(self, branch: str) -> None:
        self.branch = branch
        super().__init__(
            f"The repository of this workflow has no branch '{one_line(branch, 80)}'. An "
            "administrator can set another with configure_board."
        )


class RepositoryUnavailable(Unavailable):
    """No answer from a repository now. `reason` is what is so, without a path of the machine."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The repository of this workflow cannot be read: {reason}. What needs no commit "
            "works without it."
        )


class CommitRequired(Conflict):
    """The board lets nothing into a `done` column without a commit that is on its branch."""

    def __init__(self, ticket_id: str, status: str, branch: str, shas: Iterable[str]) -> None:
        self.ticket_id = ticket_id
        linked = comma_list(sha[:12] for sha in shas)
        so_far = f"its commits are not there: {linked}" if linked else "it has no commit"
        where = f"the branch '{branch}'" if branch else "the repository's current branch"
        super().__init__(
            f"{ticket_id} needs a verified commit on {where} before it may enter '{status}', and "
            f"{so_far}. Merge the work, then call again with its commit_sha."
        )


def parsed_sha(commit_sha: str) -> str:
    """The sha in lower case. Raises InvalidCommitSha."""
    sha = commit_sha.strip().lower()
    if not _SHA.fullmatch(sha):
        raise InvalidCommitSha(commit_sha)
    return sha
