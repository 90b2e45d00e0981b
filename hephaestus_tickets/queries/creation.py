"""A new ticket with all that belongs to it, in one statement."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Text, bindparam
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hephaestus_tickets.db import KEEPS_PLAN

# One row: the ticket's number. Its workflow is held, its blockers and its parent stand.
INSERT_TICKET = (
    sql(
        """
    WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
    ticket AS (
        INSERT INTO tickets (
            workflow_id, title, description, ticket_type, priority, status, created_by,
            assigned_agent_id, parent_ticket_id, tags, related_task_ids, open_blockers,
            created_at, updated_at, started_at, word_count, title_digest
        )
        SELECT :workflow_id, :title, :description, :ticket_type, :priority, :status, :agent_id,
               :assigned_agent_id, :parent, :tags, :related_task_ids, :open_blockers,
               now, now, CASE WHEN :is_started THEN now END, :word_count, :title_digest
        FROM moment
        RETURNING id, created_at
    ),
    blocked AS (
        INSERT INTO ticket_blockers (blocked_id, blocker_id, workflow_id, created_by, created_at)
        SELECT id, blocker, :workflow_id, :agent_id, created_at
        FROM ticket, unnest(:blockers) AS blocker
    ),
    posted AS (
        INSERT INTO keyword_postings (workflow, term, ticket_id, comment_id, frequency, length)
        SELECT :workflow, term, id, 0, frequency, :word_count
        FROM ticket, unnest(:terms, :frequencies) AS given (term, frequency)
    ),
    recorded AS (
        INSERT INTO ticket_history (
            ticket_id, agent_id, change_type, change_description, metadata, changed_at
        )
        SELECT id, :agent_id, 'created', :told, jsonb_build_object('version', 1), created_at
        FROM ticket
    ),
    queued AS (INSERT INTO index_jobs (ticket_id) SELECT id FROM ticket)
    SELECT id FROM ticket
    """
    )
    .bindparams(
        bindparam("workflow", type_=Integer),
        bindparam("priority", type_=SmallInteger),
        bindparam("parent", type_=BigInteger),
        bindparam("tags", type_=JSONB),
        bindparam("related_task_ids", type_=JSONB),
        bindparam("open_blockers", type_=BigInteger),
        bindparam("is_started", type_=Boolean),
        bindparam("word_count", type_=Integer),
        bindparam("title_digest", type_=LargeBinary),
        bindparam("blockers", type_=ARRAY(BigInteger)),
        bindparam("terms", type_=ARRAY(Text)),
        bindparam("frequencies", type_=ARRAY(Integer)),
        *[
            bindparam(name, type_=Text)
            for name in (
                "workflow_id",
                "title",
                "description",
                "ticket_type",
                "status",
                "agent_id",
                "assigned_agent_id",
                "told",
            )
        ],
    )
    .execution_options(**KEEPS_PLAN)
)
