"""Repositories that would lead out of the roots, or to a file that has no end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.domain.commits import (
    BranchNotFound,
    RepositoryUnavailable,
)
from tests.adapters.git_repositories import Repo, new_repository, tree_digest


@pytest.fixture
def secret(tmp_path: Path) -> Repo:
    """A repository outside the roots, with one commit."""
    repo = new_repository(tmp_path / "outside" / "secret")
    repo.commit({"secret.txt": "the secret\n"}, "The secret")
    return repo


def git_file(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.directory)
    (repo.path / ".git").write_text(f"gitdir: {secret.directory}\n")


def git_link(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.directory)
    (repo.path / ".git").symlink_to(secret.directory)


def git_file_link(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.directory)
    (secret.path.parent / "pointer").write_text(f"gitdir: {repo.path}\n")
    (repo.path / ".git").symlink_to(secret.path.parent / "pointer")


def work_tree_link(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.path)
    repo.path.symlink_to(secret.path)


def common_dir(repo: Repo, secret: Repo) -> None:
    (repo.directory / "commondir").write_text(f"{secret.directory}\n")


def common_dir_upwards(repo: Repo, secret: Repo) -> None:
    (repo.directory / "commondir").write_text("../../../outside/secret/.git\n")


def objects_link(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.directory / "objects")
    (repo.directory / "objects").symlink_to(secret.directory / "objects")


def config_link(repo: Repo, secret: Repo) -> None:
    (repo.directory / "config").unlink()
    (repo.directory / "config").symlink_to(secret.directory / "config")


AT_ONCE = [
    git_file, git_link, git_file_link, work_tree_link, common_dir, common_dir_upwards,
    objects_link, config_link,
]  # fmt: skip


def fan_out_link(repo: Repo, secret: Repo) -> None:
    folder = secret.directory / "objects" / secret.sha()[:2]
    shutil.rmtree(repo.directory / "objects" / folder.name, ignore_errors=True)
    (repo.directory / "objects" / folder.name).symlink_to(folder)


def object_link(repo: Repo, secret: Repo) -> None:
    sha = secret.sha()
    folder = repo.directory / "objects" / sha[:2]
    folder.mkdir(exist_ok=True)
    (folder / sha[2:]).symlink_to(secret.directory / "objects" / sha[:2] / sha[2:])


def pack_link(repo: Repo, secret: Repo) -> None:
    secret.git("repack", "-adq")
    (repo.directory / "objects" / "pack").rmdir()
    (repo.directory / "objects" / "pack").symlink_to(secret.directory / "objects" / "pack")


def packed_link(repo: Repo, secret: Repo) -> None:
    secret.git("repack", "-adq")
    for path in (secret.directory / "objects" / "pack").iterdir():
        (repo.directory / "objects" / "pack" / path.name).symlink_to(path)


def info_link(repo: Repo, secret: Repo) -> None:
    (secret.directory / "objects" / "info" / "alternates").write_text(
        f"{secret.directory}/objects\n"
    )
    (repo.directory / "objects" / "info").rmdir()
    (repo.directory / "objects" / "info").symlink_to(secret.directory / "objects" / "info")


def write_alternates(repo: Repo, text: str) -> None:
    (repo.directory / "objects" / "info" / "alternates").write_text(text)


def alternate(repo: Repo, secret: Repo) -> None:
    write_alternates(repo, f"{secret.directory}/objects\n")


def relative_alternate(repo: Repo, secret: Repo) -> None:
    write_alternates(repo, "../../../../outside/secret/.git/objects")


def quoted_alternate(repo: Repo, secret: Repo) -> None:
    write_alternates(repo, f'"{secret.directory}/objects"\n')


def nested_alternate(repo: Repo, secret: Repo) -> None:
    between = new_repository(repo.path.parent / "between")
    write_alternates(between, f"{secret.directory}/objects\n")
    write_alternates(repo, f"{between.directory}/objects\n")


def deep_alternates(repo: Repo, secret: Repo) -> None:
    for number in range(8):
        each = new_repository(repo.path.parent / f"chain{number}")
        write_alternates(each, f"../../../chain{number + 1}/.git/objects\n")
    write_alternates(repo, "../../../chain0/.git/objects\n")


def shallow_link(repo: Repo, secret: Repo) -> None:
    (secret.directory / "shallow").write_text(f"{secret.sha()}\n")
    (repo.directory / "shallow").symlink_to(secret.directory / "shallow")


LATER = [
    fan_out_link, object_link, pack_link, packed_link, info_link, alternate, relative_alternate,
    quoted_alternate, nested_alternate, deep_alternates, shallow_link,
]  # fmt: skip

Leads = Callable[[Repo, Repo], None]


@pytest.mark.parametrize("lead", [*AT_ONCE, *LATER])
async def test_a_repository_that_leads_out_of_the_roots_is_refused(
    repositories: Repositories, repo: Repo, secret: Repo, tmp_path: Path, lead: Leads
) -> None:
    repo.commit({"a.txt": "one\n"})
    lead(repo, secret)
    before = tree_digest(tmp_path)
    with pytest.raises(RepositoryUnavailable) as refused:
        await repositories.open("repo").commit(secret.sha())
    assert str(tmp_path) not in str(refused.value)
    if lead in AT_ONCE:
        with pytest.raises(RepositoryUnavailable):
            repositories.open("repo")
    assert tree_digest(tmp_path) == before


def ref_link(repo: Repo, secret: Repo) -> None:
    (repo.directory / "refs/heads/main").unlink()
    (repo.directory / "refs/heads/main").symlink_to(secret.directory / "refs/heads/main")


def refs_link(repo: Repo, secret: Repo) -> None:
    shutil.rmtree(repo.directory / "refs")
    (repo.directory / "refs").symlink_to(secret.directory / "refs")


def packed_refs_link(repo: Repo, secret: Repo) -> None:
    secret.git("pack-refs", "--all")
    (repo.directory / "refs/heads/main").unlink()
    (repo.directory / "packed-refs").symlink_to(secret.directory / "packed-refs")


def head_link(repo: Repo, secret: Repo) -> None:
    (repo.directory / "HEAD").unlink()
    (repo.directory / "HEAD").symlink_to(secret.directory / "refs/heads/main")


def head_upwards(repo: Repo, secret: Repo) -> None:
    (repo.directory / "HEAD").write_text("ref: refs/../../../../outside/secret/.git/HEAD\n")


def head_elsewhere(repo: Repo, secret: Repo) -> None:
    (repo.directory / "HEAD").write_text(f"ref: {secret.directory}/HEAD\n")


@pytest.mark.parametrize(
    "lead", [ref_link, refs_link, packed_refs_link, head_link, head_upwards, head_elsewhere]
)
async def test_a_branch_that_leads_out_of_the_repository_is_not_followed(
    repositories: Repositories, repo: Repo, secret: Repo, lead: Leads
) -> None:
    repo.commit({"a.txt": "one\n"})
    lead(repo, secret)
    with pytest.raises((RepositoryUnavailable, BranchNotFound)):
        await repositories.open("repo").tip("")


@pytest.mark.parametrize(
    "named",
    ["../outside/secret", "../../etc", "repo/../../outside/secret", "/", "/etc", "", ".", ".."],
)
def test_a_path_out_of_the_roots_is_no_repository(
    repositories: Repositories, secret: Repo, repo: Repo, named: str
) -> None:
    with pytest.raises(RepositoryUnavailable):
        repositories.open(named)


def test_what_there_is_outside_is_not_told(
    repositories: Repositories, secret: Repo, tmp_path: Path
) -> None:
    texts: set[str] = set()
    for path in (secret.path, secret.path / "secret.txt", tmp_path / "nothing", Path("/root")):
        with pytest.raises(RepositoryUnavailable) as refused:
            repositories.open(str(path))
        texts.add(str(refused.value))
    assert len(texts) == 1


async def test_a_root_may_be_a_link(tmp_path: Path, repo: Repo, roots: Path) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    (tmp_path / "link").symlink_to(roots)
    with open_repositories(GitSettings(roots=str(tmp_path / "link"))) as repositories:
        for named in ("repo", str(repo.path), str(tmp_path / "link" / "repo")):
            assert await repositories.open(named).tip("main") == sha


def test_a_name_that_begins_as_a_root_does_is_not_below_it(
    repositories: Repositories, tmp_path: Path
) -> None:
    new_repository(tmp_path / "roots-beside")
    with pytest.raises(RepositoryUnavailable, match="GIT_ROOTS"):
        repositories.open(str(tmp_path / "roots-beside"))


AS_IF_THERE_WERE_NONE = ["commondir", "config", "packed-refs", "shallow"]
REFUSED = ["", "HEAD", "refs/heads/main", "objects/info/alternates", "objects/pack/x.pack"]


@pytest.mark.parametrize("name", [*AS_IF_THERE_WERE_NONE, *REFUSED])
async def test_nobody_waits_for_the_other_end_of_a_pipe(
    repositories: Repositories, repo: Repo, name: str
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    if not name:
        shutil.rmtree(repo.directory)
    path = repo.path / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    async def ask() -> str:
        repository = repositories.open("repo")
        await repository.commit(sha)
        return await repository.tip("")

    with anyio.fail_after(5):
        if name in AS_IF_THERE_WERE_NONE:
            assert await ask() == sha
        else:
            with pytest.raises((RepositoryUnavailable, BranchNotFound)):
                await ask()


def test_a_chain_of_a_thousand_links_has_an_end(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    for number in range(2_000):
        (roots / f"link{number}").symlink_to(f"link{number + 1}")
    (roots / "link2000").symlink_to("repo")
    (roots / "round").symlink_to("round")
    for named in ("link0", "round"):
        with pytest.raises(RepositoryUnavailable):
            repositories.open(named)


@pytest.mark.parametrize("name", ["config", "packed-refs", "shallow", "commondir"])
async def test_a_file_that_is_too_large_is_not_read(
    repositories: Repositories, repo: Repo, name: str
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    (repo.directory / "refs/heads/main").unlink()
    (repo.directory / name).touch()
    os.truncate(repo.directory / name, 1 << 40)

    async def ask() -> None:
        repository = repositories.open("repo")
        await repository.commit(sha)
        await repository.tip("main")

    with pytest.raises(RepositoryUnavailable, match="damaged"):
        await ask()
