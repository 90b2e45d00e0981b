"""A board may want a commit on its branch before work is done."""

from __future__ import annotations

import pytest

from hephaestus_tickets.domain.board import InvalidBoard
from hephaestus_tickets.domain.commits import (
    BranchNotFound,
    CommitRequired,
    RepositoryUnavailable,
)
from hephaestus_tickets.domain.together import PlanRefused
from tests.services.scenes import Scene

NOWHERE = "f" * 40


async def test_a_board_that_wants_a_commit_lets_nothing_be_done_without(scene: Scene) -> None:
    await scene.settings(require_commit_on_done=True)
    ticket = await scene.desk.make_ticket()
    with pytest.raises(CommitRequired, match="it has no commit"):
        await scene.desk.resolve_ticket(ticket_id=ticket)
    with pytest.raises(CommitRequired):
        await scene.desk.change_status(ticket_id=ticket, new_status="cancelled")
    with pytest.raises(PlanRefused, match="needs a verified commit"):
        await scene.desk.resolve_tickets(ticket_ids=[ticket])
    await scene.desk.change_status(ticket_id=ticket, new_status="review")
    reply = await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha=scene.repo.sha())
    assert reply["status"] == "done"


async def test_a_commit_that_is_linked_already_is_enough(scene: Scene) -> None:
    await scene.settings(require_commit_on_done=True)
    one, other = await scene.desk.make_ticket(), await scene.desk.make_ticket()
    for ticket in (one, other):
        await scene.desk.link_commit(ticket_id=ticket, commit_sha=scene.repo.sha())
    assert (await scene.desk.resolve_ticket(ticket_id=one))["status"] == "done"
    assert (await scene.desk.resolve_tickets(ticket_ids=[other]))["resolved"]


async def test_a_commit_of_another_branch_is_not_enough_until_it_is_merged(scene: Scene) -> None:
    await scene.settings(require_commit_on_done=True, branch="main")
    ticket = await scene.desk.make_ticket()
    scene.repo.git("switch", "--quiet", "--create", "topic")
    sha = scene.repo.commit({"topic.py": "1\n"}, "On the topic")
    with pytest.raises(CommitRequired, match=sha[:12]):
        await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha=sha)
    assert await scene.linked(ticket) == []
    scene.repo.git("switch", "--quiet", "main")
    scene.repo.merge("topic")
    assert (await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha=sha))["status"] == "done"


async def test_only_the_columns_that_are_named_want_a_commit(scene: Scene) -> None:
    await scene.settings(require_commit_on_done=["done"])
    ticket = await scene.desk.make_ticket()
    with pytest.raises(CommitRequired):
        await scene.desk.change_status(ticket_id=ticket, new_status="done")
    moved = await scene.desk.change_status(ticket_id=ticket, new_status="cancelled")
    assert moved["status"] == "cancelled"
    with pytest.raises(InvalidBoard, match="'review', which is no 'done' column"):
        await scene.settings(require_commit_on_done=["review"])
    with pytest.raises(InvalidBoard, match="commit pattern"):
        await scene.settings(commit_patterns=["no place for it"])


async def test_an_unverified_commit_is_not_enough(scene: Scene) -> None:
    await scene.settings(require_commit_on_done=True)
    ticket = await scene.desk.make_ticket()
    with pytest.raises(CommitRequired):
        await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha=NOWHERE, allow_unverified=True)


async def test_what_cannot_be_asked_is_no_proof(scene: Scene) -> None:
    ticket = await scene.desk.make_ticket()
    await scene.settings(require_commit_on_done=True, branch="gone")
    with pytest.raises(BranchNotFound):
        await scene.desk.resolve_ticket(ticket_id=ticket, commit_sha=scene.repo.sha())
    await scene.settings(branch="main", repository=None)
    with pytest.raises(RepositoryUnavailable):
        await scene.desk.resolve_ticket(ticket_id=ticket)


async def test_a_ticket_that_is_done_moves_among_its_columns_and_stays_resolved(
    scene: Scene,
) -> None:
    """Moving to the same status changes nothing, and wants nothing."""
    ticket = await scene.desk.make_ticket()
    await scene.desk.resolve_ticket(ticket_id=ticket)
    await scene.settings(require_commit_on_done=True)
    moved = await scene.desk.change_status(
        ticket_id=ticket, new_status="done", comment="still done"
    )
    assert moved["status"] == "done"
