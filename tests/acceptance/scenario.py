"""What any client of the tracker must see, whatever its era and its door."""

from __future__ import annotations

import pytest
from mcp import Client, MCPError

from tests.acceptance.clients import Door, done, prompt, refused, refused_resource, resource


async def work_on_tickets(client: Client) -> None:
    """File two tickets, of which one blocks the other, and finish both."""
    table, login = await _file(client)
    await _be_refused(client, table, login)
    await _find(client, login)
    await _remark(client, login)
    await _finish(client, table, login)
    await _look_back(client, table, login)
    await _read_resources(client, login)


async def _file(client: Client) -> tuple[str, str]:
    table = await done(client, "create_ticket", title="Add the users table", priority="high")
    assert table == {
        "ticket_id": "ticket-1",
        "version": 1,
        "status": "backlog",
        "ticket_type": "task",
    }
    login = await done(
        client,
        "create_ticket",
        title="Check a password",
        blocked_by_ticket_ids=[table["ticket_id"]],
        tags=["Auth"],
    )
    assert login["is_blocked"] is True
    return table["ticket_id"], login["ticket_id"]


async def _be_refused(client: Client, table: str, login: str) -> None:
    refusal = await refused(client, "change_status", ticket_id=login, new_status="in_progress")
    assert refusal == (
        f"ticket_blocked: {login} is blocked by {table} 'Add the users table' (backlog). "
        "Resolve what blocks it first (resolve_ticket), or remove the blocker "
        "(update_ticket with remove_blocked_by_ticket_ids)."
    )
    status = await done(client, "get_ticket", ticket_id=login)
    assert status["ticket"]["status"] == "backlog"


async def _find(client: Client, login: str) -> None:
    for operation in ("hybrid_search", "search_by_keywords"):
        argument = "keywords" if operation == "search_by_keywords" else "query_text"
        found = await done(client, operation, **{argument: "checking passwords"})
        assert [hit["ticket_id"] for hit in found["results"]] == [login]


async def _remark(client: Client, login: str) -> None:
    text = 'argon2id, {"memory": 64}, ümläute, 日本語'
    comment = await done(client, "add_comment", ticket_id=login, comment_text=text)
    assert comment["comment_id"] == "comment-1"
    [seen] = (await done(client, "get_ticket", ticket_id=login))["comments"]
    assert (seen["comment_text"], seen["agent_id"]) == (text, "builder")


async def _finish(client: Client, table: str, login: str) -> None:
    taken = await done(client, "claim_ticket")
    assert (taken["ticket_id"], taken["ticket"]["assigned_agent_id"]) == (table, "builder")
    resolved = await done(
        client,
        "resolve_ticket",
        ticket_id=table,
        resolution_comment="Table users with a unique e-mail.",
        claim_token=taken["claim_token"],
    )
    assert (resolved["status"], resolved["unblocked_tickets"]) == ("done", [login])
    ready = await done(client, "get_ready_tickets")
    [next_one] = ready["tickets"]
    assert next_one["reason"] == f"its last blocker {table} is resolved"
    moved = await done(client, "change_status", ticket_id=login, new_status="in_progress")
    assert (moved["from_status"], moved["status"]) == ("backlog", "in_progress")
    linked = await done(client, "link_commit", ticket_id=login, commit_sha="4F2D9C1")
    assert linked["commit_sha"] == "4f2d9c1"


async def _look_back(client: Client, table: str, login: str) -> None:
    listed = await done(client, "get_tickets")
    assert [ticket["ticket_id"] for ticket in listed["tickets"]] == [login]
    every = await done(client, "get_tickets", include_completed=True, sort_order="asc")
    assert [ticket["ticket_id"] for ticket in every["tickets"]] == [table, login]
    timeline = await done(client, "get_ticket_history", ticket_id=login)
    told = [
        entry.get("change_type") or entry.get("comment_text") or entry["commit_sha"]
        for entry in timeline["entries"]
    ]
    assert [each for each in told if each in ("created", "unblocked", "status_changed")] == [
        "created",
        "unblocked",
        "status_changed",
    ]


async def _read_resources(client: Client, login: str) -> None:
    templates = (await client.list_resource_templates()).resource_templates
    assert [each.uri_template for each in templates] == [
        "ticket://{ticket_id}",
        "board://{workflow_id}",
    ]
    details = await done(client, "get_ticket", ticket_id=login)
    assert await resource(client, f"ticket://{login}") == details
    board = await done(client, "get_board_config")
    assert await resource(client, "board://default") == board


CHOOSING: dict[Door, str] = {"memory": "set TOOLSETS", "stdio": "set TOOLSETS"}
OVER_HTTP = "name it in the address's ?toolsets=, as in ?toolsets=core,plan,"


async def be_told_what_is_wrong(client: Client, door: Door) -> None:
    """Each mistake, with ticket-1 at hand, is answered with what to do instead."""
    assert (await refused(client, "create_issue", title="A ticket")).startswith(
        "unknown_tool: This session has no tool 'create_issue'. Use one of: create_ticket, "
    )
    assert await refused(client, "configure_board", workflow_id="default") == (
        "unknown_tool: This session has no tool 'configure_board'. "
        f"It belongs to the toolset 'admin': {CHOOSING.get(door, OVER_HTTP)} to show it."
    )
    assert await refused(client, "create_ticket", title="A ticket", prio="high") == (
        "unknown_argument: create_ticket does not take prio. Nothing was changed. Its arguments "
        "are: title, description, workflow_id, agent_id, ticket_type, priority, initial_status, "
        "assigned_agent_id, parent_ticket_id, blocked_by_ticket_ids, tags, related_task_ids, "
        "on_duplicate, idempotency_key."
    )
    assert await refused(client, "create_ticket", priority="urgent") == (
        "invalid_arguments: create_ticket cannot be called like that: 'title' is missing; "
        "'priority' must be 'critical', 'high', 'medium' or 'low', not 'urgent'. "
        "Nothing was changed."
    )
    assert await refused(client, "get_ticket", ticket_id="ticket-99") == (
        "ticket_not_found: There is no ticket 'ticket-99'. Ids look like ticket-12; an original "
        "id from an import works too. Find tickets with get_tickets."
    )
    assert await refused(client, "change_status", ticket_id="ticket-1", new_status="closed") == (
        "unknown_status: 'closed' is not a status of this board. "
        "Use one of: backlog, in_progress, review, done, cancelled."
    )
    assert (await refused(client, "add_comment", ticket_id="ticket-1", agent_id="x")).startswith(
        "invalid_arguments: "
    )
    assert (
        await refused(client, "add_comment", ticket_id="ticket-1", comment_text="!", agent_id="x")
    ).startswith("agent_mismatch: This session belongs to the agent 'builder'")
    assert "ticket_not_found: " in await refused_resource(client, "ticket://ticket-99")
    assert "workflow_not_found: " in await refused_resource(client, "board://elsewhere")


async def use_prompts(client: Client) -> None:
    listed = (await client.list_prompts()).prompts
    assert [each.name for each in listed] == ["work_on_ticket", "file_bug", "plan_feature"]
    assert "Work on ticket-12." in await prompt(client, "work_on_ticket", ticket_id="ticket-12")
    assert "It hangs." in await prompt(client, "file_bug", report="It hangs.")
    assert "blocked_by_ticket_ids" in await prompt(client, "plan_feature", goal="Log in")
    with pytest.raises(MCPError, match="Missing required arguments"):
        await client.get_prompt("file_bug")
    with pytest.raises(MCPError, match="Unknown prompt: file_a_bug"):
        await client.get_prompt("file_a_bug")
