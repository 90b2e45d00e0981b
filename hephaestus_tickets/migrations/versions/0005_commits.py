"""commits"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FACTS = "author, committed_at, files_changed, insertions, deletions, parents, files_list"


def upgrade() -> None:
    op.add_column("ticket_commits", sa.Column("author", sa.Text(), nullable=True))
    op.add_column("ticket_commits", sa.Column("parents", postgresql.JSONB(), nullable=True))
    op.add_column(
        "ticket_commits", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True)
    )
    # Nothing was looked up before this revision: what says it was came with an import.
    op.execute("UPDATE ticket_commits SET verified = false WHERE verified")
    op.create_check_constraint(
        "ck_ticket_commits_verified", "ticket_commits", f"NOT verified OR num_nulls({FACTS}) = 0"
    )
    op.create_index(
        "ix_ticket_commits_unverified",
        "ticket_commits",
        [sa.text("checked_at NULLS FIRST")],
        postgresql_where=sa.text("NOT verified"),
    )
    op.create_table(
        "commit_scans",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column(
            "scanned_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("head ~ '^[0-9a-f]{40,64}$'", name="ck_commit_scans_head"),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_commit_scans_workflow_id"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "repository", "branch", name="pk_commit_scans"),
    )
    # Their words are counted anew, those of their commits too.
    op.execute(
        "UPDATE tickets SET word_count = NULL WHERE id IN (SELECT ticket_id FROM ticket_commits)"
    )


def downgrade() -> None:
    op.drop_table("commit_scans")
    op.drop_index("ix_ticket_commits_unverified", "ticket_commits")
    op.drop_constraint("ck_ticket_commits_verified", "ticket_commits")
    for column in ("checked_at", "parents", "author"):
        op.drop_column("ticket_commits", column)
