"""Repositories that would run commands, if git were let into more of them than their objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hephaestus_tickets.adapters.git import Repositories
from hephaestus_tickets.domain.commits import (
    BranchNotFound,
    CommitNotFound,
    DiffWindow,
    RepositoryUnavailable,
)
from tests.adapters.git_repositories import Repo, cloned, new_repository, tree_digest

WINDOW = DiffWindow(files=10, budget=100_000)
SIGNATURE = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n"


@dataclass(frozen=True)
class Trap:
    """A program that leaves a mark where it ran."""

    mark: Path
    program: Path

    def is_sprung(self) -> bool:
        return self.mark.exists()


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    mark, program = tmp_path / "mark", tmp_path / "trap.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    return Trap(mark, program)


async def ask_all(repositories: Repositories, sha: str, named: str = "repo") -> None:
    """Every question there is, each with its right answer."""
    repository = repositories.open(named)
    assert (await repository.commit(sha)).sha == sha
    diff = await repository.diff(sha, WINDOW)
    assert "+more" in "".join(hunk.text for file in diff.files for hunk in file.hunks)
    assert await repository.tip("") == await repository.tip("main") == sha
    assert await repository.reachable([sha, "1" * len(sha)], sha) == {sha}
    assert (await anext(repository.log(sha, ""))).sha == sha


def with_fsmonitor(repo: Repo, trap: Trap) -> None:
    repo.config("core.fsmonitor", str(trap.program))


def with_pager(repo: Repo, trap: Trap) -> None:
    for name in ("core.pager", "pager.show", "pager.log", "core.editor", "sequence.editor"):
        repo.config(name, str(trap.program))


def with_ssh_command(repo: Repo, trap: Trap) -> None:
    for name in ("core.sshCommand", "core.gitProxy", "credential.helper", "core.askPass"):
        repo.config(name, str(trap.program))
    repo.config("remote.origin.url", "ssh://nowhere.invalid/repo")


def with_hooks_path(repo: Repo, trap: Trap) -> None:
    hooks = repo.directory / "evil"
    hooks.mkdir()
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        (hooks / name).symlink_to(trap.program)
    repo.config("core.hooksPath", str(hooks))


def with_hooks(repo: Repo, trap: Trap) -> None:
    (repo.directory / "hooks").mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (repo.directory / "hooks" / name).symlink_to(trap.program)


def with_external_diff(repo: Repo, trap: Trap) -> None:
    repo.config("diff.external", str(trap.program))


def with_diff_driver(repo: Repo, trap: Trap) -> None:
    repo.config("diff.evil.command", str(trap.program))
    (repo.directory / "info").mkdir(exist_ok=True)
    (repo.directory / "info" / "attributes").write_text("* diff=evil\n")


def with_textconv(repo: Repo, trap: Trap) -> None:
    """The attributes are committed before, and lie in the work tree."""
    repo.config("diff.evil.textconv", str(trap.program))


def with_filters(repo: Repo, trap: Trap) -> None:
    for name in ("clean", "smudge", "process"):
        repo.config(f"filter.evil.{name}", str(trap.program))


def with_attributes_file(repo: Repo, trap: Trap) -> None:
    (repo.directory / "evil").write_text("* diff=other\n")
    repo.config("core.attributesFile", str(repo.directory / "evil"))
    repo.config("diff.other.textconv", str(trap.program))
    (repo.path / ".gitattributes").unlink()


def with_include(repo: Repo, trap: Trap) -> None:
    (repo.directory / "evil").write_text(f'[diff]\n\texternal = "{trap.program}"\n')
    repo.config("include.path", str(repo.directory / "evil"))


def with_worktree_config(repo: Repo, trap: Trap) -> None:
    repo.config("core.repositoryFormatVersion", "1")
    repo.config("extensions.worktreeConfig", "true")
    (repo.directory / "config.worktree").write_text(f'[diff]\n\texternal = "{trap.program}"\n')


def with_alias(repo: Repo, trap: Trap) -> None:
    for name in ("evil", "show", "log", "rev-list"):
        repo.config(f"alias.{name}", f"!{trap.program}")


def with_signatures(repo: Repo, trap: Trap) -> None:
    for name in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program"):
        repo.config(name, str(trap.program))
    repo.config("log.showSignature", "true")
    body = repo.git_bytes("cat-file", "commit", "HEAD").replace(b"\n\n", b"\n" + SIGNATURE + b"\n")
    sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=body)
    repo.git("update-ref", "refs/heads/main", sha)


def with_pack_objects_hook(repo: Repo, trap: Trap) -> None:
    repo.config("uploadpack.packObjectsHook", str(trap.program))
    repo.config("core.alternateRefsCommand", str(trap.program))
    repo.config("core.worktree", "/")


# Each with what springs it where git is let in; nothing where that takes a terminal or a network.
SETTINGS: list[tuple[Callable[[Repo, Trap], None], tuple[str, ...]]] = [
    (with_fsmonitor, ("status",)),
    (with_pager, ()),
    (with_ssh_command, ("fetch", "origin")),
    (with_hooks_path, ("checkout", "-f", "-b", "other")),
    (with_hooks, ("checkout", "-f", "-b", "other")),
    (with_external_diff, ("show", "--ext-diff")),
    (with_diff_driver, ("show", "--ext-diff")),
    (with_textconv, ("show",)),
    (with_filters, ("add", "--renormalize", ".")),
    (with_attributes_file, ("show",)),
    (with_include, ("show", "--ext-diff")),
    (with_worktree_config, ("show", "--ext-diff")),
    (with_alias, ("evil",)),
    (with_signatures, ("log",)),
    (with_pack_objects_hook, ()),
]


@pytest.mark.parametrize(
    ("set_up", "springs"), SETTINGS, ids=[each[0].__name__ for each in SETTINGS]
)
async def test_nothing_that_a_repository_sets_is_run(
    repositories: Repositories,
    repo: Repo,
    trap: Trap,
    set_up: Callable[[Repo, Trap], None],
    springs: tuple[str, ...],
) -> None:
    repo.commit({".gitattributes": "*.txt diff=evil filter=evil\n", "a.txt": "one\n"})
    repo.commit({"a.txt": "one\nmore\n"})
    set_up(repo, trap)
    if springs:
        repo.runs(*springs)
        assert trap.is_sprung()
    repo.runs("symbolic-ref", "HEAD", "refs/heads/main")
    sha = repo.sha("main")
    trap.mark.unlink(missing_ok=True)
    before = tree_digest(repo.path)
    await ask_all(repositories, sha)
    assert not trap.is_sprung()
    assert tree_digest(repo.path) == before


async def test_a_submodule_is_not_gone_into(
    repositories: Repositories, repo: Repo, trap: Trap, roots: Path
) -> None:
    module = new_repository(roots / "module")
    module.commit({"m.txt": "one\n"})
    repo.commit({"a.txt": "one\n"})
    repo.git("submodule", "--quiet", "add", module.path.as_uri(), "module")
    modules = (
        f'[submodule "module"]\n\tpath = module\n\turl = ext::sh -c {trap.program}\n'
        f"\tupdate = !{trap.program}\n"
    )
    for name in ("submodule.module.update", "diff.external"):
        repo.config(name, f"!{trap.program}")
    repo.config("diff.submodule", "log")
    Repo(repo.path / "module").config("core.fsmonitor", str(trap.program))
    sha = repo.commit({".gitmodules": modules, "a.txt": "one\nmore\n"})
    trap.mark.unlink(missing_ok=True)
    before = tree_digest(roots)
    await ask_all(repositories, sha)
    commit = await repositories.open("repo").commit(sha)
    assert [file.path for file in commit.files if file.is_submodule] == ["module"]
    assert not trap.is_sprung()
    assert tree_digest(roots) == before


async def test_what_is_missing_is_not_fetched_by_a_command(
    repositories: Repositories, repo: Repo, trap: Trap, roots: Path
) -> None:
    repo.config("uploadpack.allowFilter", "true")
    repo.commit({"a.txt": "one\n"})
    sha = repo.commit({"a.txt": "one\nmore\n"})
    clone = cloned(repo, roots / "clone", "--filter=blob:none", "--no-checkout")
    clone.config("remote.origin.url", f"ext::sh -c {trap.program}")
    clone.runs("-c", "protocol.ext.allow=always", "show", "HEAD")
    assert trap.is_sprung()
    trap.mark.unlink()
    clone.config("protocol.ext.allow", "always")
    before = tree_digest(clone.path)
    for asked in (
        repositories.open("clone").commit(sha),
        repositories.open("clone").diff(sha, WINDOW),
    ):
        with pytest.raises(RepositoryUnavailable, match="lacks objects"):
            await asked
    assert not trap.is_sprung()
    assert tree_digest(clone.path) == before


async def test_whoever_owns_a_repository_its_objects_alone_are_read(
    repositories: Repositories, repo: Repo, trap: Trap
) -> None:
    """Another account's, where the tests may give it away; its own hook either way."""
    repo.commit({"a.txt": "one\n"})
    sha = repo.commit({"a.txt": "one\nmore\n"})
    with_external_diff(repo, trap)
    if os.geteuid() == 0:
        for path in [repo.path, *repo.path.rglob("*")]:
            os.chown(path, 65_534, 65_534)
    before = tree_digest(repo.path)
    await ask_all(repositories, sha)
    assert not trap.is_sprung()
    assert tree_digest(repo.path) == before


