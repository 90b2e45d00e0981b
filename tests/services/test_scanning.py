"""Commits that mention tickets are linked to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hephaestus_tickets.domain.commits import (
    BranchNotFound,
    CommitNotFound,
    InvalidCommitSha,
    RepositoryUnavailable,
)
from hephaestus_tickets.services.lookup import WorkflowNotActive
from tests.adapters.git_repositories import cloned, new_repository
from tests.services.actors import Sql, shown
from tests.services.replies import sent
from tests.services.rows import insert_blockers, insert_tickets, number_of
from tests.services.scenes import Scene, link, name

NOWHERE = "f" * 40


async def test_a_mention_becomes_a_verified_link(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    sha = scene.repo.commit({"a.py": "1\n2\n"}, f"Begin {ticket}\n\nMore of it.")
    reply = await scene.scan()
    assert reply == {
        "commits": 2,
        "linked": [link(ticket, sha)],
        "head": sha,
        "complete": True,
    }
    [found] = await scene.linked(ticket)
    assert found["commit_sha"] == sha
    assert found["verified"]
    assert found["message"] == f"Begin {ticket}\n\nMore of it."
    assert await scene.desk.status_of(ticket) == "backlog"


async def test_the_link_has_the_commits_facts(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit({"a.py": "1\n2\n"}, f"For {ticket}")
    await scene.scan()
    facts = sql.rows(
        "SELECT link_method, verified, files_changed, insertions, deletions FROM ticket_commits "
        "WHERE ticket_id = :ticket",
        ticket=number_of(ticket),
    )
    assert facts == [("auto_detected", True, 1, 2, 0)]


async def test_a_second_scan_does_nothing(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    head = scene.repo.commit(message=f"Fixes {ticket}")
    await scene.scan()
    before = await shown(scene.desk, ticket)
    assert await scene.scan() == {"commits": 0, "head": head, "complete": True}
    scene.forget(sql)
    assert await scene.scan() == {"commits": 2, "head": head, "complete": True}
    assert await shown(scene.desk, ticket) == before


async def test_it_goes_on_where_the_last_one_ended(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.scan()
    sha = scene.repo.commit(message=f"For {ticket}")
    reply = await scene.scan()
    assert reply["commits"] == 1
    assert reply["linked"] == [link(ticket, sha)]


async def test_original_ids_are_mentions_in_their_workflow_alone(scene: Scene, sql: Sql) -> None:
    ticket, elsewhere = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    other = f"{scene.desk.caller.default_workflow}-other"
    await scene.desk.configure_board(workflow_id=other)
    foreign = await scene.desk.make_ticket(workflow_id=other)
    name(sql, ticket, "HADOOP-12")
    name(sql, foreign, "bd-a1b2")
    sha = scene.repo.commit(message=f"HADOOP-12: not HADOOP-123, bd-a1b2 or {foreign}")
    assert (await scene.scan())["linked"] == [link(ticket, sha)]
    assert await scene.linked(elsewhere) == []


async def test_patterns_of_the_board_find_numbers(scene: Scene, sql: Sql) -> None:
    await scene.settings(commit_patterns=["bug {id}"])
    own, imported = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    number = str(number_of(own))
    first = scene.repo.commit(message=f"Fixes bug {number}")
    assert (await scene.scan())["resolved"] == [own]
    name(sql, imported, number)
    second = scene.repo.commit(message=f"See bug {number}")
    # A number is an original id first of all.
    assert (await scene.scan())["linked"] == [link(imported, second)]
    assert [link["commit_sha"] for link in await scene.linked(own)] == [first]


async def test_a_ticket_mentioned_twice_is_linked_once(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    name(sql, ticket, "X-1")
    scene.repo.commit(message=f"X-1: a page\n\nFixes {ticket}, see {ticket}")
    reply = await scene.scan()
    assert len(reply["linked"]) == 1
    assert reply["resolved"] == [ticket]


async def test_a_dry_run_keeps_nothing(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    before = await shown(scene.desk, ticket)
    tried = await scene.scan(dry_run=True)
    assert tried.pop("dry_run")
    assert await shown(scene.desk, ticket) == before
    assert await scene.linked(ticket) == []
    assert await scene.scan() == tried


async def test_a_long_range_is_linked_the_oldest_first_until_it_is_complete(
    scene: Scene, sql: Sql
) -> None:
    tickets = insert_tickets(sql, scene.desk.caller.default_workflow, 90)
    shas = [scene.repo.commit(message=f"{part} of {' '.join(tickets)}") for part in range(3)]
    replies = [await scene.scan(), await scene.scan()]
    assert [reply.get("complete", False) for reply in replies] == [False, True]
    found = [[link["commit_sha"] for link in reply["linked"]] for reply in replies]
    assert found == [[shas[0]] * 90 + [shas[1]] * 90 + [shas[2]] * 20, [shas[2]] * 70]
    assert [link["ticket_id"] for link in replies[0]["linked"]] == 2 * tickets + tickets[:20]
    assert (await scene.scan())["commits"] == 0


async def test_the_largest_reply_is_a_small_one(scene: Scene, sql: Sql) -> None:
    workflow = scene.desk.caller.default_workflow
    blocker = await scene.desk.make_ticket(title="\N{FIRE}" * 500)
    tickets = insert_tickets(sql, workflow, 200)
    insert_blockers(sql, workflow, [(ticket, blocker) for ticket in tickets])
    scene.repo.commit(message=f"Fixes {', '.join(tickets)}")
    reply = await sent(scene.desk, "scan_commits")
    assert len(reply["not_resolved"]) == 200
    assert all(len(each["reason"]) > 40 for each in reply["not_resolved"])


async def test_another_branch_is_looked_through_by_itself(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.scan()
    scene.repo.git("switch", "--quiet", "-c", "feature")
    sha = scene.repo.commit(message=f"For {ticket}")
    scene.repo.git("switch", "--quiet", "main")
    assert "linked" not in await scene.scan()
    reply = await scene.scan(branch="feature")
    assert reply["linked"] == [link(ticket, sha)]
    await scene.settings(branch="feature")
    assert (await scene.scan())["commits"] == 0


async def test_a_rewritten_branch_is_looked_through_again(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"For {ticket}")
    await scene.scan()
    scene.repo.git("commit", "--amend", "--quiet", "--allow-empty", "-m", f"Fixes {ticket}")
    scene.repo.git("reflog", "expire", "--expire=now", "--all")
    scene.repo.git("gc", "--quiet", "--prune=now")
    reply = await scene.scan()
    assert reply["linked"] == [link(ticket, scene.repo.sha())]
    assert reply["resolved"] == [ticket]


async def test_another_repository_has_a_mark_of_its_own(scene: Scene, tmp_path: Path) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.scan()
    other = new_repository(tmp_path / "other")
    sha = other.commit(message=f"For {ticket}")
    await scene.settings(repository="other")
    assert (await scene.scan())["linked"] == [link(ticket, sha)]


async def test_a_copy_of_the_repository_links_nothing_twice(scene: Scene, tmp_path: Path) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    await scene.scan()
    cloned(scene.repo, tmp_path / "copy")
    await scene.settings(repository="copy")
    assert "linked" not in await scene.scan()


async def test_it_may_begin_after_a_commit(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    start = scene.repo.commit(message=f"Old work on {ticket}")
    sha = scene.repo.commit(message=f"New work on {ticket}")
    reply = await scene.scan(since=start[:12])
    assert reply["commits"] == 1
    assert reply["linked"] == [link(ticket, sha)]
    assert (await scene.scan())["commits"] == 0


async def test_a_beginning_that_is_no_commit_is_refused(scene: Scene) -> None:
    with pytest.raises(CommitNotFound):
        await scene.scan(since=NOWHERE)
    with pytest.raises(InvalidCommitSha):
        await scene.scan(since="HEAD~1")


async def test_a_branch_or_a_repository_that_is_not_there_is_told(scene: Scene) -> None:
    with pytest.raises(BranchNotFound):
        await scene.scan(branch="none")
    await scene.settings(repository="none")
    with pytest.raises(RepositoryUnavailable):
        await scene.scan()


async def test_a_workflow_that_is_not_active_is_left_alone(scene: Scene) -> None:
    workflow = scene.desk.caller.default_workflow
    await scene.desk.configure_board(workflow_id=workflow, workflow_status="paused")
    with pytest.raises(WorkflowNotActive):
        await scene.scan()
