"""The invariants themselves: each of them finds what breaks it."""

from __future__ import annotations

import pytest

from tests.factories import Desk
from tests.services.actors import Sql
from tests.services.invariants import RULES, violations
from tests.services.rows import number_of

CLAIM = """
    UPDATE tickets SET assigned_agent_id = 'x', claim_holder = 'x', claim_session = 'x',
        claim_token = 1, claim_ends_at = now(), claim_lease_seconds = 1, claim_from_status = status
"""
# How to break each rule, past the services. `:id` is a ticket blocked by `:other`.
BREAKS = {
    "open_blockers counts": "UPDATE tickets SET open_blockers = 2 WHERE id = :id",
    "no ticket waits for itself": (
        "INSERT INTO ticket_blockers SELECT blocker_id, blocked_id, workflow_id, 'x', now() "
        "FROM ticket_blockers WHERE blocked_id = :id"
    ),
    "no ticket is its own ancestor": (
        "UPDATE tickets SET parent_ticket_id = CASE id WHEN :id THEN :other ELSE :id END "
        "WHERE id IN (:id, :other)"
    ),
    "a version is": "UPDATE tickets SET version = 2 WHERE id = :id",
    "the history of a status": (
        "INSERT INTO ticket_history (ticket_id, agent_id, change_type, field_name, new_value) "
        "VALUES (:id, 'x', 'status_changed', 'status', '\"review\"')"
    ),
    "a status is a column": "UPDATE tickets SET status = 'gone' WHERE id = :id",
    "a ticket is created once": (
        "INSERT INTO ticket_history (ticket_id, agent_id, change_type) VALUES (:id, 'x', 'created')"
    ),
    "every ticket waits to be indexed": "DELETE FROM index_jobs WHERE ticket_id = :id",
    "a token is of one claim": f"{CLAIM} WHERE id IN (:id, :other)",
    "a claim ends before": f"{CLAIM} WHERE id = :id",
}


@pytest.mark.parametrize("rule", BREAKS)
async def test_a_broken_rule_is_found(desk: Desk, sql: Sql, rule: str) -> None:
    workflow_id = desk.caller.default_workflow
    other = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[other])
    assert violations(sql, workflow_id) == []
    numbers = [number_of(name) for name in (ticket, other)]
    sql.run(BREAKS[rule], id=numbers[0], other=numbers[1])
    assert any(found.startswith(rule) for found in violations(sql, workflow_id))


async def test_the_other_rules_are_held_by_the_database_itself() -> None:
    unbroken = [rule for rule in RULES if not any(map(rule.startswith, BREAKS))]
    assert unbroken == [
        "a resolved ticket has no open blockers",
        "resolved_at and completed_at stand exactly while a ticket is resolved",
        "a claim is whole, of who is assigned, and of a ticket to be done",
    ]


@pytest.mark.parametrize(
    "story",
    [
        ["claimed", "claimed"],
        ["claim_expired"],
        ["claimed", "claim_released", "claim_expired"],
        ["claim_resumed"],
        ["claimed"],
        ["claimed", "resolved", "claim_released"],
    ],
    ids=" ".join,
)
async def test_a_story_of_claims_that_cannot_be_is_found(
    desk: Desk, sql: Sql, story: list[str]
) -> None:
    workflow_id = desk.caller.default_workflow
    ticket = number_of(await desk.make_ticket())
    for change_type in story:
        sql.run(
            "INSERT INTO ticket_history (ticket_id, agent_id, change_type) "
            "VALUES (:id, 'x', :kind)",
            id=ticket,
            kind=change_type,
        )
    [found] = violations(sql, workflow_id)
    assert found.startswith("a claim ends before")
