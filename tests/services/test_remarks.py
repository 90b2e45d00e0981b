from __future__ import annotations

import pytest

from hephaestus_tickets.domain.commits import InvalidCommitSha
from hephaestus_tickets.operations import InvalidArguments
from hephaestus_tickets.services.remarks import EmptyComment
from tests.factories import Desk
from tests.services.actors import Sql
from tests.services.rows import number_of

TYPES = ["general", "status_change", "assignment", "blocker", "resolution", "clarification"]


@pytest.mark.parametrize("comment_type", TYPES)
async def test_a_comment_is_kept_with_its_type_and_author(desk: Desk, comment_type: str) -> None:
    ticket = await desk.make_ticket()
    added = await desk.speaking_as("author").add_comment(
        ticket_id=ticket,
        comment_text=" As it is,\n blanks and all ",
        comment_type=comment_type,
        mentions=["agent-7"],
        attachments=["logs/build.txt"],
    )
    (comment,) = (await desk.get_ticket(ticket_id=ticket))["comments"]
    assert comment == {
        "comment_id": added["comment_id"],
        "agent_id": "author",
        "comment_type": comment_type,
        "comment_text": " As it is,\n blanks and all ",
        "mentions": ["agent-7"],
        "attachments": ["logs/build.txt"],
        "created_at": comment["created_at"],
    }


async def test_a_comment_is_no_change_of_the_ticket_but_counts_as_an_update(
    desk: Desk, sql: Sql
) -> None:
    ticket = await desk.make_ticket()
    assert (await desk.add_comment(ticket_id=ticket, comment_text="Hello"))["version"] == 1
    number = number_of(ticket)
    assert sql.one("SELECT updated_at > created_at FROM tickets WHERE id = :id", id=number)
    assert len((await desk.get_ticket(ticket_id=ticket))["history"]) == 1


async def test_a_comment_makes_the_waiting_index_job_newer(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket()
    number = number_of(ticket)
    statement = "SELECT version FROM index_jobs WHERE ticket_id = :id"
    before = sql.one(statement, id=number)
    await desk.add_comment(ticket_id=ticket, comment_text="Hello")
    assert sql.one(statement, id=number) > before


@pytest.mark.parametrize("text", [" ", "\n\t"])
async def test_a_blank_comment_is_refused(desk: Desk, text: str) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(EmptyComment):
        await desk.add_comment(ticket_id=ticket, comment_text=text)
    assert "comments" not in await desk.get_ticket(ticket_id=ticket)


async def test_a_comment_without_text_or_of_an_unknown_type_is_refused(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(InvalidArguments, match="comment_text"):
        await desk.add_comment(ticket_id=ticket, comment_text="")
    with pytest.raises(InvalidArguments, match="'general', 'status_change', 'assignment'"):
        await desk.add_comment(ticket_id=ticket, comment_text="x", comment_type="rant")


async def test_resolved_and_blocked_tickets_take_comments_too(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    blocked = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    await desk.add_comment(ticket_id=blocked, comment_text="Waiting")
    await desk.resolve_ticket(ticket_id=blocker)
    await desk.add_comment(ticket_id=blocker, comment_text="Thanks")


async def test_the_latest_ten_comments_are_shown_oldest_first_and_the_rest_is_said(
    desk: Desk,
) -> None:
    ticket = await desk.make_ticket()
    for number in range(12):
        await desk.add_comment(ticket_id=ticket, comment_text=f"Remark {number}")
    details = await desk.get_ticket(ticket_id=ticket)
    shown = [comment["comment_text"] for comment in details["comments"]]
    assert shown == [f"Remark {number}" for number in range(2, 12)]
    assert details["omitted"] == [
        f"comments: 10 are shown, there are more; get_ticket_history(ticket_id='{ticket}')"
    ]


@pytest.mark.parametrize("operation", ["link_commit", "record_commit_link"])
async def test_a_commit_is_linked_once_unverified_in_lower_case(desk: Desk, operation: str) -> None:
    ticket = await desk.make_ticket()
    message = {"link_commit": "commit_message", "record_commit_link": "message"}[operation]
    linked = await desk.call(
        operation, ticket_id=ticket, commit_sha=" ABCDEF0123 ", **{message: "Fix it\n\nReally"}
    )
    assert linked == {"ticket_id": ticket, "version": 1, "commit_sha": "abcdef0123"}
    again = await desk.call(operation, ticket_id=ticket, commit_sha="abcdef0123")
    assert again["already_linked"] is True
    (commit,) = (await desk.get_ticket(ticket_id=ticket))["commits"]
    assert (commit["commit_sha"], commit["message"]) == ("abcdef0123", "Fix it\n\nReally")
    assert "verified" not in commit


@pytest.mark.parametrize(
    "sha", ["", "HEAD", "abcdef", "g" * 40, "a" * 65, "abc def0", "--help", "abcdef0;ls"]
)
async def test_what_is_no_hex_sha_is_refused(desk: Desk, sha: str) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(InvalidCommitSha):
        await desk.link_commit(ticket_id=ticket, commit_sha=sha)
    assert "commits" not in await desk.get_ticket(ticket_id=ticket)


async def test_one_commit_may_be_linked_to_several_tickets(desk: Desk) -> None:
    first, second = await desk.make_ticket(), await desk.make_ticket()
    await desk.link_commit(ticket_id=first, commit_sha="a" * 40)
    linked = await desk.link_commit(ticket_id=second, commit_sha="a" * 40)
    assert "already_linked" not in linked


async def test_an_agent_takes_a_ticket_and_gives_it_away(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    taken = await desk.speaking_as("agent-1").assign_ticket(ticket_id=ticket)
    assert (taken["assigned_agent_id"], taken["version"]) == ("agent-1", 2)
    given = await desk.assign_ticket(ticket_id=ticket, assigned_agent_id="agent-2")
    assert (given["previous_agent_id"], given["assigned_agent_id"]) == ("agent-1", "agent-2")
    entries = (await desk.get_ticket_history(ticket_id=ticket))["entries"][1:]
    assert [
        (entry["change_type"], entry["agent_id"], entry.get("old_value"), entry["new_value"])
        for entry in entries
    ] == [("assigned", "agent-1", None, "agent-1"), ("assigned", "tester", "agent-1", "agent-2")]
    assert await desk.status_of(ticket) == "backlog"


async def test_assigning_to_whom_it_is_assigned_changes_nothing(desk: Desk) -> None:
    ticket = await desk.make_ticket(assigned_agent_id="agent-1")
    again = await desk.assign_ticket(ticket_id=ticket, assigned_agent_id="agent-1")
    assert again == {"ticket_id": ticket, "version": 1, "assigned_agent_id": "agent-1"}
