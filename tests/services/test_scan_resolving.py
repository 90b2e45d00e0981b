"""Tickets that a commit says it closes are resolved, where their board allows it."""

from __future__ import annotations

from pathlib import Path

from tests.adapters.git_repositories import cloned
from tests.services.actors import Sql, changes, in_session
from tests.services.scenes import Scene, link


async def test_a_closing_word_resolves(scene: Scene) -> None:
    ticket, waiting = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    await scene.desk.update_ticket(ticket_id=waiting, updates={"blocked_by_ticket_ids": [ticket]})
    sha = scene.repo.commit(message=f"Add a page\n\nFixes {ticket}")
    reply = await scene.scan()
    assert reply["resolved"] == [ticket]
    assert reply["unblocked_tickets"] == [waiting]
    assert "not_resolved" not in reply
    details = await scene.desk.get_ticket(ticket_id=ticket)
    assert details["ticket"]["status"] == "done"
    [comment] = details["comments"]
    assert comment["comment_type"] == "resolution"
    assert comment["comment_text"] == f"Resolved by commit {sha[:12]}: Add a page"
    assert await changes(scene.desk, ticket) == ["created", "resolved"]


async def test_a_ticket_reopened_by_hand_stays_open(scene: Scene, sql: Sql) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    await scene.scan()
    await scene.desk.change_status(ticket_id=ticket, new_status="in_progress")
    scene.forget(sql)
    assert "resolved" not in await scene.scan()
    assert await scene.desk.status_of(ticket) == "in_progress"
    scene.repo.commit(message=f"Fixes {ticket} again")
    assert (await scene.scan())["resolved"] == [ticket]


async def test_a_resolved_ticket_is_only_linked(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.desk.resolve_ticket(ticket_id=ticket)
    sha = scene.repo.commit(message=f"Fixes {ticket}")
    reply = await scene.scan()
    assert reply["linked"] == [link(ticket, sha)]
    assert "resolved" not in reply
    assert "not_resolved" not in reply


async def test_resolving_may_be_left_out(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    reply = await scene.scan(resolve=False)
    assert len(reply["linked"]) == 1
    assert "resolved" not in reply
    assert await scene.desk.status_of(ticket) == "backlog"


async def test_what_may_not_be_resolved_is_told_and_the_rest_goes_on(scene: Scene) -> None:
    blocker, blocked, claimed, free = [await scene.desk.make_ticket() for _ in range(4)]
    await scene.desk.update_ticket(ticket_id=blocked, updates={"blocked_by_ticket_ids": [blocker]})
    await in_session(scene.desk, "ada").claim_ticket(ticket_id=claimed)
    scene.repo.commit(message=f"Fixes {blocked}, {claimed} and {free}")
    reply = await scene.scan()
    assert reply["resolved"] == [free]
    assert len(reply["linked"]) == 3
    reasons = {each["ticket_id"]: each["reason"] for each in reply["not_resolved"]}
    assert f"{blocked} is blocked by {blocker}" in reasons[blocked]
    assert f"{claimed} is claimed by 'ada'" in reasons[claimed]
    assert reply["complete"]
    for ticket in (blocked, claimed):
        assert "resolved" not in await changes(scene.desk, ticket)
        assert not (await scene.desk.get_ticket(ticket_id=ticket)).get("comments")


async def test_blockers_are_resolved_before_what_they_block(scene: Scene) -> None:
    blocker, blocked = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    await scene.desk.update_ticket(ticket_id=blocked, updates={"blocked_by_ticket_ids": [blocker]})
    scene.repo.commit(message=f"Fixes {blocked}")
    scene.repo.commit(message=f"Fixes {blocker}")
    reply = await scene.scan()
    assert reply["resolved"] == [blocker, blocked]
    assert "unblocked_tickets" not in reply


async def test_a_board_that_wants_a_comment_has_one(scene: Scene) -> None:
    await scene.settings(require_comment_on_status_change=True)
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    assert (await scene.scan())["resolved"] == [ticket]


async def test_a_transition_that_the_board_does_not_have_is_told(scene: Scene) -> None:
    await scene.settings(transitions={"backlog": ["in_progress"]})
    ticket = await scene.desk.make_ticket()
    scene.repo.commit(message=f"Fixes {ticket}")
    [refused] = (await scene.scan())["not_resolved"]
    assert "cannot move from 'backlog' to 'done'" in refused["reason"]


async def test_a_commit_on_the_boards_branch_is_the_one_that_the_board_wants(scene: Scene) -> None:
    await scene.settings(branch="main", require_commit_on_done=True)
    ticket, other = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    scene.repo.git("switch", "--quiet", "-c", "feature")
    scene.repo.commit(message=f"Fixes {other}")
    scene.repo.git("switch", "--quiet", "main")
    scene.repo.commit(message=f"Fixes {ticket}")
    assert (await scene.scan())["resolved"] == [ticket]
    [refused] = (await scene.scan(branch="feature"))["not_resolved"]
    assert refused["ticket_id"] == other
    assert "needs a verified commit on the branch 'main'" in refused["reason"]


async def test_what_cannot_be_read_is_linked_and_resolves_all_the_same(
    scene: Scene, tmp_path: Path
) -> None:
    """A clone without the files' contents knows what the commits say, and no more."""
    ticket = await scene.desk.make_ticket()
    sha = scene.repo.commit({"a.py": "1\n"}, f"Add a page\n\nFixes {ticket}")
    scene.repo.config("uploadpack.allowFilter", "true")
    cloned(scene.repo, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    await scene.settings(repository="partial")
    reply = await scene.scan()
    assert reply["linked"] == [{"ticket_id": ticket, "commit_sha": sha}]
    assert "lacks objects" in reply["unverified_because"]
    assert reply["resolved"] == [ticket]
    assert reply["complete"]
    [found] = await scene.linked(ticket)
    assert (found["commit_sha"], found["message"]) == (sha, "Add a page")
    assert "verified" not in found


async def test_what_cannot_be_read_is_not_what_a_board_wants(scene: Scene, tmp_path: Path) -> None:
    ticket = await scene.desk.make_ticket()
    scene.repo.commit({"a.py": "1\n"}, f"Fixes {ticket}")
    scene.repo.config("uploadpack.allowFilter", "true")
    cloned(scene.repo, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    await scene.settings(repository="partial", require_commit_on_done=True)
    [refused] = (await scene.scan())["not_resolved"]
    assert "needs a verified commit" in refused["reason"]
