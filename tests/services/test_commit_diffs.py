"""What a commit changed, file by file, in pages; and who may see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hephaestus_tickets.domain.commits import (
    CommitNotFound,
    InvalidCommitSha,
    RepositoryUnavailable,
)
from hephaestus_tickets.domain.cursor import InvalidCursor
from hephaestus_tickets.domain.text import json_size
from tests.adapters.git_repositories import new_repository
from tests.factories import Desk, Json
from tests.services.scenes import Scene


async def test_a_diff_tells_who_why_and_what(scene: Scene) -> None:
    scene.repo.commit({"kept.py": "one\ntwo\nthree\n", "gone.py": "x\n" * 5})
    sha = scene.repo.commit(
        {"kept.py": "one\n2\nthree\n", "gone.py": None, "new.bin": b"\0\1"}, "Change\n\nWhy."
    )
    diff = await scene.desk.get_commit_diff(commit_sha=sha[:7])
    commit = diff["commit"]
    assert (commit["commit_sha"], commit["message"]) == (sha, "Change\n\nWhy.")
    assert commit["author"] == "Ada Lovelace <ada@example.org>"
    assert commit["parents"] == [scene.repo.sha("HEAD~1")]
    assert (commit["files_changed"], commit["insertions"], commit["deletions"]) == (3, 1, 6)
    gone, kept, new = diff["files"]
    assert (gone["path"], gone["status"], gone["deletions"]) == ("gone.py", "deleted", 5)
    assert (new["path"], new["status"], new["is_binary"]) == ("new.bin", "added", True)
    assert kept["hunks"] == [
        {
            "old_start": 1,
            "old_lines": 3,
            "new_start": 1,
            "new_lines": 3,
            "text": " one\n-two\n+2\n three",
        }
    ]
    assert "next_cursor" not in diff
    assert "omitted" not in diff


async def test_a_huge_diff_comes_in_pages_that_fit(scene: Scene) -> None:
    lines = {f"f{name:03}.txt": f"{name} line\n" * 700 for name in range(60)}
    sha = scene.repo.commit({**lines, "long.txt": "x" * 100_000 + "\n"}, "Much")
    added = dict.fromkeys([*lines, "long.txt"], 0)
    pages, cursor = 0, ""
    while True:
        diff = await scene.desk.get_commit_diff(commit_sha=sha, cursor=cursor)
        assert json_size(diff) <= 60_000
        for file in diff["files"]:
            added[file["path"]] += sum(len(h["text"].split("\n")) for h in file.get("hunks", []))
        pages += 1
        if "next_cursor" not in diff:
            break
        assert "call again with cursor=next_cursor" in diff["omitted"][-1]
        cursor = diff["next_cursor"]
    assert added == {**dict.fromkeys(lines, 700), "long.txt": 1}
    assert pages > 5
    assert diff["omitted"] == ["the ends of 1 very long lines"]
    assert diff["commit"]["files_changed"] == 61


async def test_the_list_of_files_needs_no_hunks(scene: Scene) -> None:
    sha = scene.repo.commit({f"f{name:04}": "1\n" for name in range(700)}, "Many")
    first = await scene.desk.get_commit_diff(commit_sha=sha, with_hunks=False)
    rest = await scene.desk.get_commit_diff(
        commit_sha=sha, with_hunks=False, cursor=first["next_cursor"]
    )
    paths = [file["path"] for file in [*first["files"], *rest["files"]]]
    assert paths == [f"f{name:04}" for name in range(700)]
    assert all("hunks" not in file for file in first["files"])


async def test_one_file_may_be_asked_for(scene: Scene) -> None:
    sha = scene.repo.commit({"a.txt": "a\n", "b.txt": "b\n"}, "Two")
    diff = await scene.desk.get_commit_diff(commit_sha=sha, path="b.txt")
    assert [file["path"] for file in diff["files"]] == ["b.txt"]
    none = await scene.desk.get_commit_diff(commit_sha=sha, path="c.txt")
    assert "files" not in none


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"commit_sha": "f" * 40}, CommitNotFound),
        ({"commit_sha": "HEAD"}, InvalidCommitSha),
        ({"commit_sha": "--upload-pack=x"}, InvalidCommitSha),
        ({"commit_sha": "f" * 40, "cursor": "nonsense"}, InvalidCursor),
    ],
    ids=["absent", "a name", "an option", "a cursor"],
)
async def test_what_is_wrong_is_told(scene: Scene, wrong: Json, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await scene.desk.get_commit_diff(**wrong)


async def test_a_workflow_without_a_repository_has_no_diffs(desk: Desk) -> None:
    with pytest.raises(RepositoryUnavailable):
        await desk.get_commit_diff(commit_sha="f" * 40)


def seeing(scene: Scene, *workflows: str, default: str) -> Desk:
    caller = replace(scene.desk.caller, workflows=frozenset(workflows), default_workflow=default)
    return replace(scene.desk, caller=caller)


async def test_commits_of_other_workflows_are_not_there(scene: Scene) -> None:
    """Two workflows with a repository each; what is linked leads to the other for who sees it."""
    mine = scene.desk.caller.default_workflow
    other = f"{mine}-other"
    theirs = new_repository(scene.repo.path.parent / "theirs")
    secret = theirs.commit({"secret": "1\n"}, "Secret")
    await scene.desk.configure_board(workflow_id=other, settings={"repository": str(theirs.path)})
    ticket = await scene.desk.make_ticket(workflow_id=other)
    await scene.desk.link_commit(ticket_id=ticket, commit_sha=secret)

    limited = seeing(scene, mine, default=mine)
    refusals: list[str] = []
    for sha in (secret, "f" * 40):
        with pytest.raises(CommitNotFound) as told:
            await limited.get_commit_diff(commit_sha=sha)
        refusals.append(str(told.value).replace(sha, "SHA"))
    assert refusals[0] == refusals[1]
    assert await limited.get_commit_diff(commit_sha=scene.repo.sha())

    both = seeing(scene, mine, other, default=mine)
    assert (await both.get_commit_diff(commit_sha=secret))["commit"]["message"] == "Secret"
    unlinked = theirs.commit({"more": "1\n"}, "More")
    with pytest.raises(CommitNotFound):
        await both.get_commit_diff(commit_sha=unlinked)
    diff = await both.get_commit_diff(commit_sha=unlinked, workflow_id=other)
    assert diff["commit"]["message"] == "More"
