from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.board import UnknownStatus, UnknownTicketType
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.cursor import InvalidCursor
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.operations import InvalidArguments
from hephaestus_tickets.schemas.arguments import UnknownFilter
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.lookup import TicketNotFound
from tests.factories import Desk, Json
from tests.services.actors import Sql
from tests.services.rows import number_of

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def set_times(sql: Sql, ticket_id: str, day: int) -> None:
    sql.run(
        "UPDATE tickets SET created_at = :at, updated_at = :at WHERE id = :id",
        at=START + day * DAY,
        id=number_of(ticket_id),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shelf(calls: Calls) -> Desk:
    """A workflow that tests only read."""
    caller = Caller(agent_id="tester", default_workflow=f"w-{uuid.uuid4().hex}")
    desk = Desk(calls, caller)
    await desk.configure_board(workflow_id=caller.default_workflow)
    return desk


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(shelf: Desk, shared_url: URL) -> dict[str, str]:
    """Tickets under names: each stands apart in one thing."""
    known = {
        "plain": await shelf.make_ticket(),
        "bug": await shelf.make_ticket(ticket_type="bug", priority="critical"),
        "review": await shelf.make_ticket(initial_status="review", priority="low"),
        "mine": await shelf.make_ticket(assigned_agent_id="agent-1"),
        "yours": await shelf.make_ticket(assigned_agent_id="agent-2"),
        "api": await shelf.make_ticket(tags=["api", "auth"]),
        "ui": await shelf.make_ticket(tags=["ui"]),
        "done": await shelf.make_ticket(priority="high"),
    }
    known["child"] = await shelf.make_ticket(parent_ticket_id=known["plain"])
    known["blocked"] = await shelf.make_ticket(blocked_by_ticket_ids=[known["bug"]])
    await shelf.resolve_ticket(ticket_id=known["done"])
    with Sql.on(shared_url) as sql:
        for day, ticket_id in enumerate(known.values()):
            set_times(sql, ticket_id, day)
    return known


async def found(desk: Desk, known: dict[str, str], **arguments: Json) -> set[str]:
    page = await desk.get_tickets(limit=100, **arguments)
    names = {ticket_id: name for name, ticket_id in known.items()}
    listed = {names[ticket["ticket_id"]] for ticket in page.get("tickets", [])}
    assert page["total_count"] == page["returned"] == len(listed)
    return listed


UNRESOLVED = {"plain", "bug", "review", "mine", "yours", "api", "ui", "child", "blocked"}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, UNRESOLVED),
        ({}, UNRESOLVED),
        ({"status": "review"}, {"review"}),
        ({"status": ["review", "done"]}, {"review", "done"}),
        ({"status": []}, set[str]()),
        ({"ticket_type": "bug"}, {"bug"}),
        ({"ticket_type": ["bug", "spike"]}, {"bug"}),
        ({"priority": "critical"}, {"bug"}),
        ({"priority": ["critical", "low"]}, {"bug", "review"}),
        ({"assigned_agent_id": "agent-1"}, {"mine"}),
        ({"assigned_agent_id": ["agent-1", "agent-2"]}, {"mine", "yours"}),
        ({"assigned_agent_id": ""}, UNRESOLVED - {"mine", "yours"}),
        ({"assigned_agent_id": ["", "agent-1"]}, UNRESOLVED - {"yours"}),
        ({"tags": "API"}, {"api"}),
        ({"tags": ["auth", "ui"]}, {"api", "ui"}),
        ({"tags": "absent"}, set[str]()),
        ({"is_blocked": True}, {"blocked"}),
        ({"is_blocked": False}, UNRESOLVED - {"blocked"}),
        ({"is_resolved": True}, {"done"}),
        ({"is_resolved": False}, UNRESOLVED),
        ({"created_after": "2026-01-08T00:00:00Z"}, {"child", "blocked"}),
        ({"created_before": "2026-01-02T00:00:00Z"}, {"plain"}),
        ({"created_before": "2026-01-02T01:00:00+01:00"}, {"plain"}),
        ({"updated_after": "2026-01-10"}, {"blocked"}),
        ({"updated_before": "2026-01-02T00:00:00.000001Z"}, {"plain", "bug"}),
        ({"created_after": "2026-01-02", "created_before": "2026-01-04"}, {"bug", "review"}),
        ({"priority": "critical", "status": "review"}, set[str]()),
        ({"tags": None, "priority": "low"}, {"review"}),
    ],
)
async def test_a_filter_finds_exactly_its_tickets(
    shelf: Desk, known: dict[str, str], filters: Json, expected: set[str]
) -> None:
    assert await found(shelf, known, filters=filters) == expected


async def test_sub_tickets_are_found_by_one_parent_or_several(
    shelf: Desk, known: dict[str, str]
) -> None:
    one = {"parent_ticket_id": known["plain"]}
    several = {"parent_ticket_id": [known["plain"], known["bug"]]}
    assert await found(shelf, known, filters=one) == {"child"}
    assert await found(shelf, known, filters=several) == {"child"}
    assert await found(shelf, known, filters={"parent_ticket_id": known["bug"]}) == set()


async def test_resolved_tickets_are_listed_where_they_are_asked_for(
    shelf: Desk, known: dict[str, str]
) -> None:
    assert await found(shelf, known, include_completed=True) == UNRESOLVED | {"done"}


