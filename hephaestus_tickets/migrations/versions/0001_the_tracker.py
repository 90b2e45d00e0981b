"""the tracker"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


class Xid8(UserDefinedType[int]):
    def get_col_spec(self, **_: object) -> str:
        return "xid8"


JOB_VERSIONS = sa.Sequence("index_jobs_version_seq")

APPEND_ONLY = (
    """
CREATE FUNCTION refuse_history_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ticket_history is append-only'
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'tr_ticket_history_append_only';
END $$
""",
    """
CREATE TRIGGER tr_ticket_history_append_only BEFORE UPDATE OR DELETE ON ticket_history
    FOR EACH ROW EXECUTE FUNCTION refuse_history_rewrite()
""",
    """
CREATE TRIGGER tr_ticket_history_no_truncate BEFORE TRUNCATE ON ticket_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_history_rewrite()
""",
)

DEFAULT_BOARD = {
    "workflow_id": "default",
    "name": "Default",
    "columns": [
        {"id": "backlog", "name": "Backlog", "category": "todo", "color": "#94a3b8"},
        {"id": "in_progress", "name": "In progress", "category": "doing", "color": "#f59e0b"},
        {"id": "review", "name": "Review", "category": "doing", "color": "#8b5cf6"},
        {"id": "done", "name": "Done", "category": "done", "color": "#22c55e"},
        {"id": "cancelled", "name": "Cancelled", "category": "done", "color": "#64748b"},
    ],
    "ticket_types": ["bug", "feature", "improvement", "task", "spike"],
    "default_ticket_type": "task",
    "initial_status": "backlog",
    "settings": {"require_comment_on_status_change": False, "allow_reopen": True},
}


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(JOB_VERSIONS))
    op.create_table(
        "agents",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agents"),
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('active', 'paused', 'completed', 'archived')", name="ck_workflows_status"
        ),
        sa.CheckConstraint(
            "char_length(workflow_id) BETWEEN 1 AND 100", name="ck_workflows_workflow_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        sa.UniqueConstraint("workflow_id", name="uq_workflows_workflow_id"),
    )
    boards = op.create_table(
        "board_configs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ticket_types", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("default_ticket_type", sa.Text(), nullable=False),
        sa.Column("initial_status", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_board_configs_workflow_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_board_configs"),
        sa.UniqueConstraint("workflow_id", name="uq_board_configs_workflow_id"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("ticket_type", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("assigned_agent_id", sa.Text(), nullable=True),
        sa.Column("parent_ticket_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "tags",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "related_task_ids",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("is_resolved", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("open_blockers", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("external_ref", sa.Text(), nullable=True),
        sa.Column("claim_holder", sa.Text(), nullable=True),
        sa.Column("claim_token", sa.BigInteger(), nullable=True),
        sa.Column("claim_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "jsonb_typeof(related_task_ids) = 'array'", name="ck_tickets_related_task_ids"
        ),
        sa.CheckConstraint("jsonb_typeof(tags) = 'array'", name="ck_tickets_tags"),
        sa.CheckConstraint("char_length(description) <= 100000", name="ck_tickets_description"),
        sa.CheckConstraint("char_length(title) BETWEEN 1 AND 500", name="ck_tickets_title"),
        sa.CheckConstraint(
            "is_resolved = (resolved_at IS NOT NULL) AND is_resolved = (completed_at IS NOT NULL)",
            name="ck_tickets_resolved_at",
        ),
        sa.CheckConstraint(
            "num_nonnulls(claim_holder, claim_token, claim_ends_at) IN (0, 3)",
            name="ck_tickets_claim",
        ),
        sa.CheckConstraint(
            "open_blockers >= 0 AND NOT (is_resolved AND open_blockers > 0)",
            name="ck_tickets_open_blockers",
        ),
        sa.CheckConstraint("parent_ticket_id <> id", name="ck_tickets_parent_ticket_id"),
        sa.CheckConstraint("priority BETWEEN 0 AND 3", name="ck_tickets_priority"),
        sa.CheckConstraint("version >= 1", name="ck_tickets_version"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "parent_ticket_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_tickets_parent_ticket_id",
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_tickets_workflow_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("external_ref", "workflow_id", name="uq_tickets_external_ref"),
        sa.UniqueConstraint("workflow_id", "id", name="uq_tickets_workflow_id_id"),
    )
    op.create_index("ix_tickets_assigned_agent_id", "tickets", ["assigned_agent_id"], unique=False)
    op.create_index("ix_tickets_created_at", "tickets", ["created_at"], unique=False)
    op.create_index("ix_tickets_is_resolved", "tickets", ["is_resolved"], unique=False)
    op.create_index("ix_tickets_parent_ticket_id", "tickets", ["parent_ticket_id"], unique=False)
    op.create_index("ix_tickets_priority", "tickets", ["priority"], unique=False)
    op.create_index(
        "ix_tickets_ready",
        "tickets",
        ["workflow_id", sa.literal_column("priority DESC"), "created_at"],
        unique=False,
        postgresql_where=sa.text("NOT is_resolved AND open_blockers = 0"),
    )
    op.create_index("ix_tickets_status", "tickets", ["status"], unique=False)
    op.create_index("ix_tickets_tags", "tickets", ["tags"], unique=False, postgresql_using="gin")
    op.create_index("ix_tickets_ticket_type", "tickets", ["ticket_type"], unique=False)
    op.create_index(
        "ix_tickets_workflow_id_created_at",
        "tickets",
        ["workflow_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_tickets_workflow_id_priority",
        "tickets",
        ["workflow_id", "priority", "id"],
        unique=False,
    )
    op.create_index(
        "ix_tickets_workflow_id_status", "tickets", ["workflow_id", "status"], unique=False
    )
    op.create_index(
        "ix_tickets_workflow_id_updated_at",
        "tickets",
        ["workflow_id", "updated_at", "id"],
        unique=False,
    )
    op.create_table(
        "index_jobs",
        sa.Column("ticket_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default=sa.text("nextval('index_jobs_version_seq')"),
            nullable=False,
        ),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "enqueued_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_index_jobs_ticket_id"),
        sa.PrimaryKeyConstraint("ticket_id", name="pk_index_jobs"),
    )
    op.create_index(
        "ix_index_jobs_next_attempt_at", "index_jobs", ["next_attempt_at"], unique=False
    )
    op.create_table(
        "ticket_blockers",
        sa.Column("blocked_id", sa.BigInteger(), nullable=False),
        sa.Column("blocker_id", sa.BigInteger(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("blocked_id <> blocker_id", name="ck_ticket_blockers_self"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "blocked_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_blockers_blocked_id",
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id", "blocker_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_blockers_blocker_id",
        ),
        sa.PrimaryKeyConstraint("blocked_id", "blocker_id", name="pk_ticket_blockers"),
    )
    op.create_index(
        "ix_ticket_blockers_blocker_id", "ticket_blockers", ["blocker_id"], unique=False
    )
    op.create_table(
        "ticket_comments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("comment_text", sa.Text(), nullable=False),
        sa.Column("comment_type", sa.Text(), nullable=False),
        sa.Column(
            "mentions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "attachments",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "comment_type IN ('general', 'status_change', 'assignment', 'blocker', 'resolution', 'clarification')",
            name="ck_ticket_comments_comment_type",
        ),
        sa.CheckConstraint(
            "char_length(comment_text) BETWEEN 1 AND 50000", name="ck_ticket_comments_comment_text"
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_comments_ticket_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_comments"),
    )
    op.create_index("ix_ticket_comments_agent_id", "ticket_comments", ["agent_id"], unique=False)
    op.create_index(
        "ix_ticket_comments_created_at", "ticket_comments", ["created_at"], unique=False
    )
    op.create_index(
        "ix_ticket_comments_ticket_id",
        "ticket_comments",
        ["ticket_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "ticket_commits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("files_changed", sa.BigInteger(), nullable=True),
        sa.Column("insertions", sa.BigInteger(), nullable=True),
        sa.Column("deletions", sa.BigInteger(), nullable=True),
        sa.Column(
            "files_list", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("link_method", sa.Text(), server_default="manual", nullable=False),
        sa.Column("verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "linked_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("commit_sha ~ '^[0-9a-f]{7,64}$'", name="ck_ticket_commits_commit_sha"),
        sa.CheckConstraint(
            "link_method IN ('manual', 'auto_detected', 'imported')",
            name="ck_ticket_commits_link_method",
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_commits_ticket_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_commits"),
        sa.UniqueConstraint(
            "ticket_id", "commit_sha", name="uq_ticket_commits_ticket_id_commit_sha"
        ),
    )
    op.create_index("ix_ticket_commits_commit_sha", "ticket_commits", ["commit_sha"], unique=False)
    op.create_table(
        "ticket_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=True),
        sa.Column(
            "old_value", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "new_value", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("change_description", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_history_ticket_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_history"),
    )
    op.create_index(
        "ix_ticket_history_change_type", "ticket_history", ["change_type"], unique=False
    )
    op.create_index("ix_ticket_history_changed_at", "ticket_history", ["changed_at"], unique=False)
    op.create_index(
        "ix_ticket_history_ticket_id",
        "ticket_history",
        ["ticket_id", "changed_at", "id"],
        unique=False,
    )
    op.create_index("ix_ticket_history_xid", "ticket_history", ["xid", "id"], unique=False)
    op.create_table(
        "ticket_links",
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('relates_to', 'duplicates', 'discovered_from', 'supersedes')",
            name="ck_ticket_links_kind",
        ),
        sa.CheckConstraint("source_id <> target_id", name="ck_ticket_links_self"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "source_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_links_source_id",
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id", "target_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_links_target_id",
        ),
        sa.PrimaryKeyConstraint("source_id", "target_id", "kind", name="pk_ticket_links"),
    )
    op.create_index("ix_ticket_links_target_id", "ticket_links", ["target_id"], unique=False)

    for statement in APPEND_ONLY:
        op.execute(statement)
    op.execute("INSERT INTO workflows (workflow_id, name) VALUES ('default', 'Default')")
    op.bulk_insert(boards, [DEFAULT_BOARD])


def downgrade() -> None:
    op.drop_table("ticket_links")
    op.drop_table("ticket_history")
    op.drop_table("ticket_commits")
    op.drop_table("ticket_comments")
    op.drop_table("ticket_blockers")
    op.drop_table("index_jobs")
    op.drop_table("tickets")
    op.drop_table("board_configs")
    op.drop_table("workflows")
    op.drop_table("agents")
    op.execute("DROP FUNCTION refuse_history_rewrite()")
    op.execute(sa.schema.DropSequence(JOB_VERSIONS))
