from __future__ import annotations

import uuid

import pytest
import pytest_asyncio
from sqlalchemy import text

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import Conflict, Invalid
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.services.violations import (
    CONSTRAINTS,
    ConstraintConflict,
    ConstraintInvalid,
)
from tests.factories import Desk, Json
from tests.services.actors import Sql, outcome_of
from tests.services.rows import number_of

TICKET = "UPDATE tickets SET {0} WHERE id = :id"
COMMENT = (
    "INSERT INTO ticket_comments (ticket_id, agent_id, comment_text, comment_type) VALUES ({0})"
)
COMMIT = "INSERT INTO ticket_commits (ticket_id, agent_id, commit_sha, link_method) VALUES ({0})"
SCAN = (
    "INSERT INTO commit_scans (workflow_id, repository, branch, head) "
    "VALUES (:workflow_id, 'x', 'x', {0})"
)
EDGE = (
    "INSERT INTO ticket_blockers (blocked_id, blocker_id, workflow_id, created_by) "
    "VALUES ({0}, :workflow_id, 'x')"
)
LINK = (
    "INSERT INTO ticket_links (source_id, target_id, kind, workflow_id, created_by) "
    "VALUES ({0}, :workflow_id, 'x')"
)
SPACE = "INSERT INTO embedding_spaces (provider, model, dimension, status) VALUES ({0})"
BEARER = "INSERT INTO tokens (name, digest, access, workflows) VALUES ({0})"
AGAIN = "INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM {0} WHERE {1}"
# How to violate each; `:id` is a ticket that `:other` blocks.
VIOLATIONS = {
    "pk_workflows": AGAIN.format("workflows", "workflow_id = :workflow_id"),
    "uq_workflows_workflow_id": (
        "INSERT INTO workflows (workflow_id, name) VALUES (:workflow_id, 'x')"
    ),
    "ck_workflows_status": "UPDATE workflows SET status = 'x' WHERE workflow_id = :workflow_id",
    "ck_workflows_workflow_id": "INSERT INTO workflows (workflow_id, name) VALUES ('', 'x')",
    "pk_board_configs": AGAIN.format("board_configs", "workflow_id = :workflow_id"),
    "uq_board_configs_workflow_id": (
        "UPDATE board_configs SET workflow_id = 'default' WHERE workflow_id = :workflow_id"
    ),
    "fk_board_configs_workflow_id": (
        "UPDATE board_configs SET workflow_id = 'nowhere' WHERE workflow_id = :workflow_id"
    ),
    "pk_agents": "INSERT INTO agents (agent_id) SELECT agent_id FROM agents LIMIT 1",
    "pk_tickets": AGAIN.format("tickets", "id = :id"),
    "uq_tickets_external_ref": (
        "UPDATE tickets SET external_ref = 'same' WHERE workflow_id = :workflow_id"
    ),
    "fk_tickets_workflow_id": (
        "INSERT INTO tickets (workflow_id, title, ticket_type, priority, status, created_by) "
        "VALUES ('nowhere', 'x', 'task', 1, 'backlog', 'x')"
    ),
    "fk_tickets_parent_ticket_id": TICKET.format("parent_ticket_id = 9000000000"),
    "ck_tickets_title": TICKET.format("title = ''"),
    "ck_tickets_description": TICKET.format("description = repeat('x', 100001)"),
    "ck_tickets_priority": TICKET.format("priority = 4"),
    "ck_tickets_parent_ticket_id": TICKET.format("parent_ticket_id = id"),
    "ck_tickets_tags": TICKET.format("tags = '{}'"),
    "ck_tickets_related_task_ids": TICKET.format("related_task_ids = '1'"),
    "ck_tickets_resolved_at": TICKET.format("is_resolved = true, open_blockers = 0"),
    "ck_tickets_open_blockers": TICKET.format("open_blockers = -1"),
    "ck_tickets_version": TICKET.format("version = 0"),
    "ck_tickets_claim": TICKET.format("claim_token = 1"),
    "ck_tickets_claim_holder": TICKET.format(
        "claim_holder = 'x', claim_session = '', claim_token = 1, claim_ends_at = now(), "
        "claim_lease_seconds = 1, claim_from_status = 'backlog', assigned_agent_id = 'y'"
    ),
    "pk_tokens": AGAIN.format("tokens", "name = 'test'"),
    "uq_tokens_digest": BEARER.format("'other', 'test', 'read', NULL"),
    "ex_tokens_name": BEARER.format("'test', 'other', 'read', NULL"),
    "ck_tokens_access": BEARER.format("'other', 'other', 'all', NULL"),
    "ck_tokens_name": BEARER.format("'', 'other', 'read', NULL"),
    "ck_tokens_workflows": BEARER.format("'other', 'other', 'read', '1'::jsonb"),
    "pk_idempotency_keys": (
        "INSERT INTO idempotency_keys (principal, key, digest) "
        "SELECT principal, key, digest FROM idempotency_keys LIMIT 1"
    ),
    "ck_tickets_word_count": TICKET.format("word_count = -1"),
    "pk_ticket_blockers": EDGE.format(":id, :other"),
    "fk_ticket_blockers_blocked_id": EDGE.format("9000000000, :other"),
    "fk_ticket_blockers_blocker_id": EDGE.format(":id, 9000000000"),
    "ck_ticket_blockers_self": EDGE.format(":id, :id"),
    "pk_ticket_links": LINK.format(":id, :other, 'relates_to'"),
    "fk_ticket_links_source_id": LINK.format("9000000000, :other, 'duplicates'"),
    "fk_ticket_links_target_id": LINK.format(":id, 9000000000, 'duplicates'"),
    "ck_ticket_links_self": LINK.format(":id, :id, 'duplicates'"),
    "ck_ticket_links_kind": LINK.format(":id, :other, 'causes'"),
    "pk_ticket_comments": AGAIN.format("ticket_comments", "ticket_id = :id"),
    "fk_ticket_comments_ticket_id": COMMENT.format("9000000000, 'x', 'x', 'general'"),
    "ck_ticket_comments_comment_text": COMMENT.format(":id, 'x', '', 'general'"),
    "ck_ticket_comments_comment_type": COMMENT.format(":id, 'x', 'x', 'rant'"),
    "pk_ticket_history": AGAIN.format("ticket_history", "ticket_id = :id"),
    "fk_ticket_history_ticket_id": (
        "INSERT INTO ticket_history (ticket_id, agent_id, change_type) "
        "VALUES (9000000000, 'x', 'created')"
    ),
    "tr_ticket_history_append_only": "DELETE FROM ticket_history WHERE ticket_id = :id",
    "pk_ticket_commits": AGAIN.format("ticket_commits", "ticket_id = :id"),
    "fk_ticket_commits_ticket_id": COMMIT.format("9000000000, 'x', 'abcdef1', 'manual'"),
    "uq_ticket_commits_ticket_id_commit_sha": COMMIT.format(":id, 'x', 'aaaaaaa', 'manual'"),
    "ck_ticket_commits_commit_sha": COMMIT.format(":id, 'x', 'ABCDEF1', 'manual'"),
    "ck_ticket_commits_link_method": COMMIT.format(":id, 'x', 'abcdef1', 'guessed'"),
    "ck_ticket_commits_verified": (
        "INSERT INTO ticket_commits (ticket_id, agent_id, commit_sha, verified) "
        "VALUES (:id, 'x', 'abcdef1', true)"
    ),
    "pk_commit_scans": SCAN.format("repeat('a', 40)), (:workflow_id, 'x', 'x', repeat('b', 40)"),
    "fk_commit_scans_workflow_id": (
        "INSERT INTO commit_scans (workflow_id, repository, branch, head) "
        "VALUES ('nowhere', 'x', 'x', repeat('a', 40))"
    ),
    "ck_commit_scans_head": SCAN.format("'abcdef1'"),
    "pk_index_jobs": AGAIN.format("index_jobs", "ticket_id = :id"),
    "fk_index_jobs_ticket_id": "INSERT INTO index_jobs (ticket_id) VALUES (9000000000)",
    "pk_keyword_postings": AGAIN.format("keyword_postings", "ticket_id = :id"),
    "pk_embedding_spaces": AGAIN.format("embedding_spaces", "provider = 'test'"),
    "uq_embedding_spaces_identity": SPACE.format("'test', 'x', 2, 'retired'"),
    "ck_embedding_spaces_status": SPACE.format("'test', 'y', 2, 'lost'"),
    "ck_embedding_spaces_dimension": SPACE.format("'test', 'y', 0, 'retired'"),
    "ex_embedding_spaces_status": SPACE.format(
        "'test', 'y', 2, 'serving'), ('test', 'z', 2, 'serving'"
    ),
    "pk_embeddings": AGAIN.format("embeddings", "vector = 'test'"),
    "fk_embeddings_space_id": (
        "INSERT INTO embeddings (space_id, ticket_id, digest, vector) "
        "VALUES (9000000000, :id, 'x', 'x')"
    ),
    "fk_embeddings_ticket_id": (
        "INSERT INTO embeddings (space_id, ticket_id, digest, vector) "
        "SELECT id, 9000000000, 'x', 'x' FROM embedding_spaces WHERE provider = 'test'"
    ),
}
# The primary key, which is narrower, always speaks first.
UNREACHABLE = {"uq_tickets_workflow_id_id"}


