"""Commits made by git itself, in a repository with our hooks, on a tracker of its own."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import is_one_sentence, run
from lines import Json, Lines, started
from servers import directory_of, until

from hephaestus_tickets.local.ending import stopped
from hephaestus_tickets.local.home import home_at
from tests.adapters.git_repositories import Repo, cloned, new_repository

SECONDS = 30
FOREIGN = "#!/bin/sh\necho mine\n"


@dataclass(frozen=True)
class Tracker:
    """A tracker that runs, and a client of it."""

    home: Path
    lines: Lines

    def call(self, tool: str, **arguments: Json) -> Json:
        result = self.lines.call(tool, **arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]

    def make_ticket(self) -> str:
        return self.call("create_ticket", title="A ticket", idempotency_key=os.urandom(8).hex())[
            "ticket_id"
        ]

    def ticket(self, ticket: str) -> Json:
        return self.call("get_ticket", ticket_id=ticket)

    def linked(self, ticket: str) -> list[str]:
        return [commit["commit_sha"] for commit in self.ticket(ticket).get("commits", [])]


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    """In a directory whose name has a blank and a quote."""
    with directory_of("") as directory:
        home = directory / "home"
        try:
            with started(home) as lines:
                lines.greet()
                yield Tracker(home, lines)
        finally:
            stopped(home_at(home))


@pytest.fixture
def repo(tracker: Tracker, tmp_path: Path) -> Repo:
    """With our hooks, and a name that a shell has to be told of with care."""
    repo = new_repository(tmp_path / 'it\'s a "repository" $HOME')
    install(tracker, repo)
    return repo


def install(tracker: Tracker, repo: Repo, *options: str) -> None:
    status, out, err = run(tracker.home, "scan", str(repo.path), "--install-hook", *options)
    assert (status, err) == (0, "")
    assert out.startswith("From now on commits and merges are looked through by ")


def hook(repo: Repo, name: str = "post-commit") -> Path:
    return repo.path / ".git" / "hooks" / name


def test_a_commit_resolves_the_ticket_that_it_fixes(tracker: Tracker, repo: Repo) -> None:
    ticket = tracker.make_ticket()
    began = time.monotonic()
    sha = repo.commit({"a.py": "1\n"}, f"Add a page\n\nFixes {ticket}")
    assert time.monotonic() - began < 1
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)
    assert tracker.ticket(ticket)["ticket"]["status"] == "done"


def test_commits_one_after_the_other_are_all_linked(tracker: Tracker, repo: Repo) -> None:
    ticket = tracker.make_ticket()
    shas = {repo.commit({"a.py": f"{part}\n"}, f"{ticket}: part {part}") for part in range(9)}
    time.sleep(1.2)  # the scan of the first ones is under way
    shas.add(repo.commit({"a.py": "end\n"}, f"{ticket}: the end"))
    until(lambda: set(tracker.linked(ticket)) == shas, SECONDS)


def test_what_a_merge_brings_is_looked_through(
    tracker: Tracker, repo: Repo, tmp_path: Path
) -> None:
    ticket = tracker.make_ticket()
    repo.commit(message="Begin")
    other = cloned(repo, tmp_path / "other")
    other.git("switch", "--quiet", "-c", "feature")
    sha = other.commit({"b.py": "1\n"}, f"Fixes {ticket}")
    repo.git("fetch", "--quiet", other.path, "feature:feature")
    repo.merge("feature")
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


def test_a_commit_in_a_linked_worktree_is_looked_through(
    tracker: Tracker, repo: Repo, tmp_path: Path
) -> None:
    ticket = tracker.make_ticket()
    repo.commit(message="Begin")
    repo.git("worktree", "add", "--quiet", "-b", "feature", tmp_path / "a worktree")
    sha = Repo(tmp_path / "a worktree").commit({"b.py": "1\n"}, f"Fixes {ticket}")
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


def test_a_package_of_the_repositorys_is_not_taken_for_ours(tracker: Tracker, repo: Repo) -> None:
    ticket = tracker.make_ticket()
    sha = repo.commit({"hephaestus_tickets/__init__.py": "raise SystemExit\n"}, f"Fixes {ticket}")
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


def test_a_tracker_that_is_gone_is_nothing_to_a_commit(tracker: Tracker, repo: Repo) -> None:
    ticket = tracker.make_ticket()
    text = hook(repo).read_text()
    assert " -P -m hephaestus_tickets " in text
    hook(repo).write_text(text.replace(" -P -m hephaestus_tickets ", " -P -m gone "))
    repo.commit(message=f"Fixes {ticket}")
    program = text.partition("setsid) ")[2].partition(" -P ")[0]
    hook(repo).write_text(text.replace(program, "/nonexistent/python"))
    began = time.monotonic()
    assert repo.commit(message=f"Fixes {ticket} again") == repo.sha()
    assert time.monotonic() - began < 1
    assert repo.git("log", "--format=%s").splitlines() == [
        f"Fixes {ticket} again",
        f"Fixes {ticket}",
    ]


def test_a_turn_that_was_never_ended_is_taken_after_a_minute(tracker: Tracker, repo: Repo) -> None:
    ticket = tracker.make_ticket()
    turn = repo.path / ".git" / "hephaestus-tickets-scan"
    turn.mkdir()
    then = time.time() - 180
    os.utime(turn, (then, then))
    sha = repo.commit(message=f"Fixes {ticket}")
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


@pytest.mark.parametrize("name", ["post-commit", "post-merge"])
def test_a_foreign_hook_is_kept(tracker: Tracker, tmp_path: Path, name: str) -> None:
    repo = new_repository(tmp_path / "repo")
    hook(repo, name).parent.mkdir(exist_ok=True)
    hook(repo, name).write_text(FOREIGN)
    status, out, err = run(tracker.home, "scan", str(repo.path), "--install-hook")
    assert (status, out) == (1, "")
    assert is_one_sentence(err)
    assert "unset $(git rev-parse --local-env-vars)" in err
    assert '--workflow=default "$PWD" ) </dev/null >/dev/null 2>&1 &`.' in err
    assert hook(repo, name).read_text() == FOREIGN
    others = {"post-commit", "post-merge"} - {name}
    assert not any(hook(repo, other).exists() for other in others)


def test_the_line_for_a_foreign_hook_does_it(tracker: Tracker, tmp_path: Path) -> None:
    repo = new_repository(tmp_path / "repo")
    hook(repo).parent.mkdir(exist_ok=True)
    hook(repo).write_text(FOREIGN)
    _, _, err = run(tracker.home, "scan", str(repo.path), "--install-hook")
    hook(repo).write_text(FOREIGN + err.partition("`")[2].rpartition("`")[0] + "\n")
    hook(repo).chmod(0o755)
    ticket = tracker.make_ticket()
    sha = repo.commit(message=f"Fixes {ticket}")
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


def test_our_hooks_are_written_anew_and_removed(tracker: Tracker, repo: Repo) -> None:
    assert stat.S_IMODE(hook(repo).stat().st_mode) == 0o755
    assert "--no-resolve" not in hook(repo).read_text()
    install(tracker, repo, "--no-resolve", "--branch", "it's")
    assert "'--branch=it'\"'\"'s' --no-resolve" in hook(repo).read_text()
    hook(repo, "post-merge").write_text(FOREIGN)
    status, out, _ = run(tracker.home, "scan", str(repo.path), "--uninstall-hook")
    assert (status, out) == (0, f"Removed {hook(repo)}.\n")
    assert not hook(repo).exists()
    assert hook(repo, "post-merge").read_text() == FOREIGN
    status, out, _ = run(tracker.home, "scan", str(repo.path), "--uninstall-hook")
    assert (status, out) == (0, "There is no hook of ours.\n")


def test_hooks_are_where_the_repository_has_them(tracker: Tracker, repo: Repo) -> None:
    shutil.rmtree(repo.path / ".git" / "hooks")
    repo.config("core.hooksPath", "its hooks")
    install(tracker, repo)
    ticket = tracker.make_ticket()
    sha = repo.commit(message=f"Fixes {ticket}")
    assert {path.name for path in (repo.path / "its hooks").iterdir()} == {
        "post-commit",
        "post-merge",
    }
    until(lambda: tracker.linked(ticket) == [sha], SECONDS)


def test_hooks_that_all_repositories_share_are_left_alone(tracker: Tracker, tmp_path: Path) -> None:
    repo = new_repository(tmp_path / "repo")
    shared = tmp_path / "shared"
    shared.mkdir()
    (tmp_path / "gitconfig").write_text(f"[core]\n\thooksPath = {shared}\n")
    status, _, err = run(
        tracker.home,
        "scan",
        str(repo.path),
        "--install-hook",
        GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"),
    )
    assert status == 1
    assert is_one_sentence(err)
    assert "core.hooksPath" in err
    assert list(shared.iterdir()) == []


def test_a_workflow_that_is_not_there_is_told_before_a_hook_is_written(
    tracker: Tracker, tmp_path: Path
) -> None:
    repo = new_repository(tmp_path / "repo")
    where = ("scan", str(repo.path), "--install-hook")
    status, _, err = run(tracker.home, *where, "--workflow", "tpyo")
    assert status == 1
    assert err == "hephaestus-tickets: There is no workflow 'tpyo'. Known workflows: default.\n"
    assert not hook(repo).exists()


def test_what_is_no_repository_is_told(tracker: Tracker, tmp_path: Path) -> None:
    for options in ([], ["--install-hook"], ["--uninstall-hook"]):
        status, out, err = run(tracker.home, "scan", str(tmp_path), *options)
        assert (status, out) == (1, "")
        assert is_one_sentence(err)
        assert f"Git finds no repository at {tmp_path}" in err