def injections(tmp_path: Path) -> Iterator[str]:
    mark, trap = tmp_path / "mark", tmp_path / "trap.sh"
    yield from (f"--output={mark}", f"--upload-pack={trap}", f"-ccore.pager={trap}", "-h", "--help")
    yield from (f"ext::sh -c {trap}", f"!{trap}", f"$({trap})", f"`{trap}`", f";{trap}", f"|{trap}")
    yield from (
        "HEAD",
        "@",
        "@{-1}",
        ":/more",
        "main",
        "refs/heads/main",
        "HEAD:a.txt",
        "main..HEAD",
    )
    yield from ("", " ", "--", "^HEAD", "--all", "--stdin", "\n", "1234567\n", "1234567 --all")


async def test_no_sha_is_more_than_hexadecimal_digits(
    repositories: Repositories, repo: Repo, trap: Trap, tmp_path: Path
) -> None:
    sha = repo.commit({"a.txt": "more\n"})
    repository = repositories.open("repo")
    before = tree_digest(repo.path)
    for text in injections(tmp_path):
        with pytest.raises(CommitNotFound):
            await repository.commit(text)
        with pytest.raises(CommitNotFound):
            await repository.diff(text, WINDOW)
        with pytest.raises(CommitNotFound):
            await anext(repository.log(text, ""))
        assert await repository.reachable([text, text.ljust(40, "x"), sha], sha) == {sha}
        assert [each.sha async for each in repository.log(sha, text)] == [sha]
    assert not trap.is_sprung()
    assert tree_digest(repo.path) == before


