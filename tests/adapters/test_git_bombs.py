"""Objects that would take all the memory or all the time there is."""

from __future__ import annotations

import hashlib
import sys
import time
import zlib
from pathlib import Path

import anyio
import pytest

from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.domain.commits import (
    CommitNotFound,
    DiffWindow,
    RepositoryUnavailable,
)
from tests.adapters.git_repositories import Repo

WINDOW = DiffWindow(files=10, budget=100_000)
MEBIBYTE = 1 << 20


def bomb(repo: Repo, block: bytes, count: int) -> str:
    """The sha of a loose blob of `count` blocks, which takes about a kilobyte for each."""
    head = b"blob %d\0" % (len(block) * count)
    packer = zlib.compressobj(9)
    begin = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    sha = hashlib.sha1(head + block).hexdigest()  # noqa: S324 - git's; of a loose one it asks no more
    path = repo.directory / "objects" / sha[:2] / sha[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(begin + piece * count + b"\x03\0" + b"\0\0\0\0")
    return sha


def commit_of(repo: Repo, name: str, blob: str, *parents: str) -> str:
    tree = repo.git("mktree", "--missing", stdin=f"100644 blob {blob}\t{name}\n".encode())
    options = [word for parent in parents for word in ("-p", parent)]
    return repo.git("commit-tree", tree, *options, stdin=b"A bomb")


async def test_a_file_of_many_gigabytes_is_not_compared(
    repositories: Repositories, repo: Repo
) -> None:
    zeros, ones = bomb(repo, bytes(MEBIBYTE), 8_000), bomb(repo, b"1" * MEBIBYTE, 8_000)
    sha = commit_of(repo, "a", ones, commit_of(repo, "a", zeros))
    with anyio.fail_after(5):
        commit = await repositories.open("repo").commit(sha)
        diff = await repositories.open("repo").diff(sha, WINDOW)
    assert [file.is_binary for file in commit.files] == [True]
    assert [len(file.hunks) for file in diff.files] == [0]


def children() -> set[str]:
    """Of this process, as the kernel lists them; empty where it does not."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for path in lists for pid in path.read_text().split()}


async def test_a_bomb_is_stopped_by_the_deadline(repo: Repo, roots: Path) -> None:
    zeros, ones = bomb(repo, bytes(MEBIBYTE), 8_000), bomb(repo, b"1" * MEBIBYTE, 8_000)
    sha = commit_of(repo, "b", ones, commit_of(repo, "a", zeros))
    before = children()
    began = time.monotonic()
    settings = GitSettings(roots=str(roots), deadline_seconds=0.5)
    with open_repositories(settings) as repositories, pytest.raises(RepositoryUnavailable):
        await repositories.open("repo").commit(sha)
    assert time.monotonic() - began < 5
    assert children() == before


async def test_a_bomb_is_stopped_by_the_memory_it_may_take(
    repositories: Repositories, repo: Repo
) -> None:
    """Linux only: elsewhere there is a deadline alone."""
    sha = commit_of(repo, "a", bomb(repo, bytes(MEBIBYTE), 8_000))
    before = children()
    if sys.platform == "linux":
        with anyio.fail_after(5), pytest.raises(RepositoryUnavailable, match="git failed"):
            await repositories.open("repo").diff(sha, WINDOW)
    assert children() == before


async def test_damaged_objects_are_no_more_than_that(
    repositories: Repositories, repo: Repo
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    path = repo.directory / "objects" / sha[:2] / sha[2:]
    path.chmod(0o644)
    path.write_bytes(b"\0" * 100)
    with pytest.raises((RepositoryUnavailable, CommitNotFound)):
        await repositories.open("repo").commit(sha)
