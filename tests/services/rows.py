"""Many tickets at once, written past the services as an import writes them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.services.actors import Sql


def number_of(ticket_id: str) -> int:
    return int(ticket_id.removeprefix("ticket-"))


def insert_tickets(
    sql: Sql,
    workflow_id: str,
    count: int,
    *,
    title: str = "A ticket",
    agent_id: str = "import",
    parent: str | None = None,
) -> list[str]:
    """Their ids, in order: each in the first column, created in its history, to be indexed."""
    rows = sql.rows(
        """
        WITH made AS (
            INSERT INTO tickets (workflow_id, title, ticket_type, priority, status, created_by,
                                 assigned_agent_id, parent_ticket_id)
            SELECT :workflow_id, :title, 'task', 1, 'backlog', :agent_id, :agent_id, :parent
            FROM generate_series(1, :count) RETURNING id
        ),
        told AS (
            INSERT INTO ticket_history (ticket_id, agent_id, change_type, metadata)
            SELECT id, :agent_id, 'created', '{"version": 1}' FROM made
        ),
        jobs AS (INSERT INTO index_jobs (ticket_id) SELECT id FROM made)
        SELECT id FROM made ORDER BY id
        """,
        workflow_id=workflow_id,
        title=title,
        agent_id=agent_id,
        count=count,
        parent=None if parent is None else number_of(parent),
    )
    return [f"ticket-{row[0]}" for row in rows]


def insert_blockers(sql: Sql, workflow_id: str, edges: Iterable[tuple[str, str]]) -> None:
    """(blocked, blocker) edges; each blocker is taken to be unresolved."""
    pairs = [(number_of(blocked), number_of(blocker)) for blocked, blocker in edges]
    sql.run(
        """
        WITH edges AS (
            INSERT INTO ticket_blockers (blocked_id, blocker_id, workflow_id, created_by)
            SELECT blocked, blocker, :workflow_id, 'import'
            FROM unnest(CAST(:blocked AS bigint[]), CAST(:blockers AS bigint[]))
                 AS pairs (blocked, blocker)
            RETURNING blocked_id
        )
        UPDATE tickets SET open_blockers = open_blockers + added.count
        FROM (SELECT blocked_id, count(*) FROM edges GROUP BY blocked_id) added
        WHERE id = added.blocked_id
        """,
        blocked=[blocked for blocked, _ in pairs],
        blockers=[blocker for _, blocker in pairs],
        workflow_id=workflow_id,
    )


def lapse(sql: Sql, ticket: str) -> None:
    """The time of its claim is over."""
    sql.run(
        "UPDATE tickets SET claim_ends_at = clock_timestamp() - interval '1 second' WHERE id = :id",
        id=number_of(ticket),
    )
