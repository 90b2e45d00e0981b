"""`scan` as a person types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import is_one_sentence, lead_to, say
from sqlalchemy import URL

from tests.adapters.git_repositories import Repo, new_repository
from tests.services.actors import Sql
from tests.services.rows import insert_blockers, insert_tickets, number_of


@pytest.fixture
def sql(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sql]:
    """DB_… lead to a database of the test's own."""
    lead_to(database_url, monkeypatch)
    with Sql.on(database_url) as opened:
        yield opened


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repository(tmp_path / "repo")


def set_board(sql: Sql, **settings: str) -> None:
    sql.run(
        "UPDATE board_configs SET settings = settings || CAST(:settings AS jsonb) "
        "WHERE workflow_id = 'default'",
        settings=json.dumps(settings),
    )


def linked(sql: Sql) -> list[str]:
    return [row[0] for row in sql.rows("SELECT commit_sha FROM ticket_commits ORDER BY id")]


def test_it_says_what_it_did(sql: Sql, repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    fixed, waiting, stuck, blocker = insert_tickets(sql, "default", 4)
    insert_blockers(sql, "default", [(waiting, fixed), (stuck, blocker)])
    sha = repo.commit(message=f"Fixes {fixed} and {stuck}")
    status, out, err = say(capsys, "scan", str(repo.path), "--dry-run")
    assert (status, err) == (0, "")
    *told, last = out.splitlines()
    assert told == [
        f"Looked at 1 commit up to {sha[:12]}.",
        "Would link: 2.",
        f"Would resolve: {fixed}.",
        f"Would unblock: {waiting}.",
    ]
    assert last.startswith(f"Not resolved: {stuck} is blocked by {blocker} 'A ticket' (backlog).")
    assert linked(sql) == []
    status, out, _ = say(capsys, "scan", str(repo.path))
    assert status == 0
    assert f"\nLinked: 2.\nResolved: {fixed}.\nUnblocked: {waiting}.\nNot resolved: {stuck} " in out
    assert linked(sql) == [sha, sha]
    assert say(capsys, "scan", str(repo.path)) == (
        0,
        f"Looked at 0 commits up to {sha[:12]}.\nLinked: 0.\n",
        "",
    )


def test_it_says_it_to_programs_or_to_nobody(
    sql: Sql, repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    [ticket] = insert_tickets(sql, "default", 1)
    sha = repo.commit(message=f"Fixes {ticket}")
    _, out, _ = say(capsys, "scan", str(repo.path), "--json", "--no-resolve")
    assert json.loads(out) == {
        "commits": 1,
        "linked": [{"ticket_id": ticket, "commit_sha": sha, "verified": True}],
        "head": sha,
        "complete": True,
    }
    assert say(capsys, "scan", str(repo.path), "--quiet") == (0, "", "")


def test_it_goes_on_until_it_is_complete(
    sql: Sql, repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    tickets = insert_tickets(sql, "default", 150)
    sha = [repo.commit(message=" ".join(tickets)) for _ in range(3)][-1]
    assert say(capsys, "scan", str(repo.path)) == (
        0,
        f"Looked at 3 commits up to {sha[:12]}.\nLinked: 450.\n",
        "",
    )
    assert len(linked(sql)) == 450


def test_it_acts_in_the_agents_name(
    sql: Sql, repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    [ticket] = insert_tickets(sql, "default", 1)
    repo.commit(message=f"Begin {ticket}")
    say(capsys, "scan", str(repo.path))
    monkeypatch.setenv("AGENT_ID", "ada")
    repo.commit(message=f"End {ticket}")
    say(capsys, "scan", str(repo.path))
    agents = sql.rows(
        "SELECT agent_id FROM ticket_commits WHERE ticket_id = :id ORDER BY id",
        id=number_of(ticket),
    )
    assert agents == [("scan",), ("ada",)]


def test_a_linked_worktree_may_be_named(
    sql: Sql, repo: Repo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [ticket] = insert_tickets(sql, "default", 1)
    repo.commit(message="Begin")
    repo.git("worktree", "add", "--quiet", "-b", "feature", tmp_path / "elsewhere")
    sha = Repo(tmp_path / "elsewhere").commit(message=f"For {ticket}")
    assert say(capsys, "scan", str(tmp_path / "elsewhere"))[0] == 0
    assert linked(sql) == [sha]


def test_which_repository_is_meant(
    sql: Sql,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one named, the board's, GIT_REPOSITORY's, the current directory's: in that order."""
    [ticket] = insert_tickets(sql, "default", 1)
    shas: list[str] = []
    for name in ("here", "default", "boards", "named"):
        repo = new_repository(tmp_path / name)
        shas.append(repo.commit({"below/a": name}, f"For {ticket}"))
    monkeypatch.chdir(tmp_path / "here" / "below")
    say(capsys, "scan")
    assert linked(sql) == shas[:1]
    monkeypatch.setenv("GIT_REPOSITORY", str(tmp_path / "default"))
    say(capsys, "scan")
    assert linked(sql) == shas[:2]
    monkeypatch.setenv("GIT_ROOTS", str(tmp_path))
    set_board(sql, repository="boards")
    say(capsys, "scan")
    assert linked(sql) == shas[:3]
    say(capsys, "scan", "../../named")
    assert linked(sql) == shas


def test_a_boards_repository_outside_the_roots_is_not_read(
    sql: Sql, repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit()
    set_board(sql, repository=str(repo.path))
    status, out, err = say(capsys, "scan")
    assert (status, out) == (1, "")
    assert is_one_sentence(err)
    assert "GIT_ROOTS" in err
