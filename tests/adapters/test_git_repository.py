"""What a repository's commits and branches are, asked of git itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from hephaestus_tickets.adapters.git import (
    GitSettings,
    Repositories,
    no_repositories,
    open_repositories,
)
from hephaestus_tickets.domain.commits import (
    AmbiguousCommit,
    CommitNotFound,
    DiffPlace,
    DiffWindow,
    FileChange,
    FileStatus,
    RepositoryUnavailable,
)
from tests.adapters.git_repositories import AUTHOR, Repo, cloned, colliding, new_repository

TEN_LINES = "".join(f"line {number}\n" for number in range(10))


async def test_a_short_sha_is_answered_with_the_whole_one(
    repositories: Repositories, repo: Repo
) -> None:
    sha = repo.commit({"a.txt": "one\ntwo\n"}, "Add a\n\nBecause.\n")
    commit = await repositories.open("repo").commit(sha[:7])
    assert commit.sha == sha
    assert commit.parents == ()
    assert commit.author == AUTHOR
    assert commit.authored_at == commit.committed_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert commit.message == "Add a\n\nBecause."
    assert (commit.files_changed, commit.insertions, commit.deletions) == (1, 2, 0)
    assert commit.files == (FileChange(path="a.txt", status=FileStatus.ADDED, insertions=2),)


async def test_what_is_no_commit_is_not_found(repositories: Repositories, repo: Repo) -> None:
    repo.commit({"a.txt": "one\n"})
    blob, tree = repo.sha("HEAD:a.txt"), repo.sha("HEAD^{tree}")
    for sha in (blob, tree, "1" * 40, "abcdef0", "1" * 64):
        with pytest.raises(CommitNotFound):
            await repositories.open("repo").commit(sha)


async def test_a_tag_s_sha_stands_for_its_commit(repositories: Repositories, repo: Repo) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    repo.git("tag", "-a", "-m", "A tag", "v1")
    assert (await repositories.open("repo").commit(repo.sha("v1"))).sha == sha


async def test_the_beginning_of_two_shas_is_ambiguous(
    repositories: Repositories, repo: Repo
) -> None:
    repo.commit({"a.txt": "one\n"})
    with pytest.raises(AmbiguousCommit):
        await repositories.open("repo").commit(colliding(repo))


async def test_a_merge_is_compared_with_its_first_parent(
    repositories: Repositories, repo: Repo
) -> None:
    repo.commit({"a.txt": "one\n"})
    repo.git("checkout", "--quiet", "-b", "side")
    side = repo.commit({"side.txt": "1\n"})
    repo.git("checkout", "--quiet", "main")
    main = repo.commit({"main.txt": "1\n"})
    commit = await repositories.open("repo").commit(repo.merge("side"))
    assert commit.parents == (main, side)
    assert [file.path for file in commit.files] == ["side.txt"]


async def test_an_empty_commit_has_no_files(repositories: Repositories, repo: Repo) -> None:
    repo.commit({"a.txt": "one\n"})
    commit = await repositories.open("repo").commit(repo.commit())
    assert (commit.files, commit.files_changed) == ((), 0)


async def test_renames_and_copies_are_told(repositories: Repositories, repo: Repo) -> None:
    repo.commit({"a.txt": TEN_LINES, "b.txt": TEN_LINES + "b\n"})
    sha = repo.commit({"a.txt": None, "moved.txt": TEN_LINES, "b.txt": TEN_LINES + "b\nc\n"})
    commit = await repositories.open("repo").commit(sha)
    assert {(file.path, file.status, file.old_path) for file in commit.files} == {
        ("moved.txt", FileStatus.RENAMED, "a.txt"),
        ("b.txt", FileStatus.MODIFIED, ""),
    }
    sha = repo.commit({"b.txt": TEN_LINES, "copy.txt": TEN_LINES + "b\nc\n"})
    copied = (await repositories.open("repo").commit(sha)).files[-1]
    assert (copied.status, copied.old_path) == (FileStatus.COPIED, "b.txt")


async def test_a_submodule_is_told_as_one(repositories: Repositories, repo: Repo) -> None:
    repo.commit({"a.txt": "one\n"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.sha()},module")
    commit = await repositories.open("repo").commit(repo.commit_index())
    assert [(file.path, file.is_submodule) for file in commit.files] == [("module", True)]


async def test_names_and_messages_need_not_be_utf_8(repositories: Repositories, repo: Repo) -> None:
    repo.commit({b"caf\xe9.txt": "one\n"}, "Cafe")
    # Written as it is: git's own commands take what is not UTF-8 for Latin 1.
    body = repo.git_bytes("cat-file", "commit", "HEAD").replace(b"Cafe", b"Caf\xe9")
    sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=body)
    commit = await repositories.open("repo").commit(sha)
    assert commit.files[0].path == "caf\\xe9.txt"
    assert commit.message == "Caf\ufffd"


async def test_a_long_message_is_cut(repositories: Repositories, repo: Repo) -> None:
    sha = repo.commit({"a.txt": "one\n"}, "ä" * 30_000)
    assert len((await repositories.open("repo").commit(sha)).message) == 10_000
    logged = [each async for each in repositories.open("repo").log(sha, "")]
    assert [each.message for each in logged] == ["ä" * 20_000]


async def test_a_thousand_files_are_listed_and_all_are_counted(
    repositories: Repositories, repo: Repo
) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"one\n")
    listing = "".join(f"100644 {blob}\t{number:04}.txt\n" for number in range(1_005))
    repo.git("update-index", "--index-info", stdin=listing.encode())
    commit = await repositories.open("repo").commit(repo.commit_index())
    assert (commit.files_changed, commit.insertions, len(commit.files)) == (1_005, 1_005, 1_000)


async def test_a_diff_goes_on_where_a_page_of_it_ends(
    repositories: Repositories, repo: Repo
) -> None:
    sha = repo.commit({"a.txt": "one\n", "b.txt": "two\n"})
    repository = repositories.open("repo")
    first = await repository.diff(sha, DiffWindow(files=1, budget=10_000))
    assert [hunk.text for file in first.files for hunk in file.hunks] == ["+one"]
    assert first.goes_on == DiffPlace(file=1)
    window = DiffWindow(start=DiffPlace(file=1), files=1, budget=10_000)
    last = await repository.diff(sha, window)
    assert [hunk.text for file in last.files for hunk in file.hunks] == ["+two"]
    assert (last.commit.sha, last.goes_on) == (sha, None)


async def test_a_repository_of_sha256_is_read(repositories: Repositories, roots: Path) -> None:
    repo = new_repository(roots / "repo", object_format="sha256")
    sha = repo.commit({"a.txt": "one\n"})
    repository = repositories.open("repo")
    assert len(sha) == 64
    assert (await repository.commit(sha[:8])).sha == await repository.tip("main") == sha
    assert await repository.reachable([sha, "1" * 64, "1" * 40], sha) == {sha}


async def test_a_shallow_clone_ends_where_it_was_cut(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    for number in range(3):
        repo.commit({"a.txt": f"{number}\n"})
    clone = cloned(repo, roots / "clone", "--depth=2")
    repository = repositories.open("clone")
    logged = [commit.sha async for commit in repository.log(clone.sha(), "")]
    assert logged == [repo.sha("main"), repo.sha("main~1")]
    assert (await repository.commit(logged[-1])).parents == ()
    reached = await repository.reachable([*logged, repo.sha("main~2")], logged[0])
    assert reached == set(logged)


async def test_a_partial_clone_fetches_nothing(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    repo.config("uploadpack.allowFilter", "true")
    old = repo.commit({"a.txt": TEN_LINES})
    sha = repo.commit({"a.txt": TEN_LINES + "more\n"})
    clone = cloned(repo, roots / "clone", "--filter=blob:none", "--no-checkout")
    repository = repositories.open("clone")
    with pytest.raises(RepositoryUnavailable, match="lacks objects"):
        await repository.commit(sha)
    assert await repository.reachable([old], await repository.tip("")) == {old}
    missing = clone.git("rev-list", "--objects", "--missing=print", "HEAD").count("?")
    assert missing == 2


async def test_a_linked_worktree_has_a_head_of_its_own(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    main = repo.commit({"a.txt": "one\n"})
    repo.git("worktree", "add", "--quiet", "-b", "side", roots / "linked")
    side = Repo(roots / "linked").commit({"b.txt": "two\n"}, "In the worktree")
    linked, repository = repositories.open("linked"), repositories.open("repo")
    assert (await linked.tip(""), await linked.tip("main")) == (side, main)
    assert (await repository.tip(""), await repository.tip("side")) == (main, side)
    assert linked.key == repository.key


async def test_a_submodule_s_work_tree_is_a_repository(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    sha = new_repository(roots / "module").commit({"m.txt": "one\n"})
    repo.git("submodule", "--quiet", "add", (roots / "module").as_uri(), "module")
    repository = repositories.open("repo/module")
    assert (await repository.commit(sha)).files[0].path == "m.txt"
    assert repository.key != repositories.open("module").key


async def test_a_bare_repository_is_read(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    cloned(repo, roots / "bare.git", "--bare")
    assert (await repositories.open("bare.git").commit(sha)).files[0].path == "a.txt"


async def test_objects_may_be_borrowed_from_below_the_roots(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    sha = repo.commit({"a.txt": "one\n"})
    repo.git("clone", "--quiet", "--shared", repo.path, roots / "sharing")
    alternates = roots / "sharing" / ".git" / "objects" / "info" / "alternates"
    alternates.write_text("# the one beside it\n../../../repo/.git/objects\n")
    assert (await repositories.open("sharing").commit(sha)).sha == sha


def test_a_repository_keeps_its_key_whatever_names_it(
    repositories: Repositories, repo: Repo, roots: Path
) -> None:
    (roots / "link").symlink_to(repo.path)
    names = ("repo", str(repo.path), "./repo", "link", "repo/.git")
    assert len({repositories.open(name).key for name in names}) == 1
    new_repository(roots / "other")
    assert repositories.open("other").key != repositories.open("repo").key


def test_a_relative_name_is_looked_for_in_one_root_after_the_other(
    tmp_path: Path, roots: Path
) -> None:
    new_repository(tmp_path / "second" / "repo")
    settings = GitSettings(roots=f"{roots}:{tmp_path / 'second'}")
    with open_repositories(settings) as repositories:
        second = repositories.open("repo").key
        new_repository(roots / "repo")
        assert repositories.open("repo").key != second


async def test_the_default_repository_is_a_root_of_its_own(tmp_path: Path) -> None:
    sha = new_repository(tmp_path / "default").commit({"a.txt": "one\n"})
    new_repository(tmp_path / "beside")
    with open_repositories(GitSettings(repository=str(tmp_path / "default"))) as repositories:
        assert repositories.has_default
        assert await repositories.open("").tip("main") == sha
        with pytest.raises(RepositoryUnavailable, match="GIT_ROOTS"):
            repositories.open(str(tmp_path / "beside"))


def test_without_a_default_repository_one_has_to_be_named(repositories: Repositories) -> None:
    assert not repositories.has_default
    with pytest.raises(RepositoryUnavailable, match="GIT_REPOSITORY"):
        repositories.open("")
    assert not no_repositories().has_default
    for named in ("", "repo"):
        with pytest.raises(RepositoryUnavailable):
            no_repositories().open(named)


@pytest.mark.parametrize(
    "values",
    [{"roots": "relative"}, {"repository": "./here"}, {"deadline_seconds": 0}],
    ids=["roots", "repository", "deadline"],
)
def test_settings_that_mean_different_things_in_different_directories_are_refused(
    values: dict[str, str],
) -> None:
    with pytest.raises(ValidationError):
        GitSettings.model_validate(values)


def test_the_environment_names_roots_as_path_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("GIT_ROOTS", "/srv/git: ~/work :")
    monkeypatch.setenv("GIT_REPOSITORY", "")
    settings = GitSettings()
    assert settings.directories() == ("/srv/git", "/home/ada/work")
    assert (settings.repository, settings.deadline_seconds) == ("", 20)
