"""A page of a commit's diff as a reply."""

from __future__ import annotations

from dataclasses import asdict

from hephaestus_tickets.domain.commits import Commit, CommitDiff, FileDiff
from hephaestus_tickets.domain.text import prefix_within
from hephaestus_tickets.schemas.commit_replies import (
    CommitDiffView,
    CommitFacts,
    FileDiffView,
    HunkView,
)

MESSAGE_BYTES = 6_000
AUTHOR_BYTES = 500
PARENTS = 16  # an octopus merge may have any number; a sha takes 67 bytes


def diff_view(diff: CommitDiff, next_cursor: str | None) -> CommitDiffView:
    commit = _commit(diff.commit)
    omitted: list[str] = []
    if commit.message != diff.commit.message:
        omitted.append("the rest of the message")
    if diff.cut_lines:
        omitted.append(f"the ends of {diff.cut_lines} very long lines")
    if next_cursor:
        omitted.append("more files or hunks: call again with cursor=next_cursor")
    return CommitDiffView(
        commit=commit,
        files=[_file(each) for each in diff.files],
        next_cursor=next_cursor,
        omitted=omitted,
    )


def _commit(commit: Commit) -> CommitFacts:
    return CommitFacts(
        commit_sha=commit.sha,
        parents=list(commit.parents[:PARENTS]),
        author=prefix_within(commit.author, AUTHOR_BYTES),
        authored_at=commit.authored_at,
        committed_at=commit.committed_at,
        message=prefix_within(commit.message, MESSAGE_BYTES - 2_000),
        files_changed=commit.files_changed,
        insertions=commit.insertions,
        deletions=commit.deletions,
    )


def _file(diff: FileDiff) -> FileDiffView:
    change = diff.change
    return FileDiffView(
        path=change.path,
        old_path=change.old_path or None,
        status=change.status,
        is_binary=change.is_binary,
        is_submodule=change.is_submodule,
        insertions=change.insertions,
        deletions=change.deletions,
        hunks=[HunkView(**asdict(hunk)) for hunk in diff.hunks],
        is_cut=diff.is_cut,
    )
