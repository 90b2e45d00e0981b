"""Where branches stand, what they come from, and what is new on them."""

from __future__ import annotations

import pytest

from hephaestus_tickets.adapters.git import Repositories
from hephaestus_tickets.domain.commits import (
    BranchNotFound,
    LoggedCommit,
    RepositoryUnavailable,
)
from tests.adapters.git_repositories import Repo


async def log_of(repositories: Repositories, tip: str, since: str = "") -> list[LoggedCommit]:
    return [commit async for commit in repositories.open("repo").log(tip, since)]


async def test_a_branch_is_found_wherever_its_ref_is_kept(
    repositories: Repositories, repo: Repo
) -> None:
    packed = repo.commit({"a.txt": "one\n"})
    repo.git("branch", "feature/one")
    repo.git("pack-refs", "--all")
    loose = repo.commit({"a.txt": "two\n"})
    repository = repositories.open("repo")
    assert await repository.tip("feature/one") == packed
    assert await repository.tip("main") == await repository.tip("") == loose


async def test_a_branch_that_is_not_there_is_not_found(
    repositories: Repositories, repo: Repo
) -> None:
    repository = repositories.open("repo")
    with pytest.raises(BranchNotFound, match="'main'"):  # no commit yet
        await repository.tip("")
    repo.commit({"a.txt": "one\n"})
    repo.git("branch", "gone")
    repo.git("pack-refs", "--all")
    repo.git("branch", "--quiet", "-D", "gone")
    repo.git("branch", "folder/branch")
    for branch in ("gone", "folder", "main/below", "HEAD", "m" * 300):
        with pytest.raises(BranchNotFound):
            await repository.tip(branch)


async def test_a_detached_head_is_its_commit(repositories: Repositories, repo: Repo) -> None:
    first = repo.commit({"a.txt": "one\n"})
    repo.commit({"a.txt": "two\n"})
    repo.git("checkout", "--quiet", "--detach", first)
    assert await repositories.open("repo").tip("") == first


async def test_a_ref_may_stand_for_another_a_few_times(
    repositories: Repositories, repo: Repo
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    assert await repositories.open("repo").tip("alias") == sha
    repo.git("symbolic-ref", "refs/heads/round", "refs/heads/round")
    with pytest.raises(RepositoryUnavailable, match="damaged"):
        await repositories.open("repo").tip("round")


async def test_reftables_are_refused_where_a_branch_is_asked_for(
    repositories: Repositories, repo: Repo
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    (repo.directory / "reftable").mkdir()
    assert (await repositories.open("repo").commit(sha)).sha == sha
    with pytest.raises(RepositoryUnavailable, match="reftable"):
        await repositories.open("repo").tip("main")


async def test_only_commits_that_a_branch_comes_from_are_reachable(
    repositories: Repositories, repo: Repo
) -> None:
    first = repo.commit({"a.txt": "one\n"})
    repo.git("checkout", "--quiet", "-b", "side")
    side = repo.commit({"side.txt": "1\n"})
    repo.git("checkout", "--quiet", "main")
    tip = repo.commit({"a.txt": "two\n"})
    blob = repo.sha("HEAD:a.txt")
    reachable = repositories.open("repo").reachable
    assert await reachable([first, side, tip], tip) == {first, tip}
    assert await reachable([first, side, tip], side) == {first, side}
    assert await reachable([first, side, "1" * 40, blob, first[:10], "1" * 64], tip) == {first}
    assert await reachable(["1" * 40], tip) == set()
    assert await reachable([], tip) == set()


async def test_a_log_tells_what_is_new(repositories: Repositories, repo: Repo) -> None:
    first = repo.commit({"a.txt": "one\n"}, "ticket-1: begin\n\nThe body.")
    second = repo.commit({"a.txt": "two\n"}, "Go on")
    new = LoggedCommit(sha=second, message="Go on")
    old = LoggedCommit(sha=first, message="ticket-1: begin\n\nThe body.")
    assert await log_of(repositories, second) == [new, old]
    assert await log_of(repositories, second, first) == [new]
    assert await log_of(repositories, second, second) == []
    assert await log_of(repositories, second, "1" * 40) == [new, old]


async def test_a_log_may_be_left_early(repositories: Repositories, repo: Repo) -> None:
    repo.commit({"a.txt": "one\n"})
    tip = repo.commit({"a.txt": "two\n"})
    log = repositories.open("repo").log(tip, "")
    assert (await anext(log)).sha == tip
    await log.aclose()