def test_every_name_in_the_schema_is_mapped_and_every_mapped_name_is_in_the_schema(
    sql: Sql,
) -> None:
    constraints = sql.rows(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
        "AND contype <> 'n' AND conrelid <> 'alembic_version'::regclass"
    )
    triggers = sql.rows("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname")
    both = [("tr_ticket_history_append_only",), ("tr_ticket_history_no_truncate",)]
    # One function serves both triggers and names the first.
    assert triggers == both
    assert {name for (name,) in [*constraints, *triggers[:1]]} == set(CONSTRAINTS)


def test_every_unique_index_is_a_constraint_with_a_name_of_its_own(sql: Sql) -> None:
    loose = sql.rows(
        "SELECT indexrelid::regclass FROM pg_index WHERE indisunique "
        "AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) "
        "AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    )
    assert loose == []


def test_every_mapped_name_is_violated_below() -> None:
    assert set(VIOLATIONS) | UNREACHABLE == set(CONSTRAINTS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def values(calls: Calls, sql: Sql) -> Json:
    """What the statements above name; each of them is undone."""
    workflow_id = f"w-{uuid.uuid4().hex}"
    desk = Desk(calls, Caller(agent_id="tester", default_workflow=workflow_id))
    await desk.configure_board(workflow_id=workflow_id)
    other = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[other])
    await desk.add_comment(ticket_id=ticket, comment_text="x")
    await desk.link_commit(ticket_id=ticket, commit_sha="aaaaaaa")
    await desk.update_ticket(ticket_id=ticket, updates={"links": [{"ticket_id": other}]})
    sql.run(SPACE.format("'test', 'x', 2, 'retired'"))
    sql.run(
        "INSERT INTO embeddings (space_id, ticket_id, digest, vector) "
        "SELECT id, :ticket, 'test', 'test' FROM embedding_spaces WHERE provider = 'test'",
        ticket=number_of(ticket),
    )
    sql.run(
        "INSERT INTO tokens (name, digest, access) VALUES ('test', 'test', 'read') "
        "ON CONFLICT DO NOTHING"
    )
    return {"id": number_of(ticket), "other": number_of(other), "workflow_id": workflow_id}


@pytest.mark.parametrize("name", VIOLATIONS)
async def test_a_violation_becomes_the_typed_error_of_its_name(
    calls: Calls, values: Json, name: str
) -> None:
    async def work(unit: UnitOfWork) -> None:
        await unit.session.execute(text(VIOLATIONS[name]), values)

    refusal = await outcome_of(calls.units.run(Caller(agent_id="tester"), work))
    family, sentence = CONSTRAINTS[name]
    kind = ConstraintConflict if family == "conflict" else ConstraintInvalid
    assert type(refusal) is kind
    assert isinstance(refusal, Conflict if family == "conflict" else Invalid)
    assert refusal.constraint == name
    assert str(refusal).startswith(sentence)
