"""claims"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# By no statement, with a million tickets; and two of them led the planner astray.
NEVER_USED = {
    "ix_tickets_status": "tickets",
    "ix_tickets_ticket_type": "tickets",
    "ix_tickets_priority": "tickets",
    "ix_tickets_created_at": "tickets",
    "ix_tickets_is_resolved": "tickets",
    "ix_ticket_history_change_type": "ticket_history",
    "ix_ticket_history_changed_at": "ticket_history",
    "ix_ticket_history_xid": "ticket_history",
    "ix_ticket_comments_agent_id": "ticket_comments",
    "ix_ticket_comments_created_at": "ticket_comments",
}


def upgrade() -> None:
    op.execute("CREATE SEQUENCE claim_tokens_seq")
    op.add_column("tickets", sa.Column("claim_session", sa.Text(), nullable=True))
    op.add_column("tickets", sa.Column("claim_lease_seconds", sa.Integer(), nullable=True))
    op.add_column("tickets", sa.Column("claim_from_status", sa.Text(), nullable=True))
    op.drop_constraint("ck_tickets_claim", "tickets")
    op.create_check_constraint(
        "ck_tickets_claim",
        "tickets",
        "num_nonnulls(claim_holder, claim_session, claim_token, claim_ends_at,"
        " claim_lease_seconds, claim_from_status) IN (0, 6)",
    )
    op.create_check_constraint(
        "ck_tickets_claim_holder",
        "tickets",
        "claim_holder IS NULL OR (claim_holder = assigned_agent_id"
        " AND assigned_agent_id IS NOT NULL AND NOT is_resolved)",
    )
    op.drop_index("ix_tickets_ready", "tickets")
    op.create_index(
        "ix_tickets_ready",
        "tickets",
        ["workflow_id", "status", sa.text("priority DESC"), "created_at", "id"],
        postgresql_where=sa.text("NOT is_resolved AND open_blockers = 0 AND claim_holder IS NULL"),
    )
    for column in ("claim_ends_at", "claim_holder"):
        op.create_index(
            f"ix_tickets_{column}",
            "tickets",
            [column],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    for index, table in NEVER_USED.items():
        op.drop_index(index, table)
    op.drop_index("ix_tickets_workflow_id_status", "tickets")
    op.create_index(
        "ix_tickets_workflow_id_status",
        "tickets",
        ["workflow_id", "status", "id"],
        postgresql_include=["word_count"],
    )
    op.create_index(
        "ix_tickets_open",
        "tickets",
        ["workflow_id", "created_at", "id"],
        postgresql_where=sa.text("NOT is_resolved"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("reply", postgresql.JSONB(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_index("ix_tickets_open", "tickets")
    op.drop_index("ix_tickets_workflow_id_status", "tickets")
    op.create_index(
        "ix_tickets_workflow_id_status",
        "tickets",
        ["workflow_id", "status"],
        postgresql_include=["word_count"],
    )
    for index, table in NEVER_USED.items():
        column = index.removeprefix(f"ix_{table}_")
        columns = ["xid", "id"] if column == "xid" else [column]
        op.create_index(index, table, columns)
    op.execute("UPDATE tickets SET claim_holder = NULL, claim_token = NULL, claim_ends_at = NULL")
    for column in ("claim_ends_at", "claim_holder"):
        op.drop_index(f"ix_tickets_{column}", "tickets")
    op.drop_index("ix_tickets_ready", "tickets")
    op.create_index(
        "ix_tickets_ready",
        "tickets",
        ["workflow_id", sa.text("priority DESC"), "created_at"],
        postgresql_where=sa.text("NOT is_resolved AND open_blockers = 0"),
    )
    op.drop_constraint("ck_tickets_claim_holder", "tickets")
    op.drop_constraint("ck_tickets_claim", "tickets")
    for column in ("claim_session", "claim_lease_seconds", "claim_from_status"):
        op.drop_column("tickets", column)
    op.create_check_constraint(
        "ck_tickets_claim",
        "tickets",
        "num_nonnulls(claim_holder, claim_token, claim_ends_at) IN (0, 3)",
    )
    op.execute("DROP SEQUENCE claim_tokens_seq")
