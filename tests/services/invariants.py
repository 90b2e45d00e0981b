"""What must hold in every workflow at every moment, asked in SQL."""

from __future__ import annotations

from tests.services.actors import Sql

MINE = """
    WITH RECURSIVE mine AS (SELECT * FROM tickets WHERE workflow_id = :workflow_id),
    edges AS (SELECT * FROM ticket_blockers WHERE workflow_id = :workflow_id)
"""
# Each statement, which goes on from the one above, finds what breaks the rule that names it.
RULES: dict[str, str] = {
    "open_blockers counts the unresolved blockers of an unresolved ticket": """
        SELECT t.id FROM mine t
        LEFT JOIN edges e ON e.blocked_id = t.id
        LEFT JOIN tickets b ON b.id = e.blocker_id AND NOT b.is_resolved
        WHERE NOT t.is_resolved
        GROUP BY t.id, t.open_blockers HAVING count(b.id) <> t.open_blockers
    """,
    "a resolved ticket has no open blockers": """
        SELECT id FROM mine WHERE is_resolved AND open_blockers <> 0
    """,
    "resolved_at and completed_at stand exactly while a ticket is resolved": """
        SELECT id FROM mine
        WHERE is_resolved <> (resolved_at IS NOT NULL)
           OR is_resolved <> (completed_at IS NOT NULL)
    """,
    "no ticket waits for itself": """
        , waits AS (
            SELECT blocked_id AS ticket, blocker_id AS waits_for FROM edges
            UNION
            SELECT waits.ticket, e.blocker_id
            FROM waits JOIN edges e ON e.blocked_id = waits.waits_for
        )
        SELECT ticket FROM waits WHERE ticket = waits_for
    """,
    "no ticket is its own ancestor": """
        , above AS (
            SELECT id AS ticket, parent_ticket_id AS upper FROM mine
            WHERE parent_ticket_id IS NOT NULL
            UNION
            SELECT above.ticket, t.parent_ticket_id
            FROM above JOIN mine t ON t.id = above.upper
            WHERE t.parent_ticket_id IS NOT NULL
        )
        SELECT ticket FROM above WHERE ticket = upper
    """,
    "a version is the number of changes that made one, the creation among them": """
        SELECT t.id FROM mine t
        LEFT JOIN ticket_history h ON h.ticket_id = t.id
        GROUP BY t.id, t.version
        HAVING count(DISTINCT h.metadata ->> 'version') <> t.version
            OR max((h.metadata ->> 'version')::bigint) <> t.version
    """,
    "the history of a status has no gap and ends where the ticket stands": """
        , moves AS (
            SELECT ticket_id, id, old_value, new_value,
                   lag(new_value) OVER (PARTITION BY ticket_id ORDER BY id) AS before,
                   lead(id) OVER (PARTITION BY ticket_id ORDER BY id) IS NULL AS is_last
            FROM ticket_history
            WHERE field_name = 'status' AND change_type NOT LIKE 'external.%'
        )
        SELECT t.id FROM moves JOIN mine t ON t.id = moves.ticket_id
        WHERE before <> old_value OR (is_last AND new_value <> to_jsonb(t.status))
    """,
    "a status is a column of the board, in the category that is_resolved says": """
        SELECT t.id FROM mine t
        LEFT JOIN LATERAL (
            SELECT c ->> 'category' AS category
            FROM board_configs b, jsonb_array_elements(b.columns) c
            WHERE b.workflow_id = t.workflow_id AND c ->> 'id' = t.status
        ) board ON true
        WHERE category IS NULL OR (category = 'done') <> t.is_resolved
    """,
    "a ticket is created once": """
        SELECT t.id FROM mine t
        LEFT JOIN ticket_history h ON h.ticket_id = t.id AND h.change_type = 'created'
        GROUP BY t.id HAVING count(h.id) <> 1
    """,
    "every ticket waits to be indexed": """
        SELECT t.id FROM mine t LEFT JOIN index_jobs j ON j.ticket_id = t.id
        WHERE j.ticket_id IS NULL
    """,
    "a claim is whole, of who is assigned, and of a ticket to be done": """
        SELECT id FROM mine
        WHERE num_nonnulls(claim_holder, claim_session, claim_token, claim_ends_at,
                           claim_lease_seconds, claim_from_status) NOT IN (0, 6)
           OR claim_holder IS NOT NULL
              AND (is_resolved OR claim_holder IS DISTINCT FROM assigned_agent_id)
    """,
    "a token is of one claim": """
        SELECT id FROM mine WHERE claim_token IN (
            SELECT claim_token FROM tickets GROUP BY claim_token HAVING count(*) > 1
        )
    """,
    "a claim ends before the next one begins, and the last stands if it has not ended": """
        , told AS (
            SELECT h.*, change_type IN ('claimed', 'claim_resumed') AS holds,
                   lag(change_type) OVER story IN ('claimed', 'claim_resumed') AS was_held,
                   lag(agent_id) OVER story AS holder_before,
                   lead(id) OVER story IS NULL AS is_last
            FROM ticket_history h
            WHERE change_type IN ('claimed', 'claim_resumed', 'claim_released', 'claim_expired',
                                  'resolved')
            WINDOW story AS (PARTITION BY ticket_id ORDER BY id)
        )
        SELECT t.id FROM mine t LEFT JOIN told ON told.ticket_id = t.id
        WHERE (change_type = 'claimed' AND was_held)
           OR (change_type LIKE 'claim\\_%' AND was_held IS NOT TRUE)
           OR (change_type = 'claim_resumed' AND told.agent_id <> holder_before)
           OR (is_last IS NOT FALSE
               AND t.claim_holder IS DISTINCT FROM CASE WHEN holds THEN told.agent_id END)
    """,
}
# What can be started, best first, by no counter and no index: a claim that is over is none, and
# what was under way by it stands again where it was taken from.
READY = """
    SELECT t.id FROM mine t
    JOIN board_configs b ON b.workflow_id = t.workflow_id
    WHERE NOT EXISTS (
              SELECT FROM edges e JOIN tickets blocker ON blocker.id = e.blocker_id
              WHERE e.blocked_id = t.id AND NOT blocker.is_resolved
          )
      AND (t.claim_holder IS NULL OR t.claim_ends_at <= clock_timestamp())
      AND EXISTS (
              SELECT FROM jsonb_array_elements(b.columns) stands,
                          jsonb_array_elements(b.columns) begins
              WHERE stands ->> 'id' = t.status AND begins ->> 'category' = 'todo'
                AND begins ->> 'id' = CASE
                    WHEN t.claim_holder IS NOT NULL AND stands ->> 'category' = 'doing'
                    THEN t.claim_from_status ELSE t.status END
          )
    ORDER BY t.priority DESC, t.created_at, t.id
"""


def violations(sql: Sql, workflow_id: str) -> list[str]:
    """Each broken rule with the tickets that break it."""
    broken = {
        rule: [row[0] for row in sql.rows(MINE + statement, workflow_id=workflow_id)]
        for rule, statement in RULES.items()
    }
    return [f"{rule}: {tickets}" for rule, tickets in broken.items() if tickets]


def ready_by_force(sql: Sql, workflow_id: str) -> list[str]:
    rows = sql.rows(MINE + READY, workflow_id=workflow_id)
    return [f"ticket-{row[0]}" for row in rows]