async def test_no_branch_is_more_than_a_branch(
    repositories: Repositories, repo: Repo, trap: Trap, tmp_path: Path
) -> None:
    repo.commit({"a.txt": "more\n"})
    repo.git("tag", "v1")
    (repo.directory / "a.lock").write_text("1" * 40)
    names = [name for name in injections(tmp_path) if name and name not in {"main", "@"}]
    names += ["../../HEAD", "../tags/v1", "main/../main", "/etc/passwd", "main/", "a..b", ".main"]
    names += ["main.lock", "m~1", "m^", "m:n", "m?", "m*", "m[", "m\\n", "m\x7f", "m\x00", "@"]
    names += ["a@{1", "a//b", "a/.b", "a.lock/b", "a.", "\udcff\ud800", "-main"]
    for name in names:
        with pytest.raises(BranchNotFound):
            await repositories.open("repo").tip(name)
    assert not trap.is_sprung()


def test_no_repository_is_more_than_a_path(
    repositories: Repositories, repo: Repo, trap: Trap, tmp_path: Path
) -> None:
    repo.commit({"a.txt": "more\n"})
    names = [name for name in injections(tmp_path) if name]
    names += ["repo\x00", "repo\n", "\ud800", "x" * 5_000, "file:///etc", "git@host.invalid:repo"]
    for name in names:
        with pytest.raises(RepositoryUnavailable) as refused:
            repositories.open(name)
        assert str(tmp_path) not in str(refused.value)
    assert not trap.is_sprung()
