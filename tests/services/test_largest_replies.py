from __future__ import annotations

from hephaestus_tickets.server.calls import compact
from tests.factories import BY_NAME, Desk, Json
from tests.services.actors import Sql
from tests.services.replies import (
    sent,
    whole_description,
    whole_relations,
    whole_text,
    whole_timeline,
)
from tests.services.rows import insert_blockers, insert_tickets, number_of

WIDE = "漢"
FOUR_BYTES = "🔥"
TEXT = FOUR_BYTES * 49_999 + "."


def wide_tickets(sql: Sql, desk: Desk, count: int, *, parent: str | None = None) -> list[str]:
    return insert_tickets(
        sql,
        desk.caller.default_workflow,
        count,
        title=FOUR_BYTES * 500,
        agent_id=FOUR_BYTES * 200,
        parent=parent,
    )


async def largest_ticket(desk: Desk, sql: Sql) -> str:
    """Every field, list and text as large as it can be."""
    blockers = wide_tickets(sql, desk, 200)
    ticket = await desk.make_ticket(
        title=FOUR_BYTES * 500,
        description=FOUR_BYTES * 100_000,
        tags=[f"{WIDE * 47}{number}" for number in range(30)],
        related_task_ids=[f"{FOUR_BYTES * 97}{number}" for number in range(50)],
        assigned_agent_id=FOUR_BYTES * 200,
        blocked_by_ticket_ids=blockers,
    )
    links = [{"ticket_id": blocker, "kind": "relates_to"} for blocker in blockers[:100]]
    await desk.update_ticket(ticket_id=ticket, updates={"links": links})
    children = wide_tickets(sql, desk, 60, parent=ticket)
    edges = [(child, ticket) for child in children]
    insert_blockers(sql, desk.caller.default_workflow, edges)
    comment = {
        "comment_text": TEXT,
        "mentions": [FOUR_BYTES * 100] * 20,
        "attachments": [FOUR_BYTES * 300] * 20,
    }
    await desk.add_comment(ticket_id=ticket, **comment)
    sql.run(
        """
        INSERT INTO ticket_comments
            (ticket_id, agent_id, comment_text, comment_type, mentions, attachments)
        SELECT ticket_id, agent_id, comment_text, comment_type, mentions, attachments
        FROM ticket_comments, generate_series(1, 59) WHERE ticket_id = :ticket
        """,
        ticket=number_of(ticket),
    )
    for number in range(12):
        await desk.link_commit(
            ticket_id=ticket, commit_sha=f"{number:07x}", commit_message=FOUR_BYTES * 10_000
        )
    return ticket


async def test_the_largest_ticket_fits_every_reply_and_all_of_it_can_be_reached(
    desk: Desk, sql: Sql
) -> None:
    ticket = await largest_ticket(desk, sql)
    details = await sent(desk, "get_ticket", ticket_id=ticket)
    told = "\n".join(details["omitted"])
    for name in ("description", "blocked_by", "comments", "commits", "links", "history"):
        assert name in told
    assert await whole_description(desk, ticket) == FOUR_BYTES * 100_000
    assert len(await whole_relations(desk, ticket, "blocked_by")) == 200
    assert len(await whole_relations(desk, ticket, "blocks")) == 60
    assert len(await whole_relations(desk, ticket, "sub_tickets")) == 60
    assert len(await whole_relations(desk, ticket, "links")) == 100
    entries = await whole_timeline(desk, ticket, limit=100)
    comments = [entry for entry in entries if entry["entry_id"].startswith("comment-")]
    assert len(comments) == 60
    assert [len(comment["mentions"]) for comment in comments] == [20] * 60
    last = comments[-1]
    assert last["clipped"] == {"comment_text": 50_000 - len(last["comment_text"])}
    assert await whole_text(desk, ticket, last["entry_id"], "comment_text") == TEXT
    commits = [entry for entry in entries if entry["entry_id"].startswith("commit-")]
    assert len(commits) == 12
    message = await whole_text(desk, ticket, commits[0]["entry_id"], "message")
    assert message == FOUR_BYTES * 10_000


async def test_a_list_of_the_widest_tickets_fits_and_its_cursor_reaches_the_rest(
    desk: Desk, sql: Sql
) -> None:
    made = wide_tickets(sql, desk, 100)
    found: list[str] = []
    cursor = ""
    pages = 0
    while cursor or not pages:
        page = await sent(desk, "get_tickets", limit=100, cursor=cursor, sort_order="asc")
        assert page["returned"] == len(page["tickets"])
        found += [ticket["ticket_id"] for ticket in page["tickets"]]
        cursor = page.get("next_cursor", "")
        pages += 1
    assert found == made
    assert pages > 1


async def test_twenty_ordinary_tickets_listed_stay_under_two_thousand_tokens(desk: Desk) -> None:
    for number in range(20):
        await desk.make_ticket(
            title=f"The importer drops the last line of a file without a newline ({number})",
            ticket_type="bug",
            priority="high",
            assigned_agent_id="agent-claude-17",
        )
    reply = await desk.calls.run(BY_NAME["get_tickets"], {}, desk.caller)
    assert len(compact(reply)) / 4 < 2_000


async def test_a_resolution_that_frees_thousands_names_what_fits_and_says_where_the_rest_is(
    desk: Desk, sql: Sql
) -> None:
    workflow_id = desk.caller.default_workflow
    ticket = await desk.make_ticket()
    children = insert_tickets(sql, workflow_id, 2_000, parent=ticket)
    insert_blockers(sql, workflow_id, [(child, ticket) for child in children])
    resolved = await sent(desk, "resolve_ticket", ticket_id=ticket)
    assert len(resolved["unblocked_tickets"]) == 900
    assert len(resolved["open_sub_tickets"]) == 900
    way = f"900 of 2000 are named; get_ticket(ticket_id='{ticket}', related_from=0) lists them"
    assert resolved["omitted"] == [f"unblocked_tickets: {way}", f"open_sub_tickets: {way}"]
    history = (
        "SELECT count(*) FROM ticket_history WHERE ticket_id = ANY(:ids) AND change_type = :kind"
    )
    ids = [number_of(child) for child in children]
    assert sql.one(history, ids=ids, kind="unblocked") == 2_000
    reopened = await sent(desk, "change_status", ticket_id=ticket, new_status="backlog")
    assert len(reopened["blocked_tickets"]) == 900


async def test_the_error_of_a_ticket_with_two_hundred_wide_blockers_fits(
    desk: Desk, sql: Sql
) -> None:
    blockers = wide_tickets(sql, desk, 200)
    ticket = await desk.make_ticket(blocked_by_ticket_ids=blockers)
    refusal = await sent(desk, "change_status", ticket_id=ticket, new_status="review")
    assert refusal.code == "ticket_blocked"
    assert "and 190 more" in str(refusal)


async def test_the_largest_board_fits_its_reply(desk: Desk) -> None:
    columns: Json = [
        {"id": f"{WIDE * 60}{number}", "name": WIDE * 80, "category": category}
        for number, category in enumerate(["todo", "done"] * 25)
    ]
    workflow_id = desk.caller.default_workflow
    await sent(desk, "configure_board", workflow_id=workflow_id, columns=columns)
    shown = await sent(desk, "get_board_config")
    assert len(shown["columns"]) == 50
