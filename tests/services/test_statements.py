"""The number of SQL statements of a call: bounded, and the same for one row and for sixty."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest_asyncio
from sqlalchemy import URL, Engine, event

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.agents import AgentRegister
from tests.factories import BY_NAME, Desk, Json
from tests.services.actors import Sql
from tests.services.rows import insert_blockers, insert_tickets, number_of

FEW, MANY = 1, 60
MOST_OF_A_PLAN = 13
MOST_OF_A_WRITE = 14  # an update of a ticket's blockers
MOST_OF_A_CREATION = 6  # two of them for its key, one to find its like


@contextmanager
def counted() -> Generator[list[str]]:
    """The statements executed meanwhile."""
    seen: list[str] = []

    def note(*arguments: Json) -> None:
        if "pg_notify" not in arguments[2]:  # it follows a commit, whosever that was
            seen.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def statements(desk: Desk, operation: str, **arguments: Json) -> list[str]:
    with counted() as seen:
        await desk.call(operation, **arguments)
    return seen


@dataclass(frozen=True)
class Crowd:
    """A ticket with so many of everything around it."""

    desk: Desk
    ticket: str
    blockers: list[str]


async def crowd(calls: Calls, sql: Sql, size: int) -> Crowd:
    workflow_id = f"w-{uuid.uuid4().hex}"
    caller = Caller(agent_id="tester", session="one", default_workflow=workflow_id)
    desk = Desk(calls, caller)
    await desk.configure_board(workflow_id=workflow_id)
    blockers = insert_tickets(sql, workflow_id, size)
    ticket = await desk.make_ticket(blocked_by_ticket_ids=blockers)
    children = insert_tickets(sql, workflow_id, size, parent=ticket)
    insert_blockers(sql, workflow_id, [(child, ticket) for child in children])
    sql.run(
        """
        WITH comments AS (
            INSERT INTO ticket_comments (ticket_id, agent_id, comment_text, comment_type)
            SELECT :ticket, 'x', 'Remark', 'general' FROM generate_series(1, :size)
        )
        INSERT INTO ticket_commits (ticket_id, agent_id, commit_sha)
        SELECT :ticket, 'x', lpad(to_hex(number), 7, '0') FROM generate_series(1, :size) number
        """,
        ticket=number_of(ticket),
        size=size,
    )
    return Crowd(desk, ticket, blockers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowds(calls: Calls, shared_url: URL) -> list[Crowd]:
    """One of `FEW` and one of `MANY`, each in a workflow of its own."""
    with Sql.on(shared_url) as sql:
        return [await crowd(calls, sql, size) for size in (FEW, MANY)]


def reads_of(ticket: str) -> list[tuple[str, Json]]:
    return [
        ("get_ticket", {"ticket_id": ticket}),
        ("get_ticket", {"ticket_id": ticket, "related_from": 0}),
        ("get_ticket_history", {"ticket_id": ticket, "limit": 100}),
        ("get_ticket_history", {"ticket_id": ticket, "sort_order": "desc"}),
        ("get_tickets", {"limit": 100, "include_completed": True}),
        ("get_tickets", {"filters": {"parent_ticket_id": ticket}, "sort_by": "status"}),
        ("get_board_config", {}),
        ("list_workflows", {}),
    ]


async def test_a_search_takes_as_many_statements_for_sixty_tickets_as_for_one(
    crowds: list[Crowd],
) -> None:
    few, many = [
        len(await statements(here.desk, "hybrid_search", query_text="A ticket")) for here in crowds
    ]
    assert few == many <= 3


async def test_a_read_takes_at_most_three_statements_however_much_it_finds(
    crowds: list[Crowd],
) -> None:
    few, many = [
        [
            len(await statements(here.desk, operation, **arguments))
            for operation, arguments in reads_of(here.ticket)
        ]
        for here in crowds
    ]
    assert few == many
    assert max(many) <= 3


async def test_a_ticket_is_read_with_all_around_it_in_one_statement(crowds: list[Crowd]) -> None:
    seen = await statements(crowds[1].desk, "get_ticket", ticket_id=crowds[1].ticket)
    assert len(seen) == 1


async def test_a_creation_is_six_statements_and_two_more_with_blockers(
    crowds: list[Crowd],
) -> None:
    desk = crowds[0].desk
    plain = await statements(desk, "create_ticket", title="Plain")
    assert len(plain) == MOST_OF_A_CREATION
    below = {"title": "Below", "blocked_by_ticket_ids": crowds[0].blockers}
    assert len(await statements(desk, "create_ticket", **below)) == MOST_OF_A_CREATION + 2


# In this order: each finds the ticket as the one before left it.
WRITES: list[tuple[str, Json]] = [
    ("update_ticket", {"updates": {"title": "New"}}),
    ("update_ticket", {"updates": {"tags": ["x"]}, "update_comment": "x"}),
    ("assign_ticket", {}),
    ("add_comment", {"comment_text": "x"}),
    ("link_commit", {"commit_sha": "fffffff"}),
    ("record_change", {"change_type": "external.x"}),
    ("index_ticket", {}),
    ("reindex_ticket", {}),
    ("update_ticket", {"updates": {"blocked_by_ticket_ids": []}}),
    ("claim_ticket", {}),
    ("renew_claim", {}),
    ("update_ticket", {"updates": {"title": "Newer"}}),
    ("release_claim", {"hand_over": {"done": ["x"]}}),
    ("change_status", {"new_status": "review", "comment": "x", "commit_sha": "eeeeeee"}),
    ("resolve_ticket", {"resolution_comment": "x"}),
    ("change_status", {"new_status": "backlog"}),
]


async def test_a_write_takes_as_many_statements_for_sixty_dependents_as_for_one(
    crowds: list[Crowd],
) -> None:
    counts: list[list[int]] = []
    for here in crowds:
        # The register of agents, which follows a write once a minute, is not the write: a new one
        # is served first, so that no minute ends in between.
        desk = replace(here.desk, calls=replace(here.desk.calls, register=AgentRegister()))
        await desk.add_comment(ticket_id=here.ticket, comment_text="Here")
        counts.append(
            [
                len(
                    await statements(
                        desk,
                        operation,
                        ticket_id=here.ticket,
                        idempotency_key=f"{here.ticket} {number}",
                        **arguments,
                    )
                )
                for number, (operation, arguments) in enumerate(WRITES)
            ]
        )
        created = {"title": "x", "blocked_by_ticket_ids": here.blockers, "tags": ["x"]}
        counts[-1].append(len(await statements(desk, "create_ticket", **created)))
    few, many = counts
    assert few == many
    assert max(many) <= MOST_OF_A_WRITE


async def test_a_plan_takes_as_many_statements_for_two_hundred_tickets_as_for_two(
    crowds: list[Crowd],
) -> None:
    desk = crowds[0].desk
    blocker = await desk.make_ticket()
    await desk.create_tickets(tickets=[{"title": "Here"}])
    counts = [
        len(await statements(desk, "create_tickets", tickets=plan, dry_run=dry_run))
        for dry_run in (False, True)
        for plan in (chain(blocker, 2), chain(blocker, 200))
    ]
    assert counts[0] == counts[1] <= MOST_OF_A_PLAN
    assert counts[2] == counts[3] <= 6


def chain(blocker: str, count: int) -> Json:
    """Each blocked by the one before and an existing ticket, all below the first."""
    first = {"title": "First", "ref": "t0", "blocked_by": [blocker]}
    return [
        first,
        *(
            {
                "title": f"Step {place}",
                "ref": f"t{place}",
                "parent": "t0",
                "blocked_by": [f"t{place - 1}", blocker],
            }
            for place in range(1, count)
        ),
    ]


async def test_every_operation_on_tickets_is_counted_here() -> None:
    counted_here = {operation for operation, _ in WRITES} | {"create_ticket", "create_tickets"}
    writes = {name for name, operation in BY_NAME.items() if operation.kind == "write"}
    # By the same code as others: force_release, record_commit_link, record_status_transition; and
    # ticket by ticket update_tickets, resolve_tickets, scan_commits.
    assert writes - counted_here == {
        "update_tickets",
        "resolve_tickets",
        "scan_commits",
        "configure_board",
        "force_release",
        "record_commit_link",
        "record_status_transition",
    }
