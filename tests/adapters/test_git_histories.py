"""Everything that can happen to a file, as git says it and as the readers do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hephaestus_tickets.domain.commits import CommitDiff, FileDiff, FileStatus
from tests.adapters.git_histories import History, made
from tests.adapters.git_reading import (
    Entry,
    applied,
    content,
    entries,
    lines_of,
    listed,
    pages,
    patch_bodies,
    shown,
    sides,
    size,
    summary,
    text_lines,
    whole,
)
from tests.adapters.git_repositories import Repo, new_repository

SEEDS = [1, 2, 3]
COMMITS = 30
WORDS = {
    "A": FileStatus.ADDED,
    "M": FileStatus.MODIFIED,
    "D": FileStatus.DELETED,
    "R": FileStatus.RENAMED,
    "C": FileStatus.COPIED,
    "T": FileStatus.TYPE_CHANGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A commit: what the adapter's git writes of it, and what git says otherwise."""

    sha: str
    summary: bytes
    diff: bytes
    entries: list[Entry]
    bodies: list[list[str]]
    contents: list[tuple[bytes, bytes]]


@pytest.fixture(scope="module", params=SEEDS)
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return history_cases(tmp_path_factory.mktemp("history"), request.param)


def history_cases(directory: Path, seed: int) -> list[Case]:
    repo = new_repository(directory)
    history = History(seed)
    history.commits(COMMITS)
    return [_case(repo, sha) for sha in made(repo, history)]


def _case(repo: Repo, sha: str) -> Case:
    found = entries(repo, sha)
    return Case(
        sha=sha,
        summary=listed(repo, sha),
        diff=shown(repo, sha),
        entries=found,
        bodies=patch_bodies(repo, sha),
        contents=[
            (
                content(repo, entry.old_mode, entry.old_blob),
                content(repo, entry.new_mode, entry.new_blob),
            )
            for entry in found
        ],
    )


def test_the_histories_have_every_kind_of_change(tmp_path: Path) -> None:
    seen: set[str] = set()
    for seed in SEEDS:
        repo = new_repository(tmp_path / str(seed))
        history = History(seed)
        history.commits(COMMITS)
        for sha in made(repo, history):
            commit = summary(listed(repo, sha))
            seen |= {file.status for file in commit.files}
            seen |= {"binary" for file in commit.files if file.is_binary}
            seen |= {"submodule" for file in commit.files if file.is_submodule}
            seen.add(f"{len(commit.parents)} parents")
            seen |= {"nothing"} if not commit.files else set()
    parents = {f"{number} parents" for number in range(4)}
    assert seen == {*WORDS.values(), "binary", "submodule", "nothing", *parents}


def test_a_commits_files_are_those_that_git_lists(cases: list[Case]) -> None:
    for case in cases:
        commit = summary(case.summary)
        assert commit.sha == case.sha
        assert [
            (WORDS[entry.status], _named(entry.path), _old_path(entry)) for entry in case.entries
        ] == [(file.status, file.path, file.old_path) for file in commit.files]
        assert [file.is_submodule for file in commit.files] == [
            "160000" in (entry.old_mode, entry.new_mode) for entry in case.entries
        ]


def test_a_commits_lines_are_those_that_git_counts(cases: list[Case]) -> None:
    for case in cases:
        commit = summary(case.summary)
        assert [(entry.insertions, entry.deletions) for entry in case.entries] == [
            ("-", "-") if file.is_binary else (str(file.insertions), str(file.deletions))
            for file in commit.files
        ]
        assert commit.files_changed == len(case.entries)
        assert commit.insertions == sum(file.insertions for file in commit.files)
        assert commit.deletions == sum(file.deletions for file in commit.files)


def test_a_page_has_the_same_commit_and_files_as_the_summary(cases: list[Case]) -> None:
    for case in cases:
        commit = summary(case.summary)
        for found in pages(case.diff, files=3, budget=2_000):
            assert found.commit == replace(commit, files=())
        files = whole(pages(case.diff, files=3, budget=2_000))
        assert tuple(file.change for file in files) == commit.files


def test_all_pages_together_are_what_git_shows(cases: list[Case]) -> None:
    for case in cases:
        bodies = iter(case.bodies)
        lines = [
            [line for _ in range(_sections(entry)) for line in next(bodies)]
            for entry in case.entries
        ]
        assert next(bodies, None) is None
        for files, budget in ((50, 58_000), (2, 1_000), (1, 1)):
            found = whole(pages(case.diff, files=files, budget=budget))
            assert [lines_of(file.hunks) for file in found] == lines


def test_all_pages_hunks_make_the_new_file_of_the_old(cases: list[Case]) -> None:
    for case in cases:
        for budget in (58_000, 700, 1):
            found = whole(pages(case.diff, files=50, budget=budget))
            for (old, new), file in zip(case.contents, found, strict=True):
                _must_rebuild(old, new, file)


def test_a_page_takes_no_more_than_its_budget(cases: list[Case]) -> None:
    for case in cases:
        for budget in (300, 700, 2_000):
            for found in pages(case.diff, files=50, budget=budget):
                assert size(found.files) <= budget or _is_least(found)


def test_a_page_that_ends_early_is_nearly_full(cases: list[Case]) -> None:
    for case in cases:
        for found in pages(case.diff, files=50, budget=2_000):
            assert found.goes_on is None or size(found.files) > 1_200


def _is_least(diff: CommitDiff) -> bool:
    return len(diff.files) == 1 and len(lines_of(diff.files[0].hunks)) <= 2


def _sections(entry: Entry) -> int:
    return 2 if entry.status == "T" else 1


def _must_rebuild(old: bytes, new: bytes, file: FileDiff) -> None:
    if file.change.status is not FileStatus.TYPE_CHANGED:
        is_binary = file.change.is_binary
        expected = text_lines(old) if is_binary else text_lines(new)
        assert applied(text_lines(old), file.hunks) == expected
        return
    # The old file ends, then the new one begins; either can be binary.
    ends = [hunk for hunk in file.hunks if not sides(hunk)[1]]
    begins = [hunk for hunk in file.hunks if not sides(hunk)[0]]
    assert [*ends, *begins] == list(file.hunks)
    assert applied([] if b"\0" in old else text_lines(old), ends) == []
    assert applied([], begins) == ([] if b"\0" in new else text_lines(new))


def _named(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _old_path(entry: Entry) -> str:
    return _named(entry.old_path) if entry.status in "RC" else ""