@pytest.mark.parametrize(
    ("filters", "refusal", "sentence"),
    [
        ({"status": "open"}, UnknownStatus, "backlog, in_progress"),
        ({"ticket_type": ["bug", "epic"]}, UnknownTicketType, "'epic'"),
        ({"priority": "P1"}, InvalidArguments, "'critical'"),
        ({"parent_ticket_id": "ticket-999999"}, TicketNotFound, "ticket-999999"),
        ({"colour": "red", "status": "review"}, UnknownFilter, "does not know colour"),
        ({"created_after": "yesterday"}, InvalidArguments, "created_after"),
        ({"is_blocked": "perhaps"}, InvalidArguments, "is_blocked"),
    ],
)
async def test_a_filter_that_can_find_nothing_is_refused(
    desk: Desk, filters: Json, refusal: type[TicketError], sentence: str
) -> None:
    with pytest.raises(refusal) as refused:
        await desk.get_tickets(filters=filters)
    assert sentence in str(refused.value)


async def test_a_ticket_is_listed_in_a_few_words(desk: Desk) -> None:
    blocker = await desk.make_ticket(title="x" * 130)
    ticket = await desk.make_ticket(
        title="Short", blocked_by_ticket_ids=[blocker], assigned_agent_id="agent-1"
    )
    first, second = (await desk.get_tickets(sort_order="asc"))["tickets"]
    assert first["title"] == "x" * 119 + "…"
    assert second == {
        "ticket_id": ticket,
        "title": "Short",
        "status": "backlog",
        "priority": "medium",
        "ticket_type": "task",
        "assigned_agent_id": "agent-1",
        "is_blocked": True,
        "updated_at": second["updated_at"],
    }


PRIORITIES = ["medium", "critical", "low", "high", "low", "medium", "medium", "critical"]
STATUSES = ["review", "backlog", "in_progress", "backlog", "done", "review", "done", "in_progress"]
SORTED: dict[str, list[int]] = {
    "created_at": [0, 1, 2, 3, 4, 5, 6, 7],
    "updated_at": [0, 1, 2, 3, 4, 5, 6, 7],
    "priority": [2, 4, 0, 5, 6, 3, 1, 7],
    "status": [1, 3, 2, 7, 0, 5, 4, 6],
}


@pytest_asyncio.fixture(loop_scope="session")
async def eight(desk: Desk, sql: Sql) -> list[str]:
    """Tickets whose sort keys are equal in twos and threes."""
    made: list[str] = []
    for place, (priority, status) in enumerate(zip(PRIORITIES, STATUSES, strict=True)):
        is_done = status == "done"
        start = "backlog" if is_done else status
        ticket = await desk.make_ticket(priority=priority, initial_status=start)
        if is_done:
            await desk.resolve_ticket(ticket_id=ticket)
        set_times(sql, ticket, place // 2)
        made.append(ticket)
    return made


async def walked(desk: Desk, *, by_cursor: bool, **arguments: Json) -> list[str]:
    """The ids of a list, page by page."""
    seen: list[str] = []
    cursor = ""
    while cursor or not seen:
        place: Json = {"cursor": cursor} if by_cursor else {"offset": len(seen)}
        page = await desk.get_tickets(include_completed=True, **place, **arguments)
        assert page["total_count"] == 8
        seen += [ticket["ticket_id"] for ticket in page["tickets"]]
        cursor = page.get("next_cursor", "")
    return seen


@pytest.mark.parametrize("by_cursor", [True, False], ids=["cursor", "offset"])
async def test_a_walk_gives_each_ticket_once_in_the_order_asked_for(
    desk: Desk, eight: list[str], *, by_cursor: bool
) -> None:
    for sort_by, order in SORTED.items():
        expected = [eight[place] for place in order]
        for limit in (1, 3, 8):
            up = await walked(
                desk, by_cursor=by_cursor, sort_by=sort_by, sort_order="asc", limit=limit
            )
            down = await walked(
                desk, by_cursor=by_cursor, sort_by=sort_by, sort_order="desc", limit=limit
            )
            assert (up, down) == (expected, expected[::-1])


async def test_a_cursor_walk_is_not_upset_by_tickets_created_meanwhile(desk: Desk) -> None:
    made = [await desk.make_ticket() for _ in range(5)]
    first = await desk.get_tickets(limit=2)
    await desk.make_ticket()
    second = await desk.get_tickets(limit=3, cursor=first["next_cursor"])
    walked = [ticket["ticket_id"] for ticket in first["tickets"] + second["tickets"]]
    assert walked == made[::-1]
    assert "next_cursor" not in second


async def test_an_offset_past_the_end_still_counts_all(desk: Desk) -> None:
    await desk.make_ticket()
    assert await desk.get_tickets(offset=5) == {"total_count": 1, "returned": 0}


@pytest.mark.parametrize(
    "other", [{"sort_by": "priority"}, {"sort_order": "asc"}, {"sort_by": "status"}]
)
async def test_a_cursor_of_another_order_is_refused(desk: Desk, other: Json) -> None:
    for _ in range(2):
        await desk.make_ticket()
    cursor = (await desk.get_tickets(limit=1))["next_cursor"]
    with pytest.raises(InvalidCursor):
        await desk.get_tickets(cursor=cursor, **other)


@pytest.mark.parametrize(
    "arguments", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"sort_by": "title"}]
)
async def test_a_page_out_of_range_is_refused(desk: Desk, arguments: Json) -> None:
    with pytest.raises(InvalidArguments):
        await desk.get_tickets(**arguments)
