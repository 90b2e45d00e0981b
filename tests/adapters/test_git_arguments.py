"""What is asked of git, whatever a repository's configuration would have it say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.git_reading import listed, page, pages, shown, summary, whole, window
from tests.adapters.git_repositories import Repo, new_repository

SETTINGS = {
    "color.ui": "always",
    "core.abbrev": "4",
    "core.quotePath": "false",
    "diff.algorithm": "patience",
    "diff.colorMoved": "zebra",
    "diff.context": "0",
    "diff.external": "false",
    "diff.ignoreSubmodules": "all",
    "diff.indentHeuristic": "false",
    "diff.interHunkContext": "9",
    "diff.mnemonicPrefix": "true",
    "diff.noprefix": "true",
    "diff.orderFile": "order",
    "diff.relative": "true",
    "diff.renameLimit": "1",
    "diff.renames": "false",
    "diff.submodule": "log",
    "diff.suppressBlankEmpty": "true",
    "diff.made.command": "false",
    "diff.made.textconv": "false",
    "format.notes": "true",
    "format.pretty": "oneline",
    "i18n.logOutputEncoding": "ISO-8859-1",
    "log.abbrevCommit": "true",
    "log.date": "raw",
    "log.decorate": "full",
    "log.diffMerges": "combined",
    "log.mailmap": "true",
    "log.showRoot": "false",
    "log.showSignature": "true",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """With a root, a change of all that the settings are about, and a merge."""
    repo = new_repository(tmp_path)
    lines = [f"line {number}\n\n" for number in range(40)]
    repo.commit({"a": "".join(lines), "z": "1\n", "ö": "x", "d/e": "e"}, "Erst ä\n")
    repo.git("branch", "side")
    lines[3] = lines[20] = "changed\n"
    repo.write("z", None)
    repo.commit({"a": "".join(lines), "b": "1\n", "ü": "x\n\ny"}, "Zweit\n")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor")
    repo.commit_index("Submodule")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'2' * 40},vendor")
    repo.commit_index("Submodule, newer")
    repo.git("notes", "add", "-m", "A note")
    repo.git("switch", "--quiet", "--force", "side")
    repo.commit({"c": "c\n"})
    repo.git("switch", "--quiet", "--force", "main")
    repo.merge("side")
    return repo


def test_a_repositorys_configuration_changes_nothing(repo: Repo) -> None:
    shas = repo.git("rev-list", "HEAD").split()
    before = [(summary(listed(repo, sha)), page(shown(repo, sha), window())) for sha in shas]
    for name, value in SETTINGS.items():
        repo.config(name, value)
    (repo.path / "order").write_text("z\n")
    (repo.directory / "info" / "attributes").write_text("* diff=made\n")
    after = [(summary(listed(repo, sha)), page(shown(repo, sha), window())) for sha in shas]
    assert after == before


def test_a_merge_is_told_against_its_first_parent(repo: Repo) -> None:
    commit = summary(listed(repo, "HEAD"))
    assert len(commit.parents) == 2
    assert [file.path for file in commit.files] == ["c"]


def test_a_merge_that_resolves_a_conflict_has_no_combined_diff(repo: Repo) -> None:
    repo.git("switch", "--quiet", "--create", "other")
    repo.commit({"c": "theirs\n"})
    repo.git("switch", "--quiet", "main")
    repo.commit({"c": "ours\n"})
    repo.git("merge", "--quiet", "-s", "ours", "--no-commit", "other")
    sha = repo.commit({"c": "both\n"})
    files = page(shown(repo, sha), window()).files
    assert [hunk.text for hunk in files[0].hunks] == ["-ours\n+both"]


def test_a_root_has_all_its_files(repo: Repo) -> None:
    root = repo.git("rev-list", "--max-parents=0", "HEAD")
    found = whole(pages(shown(repo, root), files=1, budget=300))
    assert [file.change.path for file in found] == ["a", "d/e", "z", "ö"]


def test_a_commit_of_a_directory_below_is_listed_file_by_file(repo: Repo) -> None:
    sha = repo.commit({"d/f/g": "1\n", "d/f/h": "2\n"})
    assert [file.path for file in summary(listed(repo, sha)).files] == ["d/f/g", "d/f/h"]
