"""search"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("word_count", sa.Integer(), nullable=True))
    op.add_column("tickets", sa.Column("title_digest", sa.LargeBinary(), nullable=True))
    op.create_check_constraint("ck_tickets_word_count", "tickets", "word_count >= 0")
    op.drop_index("ix_tickets_workflow_id_status", "tickets")
    op.create_index(
        "ix_tickets_workflow_id_status",
        "tickets",
        ["workflow_id", "status"],
        postgresql_include=["word_count"],
    )
    op.create_index(
        "ix_tickets_title_digest",
        "tickets",
        ["workflow_id", "title_digest"],
        postgresql_where=sa.text("NOT is_resolved"),
    )
    op.create_table(
        "keyword_postings",
        sa.Column("workflow", sa.Integer(), nullable=False),
        sa.Column("term", sa.Text(collation="C"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), nullable=False),
        sa.Column("frequency", sa.SmallInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workflow",
            "term",
            "ticket_id",
            "comment_id",
            name="pk_keyword_postings",
            postgresql_include=["frequency", "length"],
        ),
    )
    op.create_table(
        "embedding_spaces",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("base_url", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "begun_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('building', 'serving', 'retired')", name="ck_embedding_spaces_status"
        ),
        sa.CheckConstraint("dimension > 0", name="ck_embedding_spaces_dimension"),
        sa.PrimaryKeyConstraint("id", name="pk_embedding_spaces"),
        sa.UniqueConstraint(
            "provider", "model", "dimension", "base_url", name="uq_embedding_spaces_identity"
        ),
        postgresql.ExcludeConstraint(
            ("status", "="),
            using="btree",
            where=sa.text("status <> 'retired'"),
            name="ex_embedding_spaces_status",
        ),
    )
    op.create_table(
        "embeddings",
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["embedding_spaces.id"], name="fk_embeddings_space_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_embeddings_ticket_id"),
        sa.PrimaryKeyConstraint("space_id", "ticket_id", name="pk_embeddings"),
    )
    op.create_index("ix_embeddings_digest", "embeddings", ["space_id", "digest"])
    # Nothing was indexed before this revision: each ticket there is waits already.


def downgrade() -> None:
    op.drop_table("embeddings")
    op.drop_table("embedding_spaces")
    op.drop_table("keyword_postings")
    op.drop_index("ix_tickets_title_digest", "tickets")
    op.drop_index("ix_tickets_workflow_id_status", "tickets")
    op.create_index("ix_tickets_workflow_id_status", "tickets", ["workflow_id", "status"])
    op.drop_constraint("ck_tickets_word_count", "tickets")
    op.drop_column("tickets", "title_digest")
    op.drop_column("tickets", "word_count")
