from __future__ import annotations

import asyncio
import random

import anyio
import pytest
from sqlalchemy import URL

from tests.factories import Desk, Json
from tests.services.actors import Outcome, Sql, open_desks, outcome_of, refusals, replies
from tests.services.invariants import violations
from tests.services.rows import insert_tickets

CLIENTS = 8
STEPS = 25
TICKETS = 12
# What the rules may refuse here. Busy, Unavailable, or a constraint's refusal are not among it.
EXPECTED = {
    "already_resolved",
    "ticket_blocked",
    "blocker_cycle",
    "parent_cycle",
    "self_reference",
    "resolved_cannot_be_blocked",
    "wip_limit_reached",
    "starts_elsewhere",
    "version_conflict",
}
BOARD: Json = [
    {"id": "backlog", "category": "todo"},
    {"id": "in_progress", "category": "doing", "wip_limit": 5},
    {"id": "review", "category": "doing"},
    {"id": "done", "category": "done"},
    {"id": "cancelled", "category": "done"},
]


def a_call(dice: random.Random, tickets: list[str]) -> tuple[str, Json]:
    one, other = dice.choice(tickets), dice.choice(tickets)
    status = dice.choice(["backlog", "in_progress", "review", "done", "cancelled"])
    edge = dice.choice(["add_blocked_by_ticket_ids", "remove_blocked_by_ticket_ids"])
    calls: list[tuple[str, Json]] = [
        ("resolve_ticket", {"ticket_id": one, "commit_sha": f"{dice.randrange(9):07x}"}),
        ("change_status", {"ticket_id": one, "new_status": status, "comment": "on it"}),
        ("change_status", {"ticket_id": one, "new_status": "backlog"}),
        ("update_ticket", {"ticket_id": one, "updates": {edge: [other]}}),
        ("update_ticket", {"ticket_id": one, "updates": {"blocked_by_ticket_ids": [other]}}),
        ("update_ticket", {"ticket_id": one, "updates": {"parent_ticket_id": other}}),
        ("update_ticket", {"ticket_id": one, "updates": {"links": [{"ticket_id": other}]}}),
        ("update_ticket", {"ticket_id": one, "updates": {"title": f"{dice.random()}"}}),
        ("assign_ticket", {"ticket_id": one}),
        ("add_comment", {"ticket_id": one, "comment_text": "Seen"}),
        ("create_ticket", {"title": "New", "blocked_by_ticket_ids": [one, other]}),
    ]
    return dice.choice(calls)


async def one_client(desk: Desk, dice: random.Random, tickets: list[str]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for _ in range(STEPS):
        operation, arguments = a_call(dice, tickets)
        outcomes.append(await outcome_of(desk.call(operation, **arguments)))
    return outcomes


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_mixed_load_breaks_no_rule_and_shows_no_deadlock_to_any_caller(
    shared_url: URL, desk: Desk, sql: Sql, seed: int
) -> None:
    await desk.configure_board(workflow_id=desk.caller.default_workflow, columns=BOARD)
    tickets = insert_tickets(sql, desk.caller.default_workflow, TICKETS)
    async with open_desks(shared_url, desk, CLIENTS) as desks:
        with anyio.fail_after(60):
            runs = await asyncio.gather(
                *[
                    one_client(client, random.Random(f"{seed} {number}"), tickets)  # noqa: S311 - a load to be repeated, not a secret
                    for number, client in enumerate(desks)
                ]
            )
    outcomes = [outcome for run in runs for outcome in run]
    assert {refusal.code for refusal in refusals(outcomes)} <= EXPECTED
    assert len(replies(outcomes)) > CLIENTS * STEPS / 4
    assert violations(sql, desk.caller.default_workflow) == []
