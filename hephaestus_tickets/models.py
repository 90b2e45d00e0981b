"""The tables, with every invariant PostgreSQL can hold; no behaviour."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

CLOCK = text("clock_timestamp()")
# JSON has no narrower type than Any: what a column holds is parsed by schemas on the way in.
Json = Any


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it off the class as it stands
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        list[str]: JSONB(),
        list[dict[str, Any]]: JSONB(),
        dict[str, Any]: JSONB(),
    }


class WorkflowRow(Base):
    __tablename__ = "workflows"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_workflows"),
        UniqueConstraint("workflow_id", name="uq_workflows_workflow_id"),
        CheckConstraint(
            "status IN ('active', 'paused', 'completed', 'archived')", name="ck_workflows_status"
        ),
        CheckConstraint(
            "char_length(workflow_id) BETWEEN 1 AND 100", name="ck_workflows_workflow_id"
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    workflow_id: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class BoardRow(Base):
    __tablename__ = "board_configs"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_board_configs"),
        UniqueConstraint("workflow_id", name="uq_board_configs_workflow_id"),
        ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_board_configs_workflow_id"
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    workflow_id: Mapped[str]
    name: Mapped[str]
    columns: Mapped[list[dict[str, Any]]]
    ticket_types: Mapped[list[str]]
    default_ticket_type: Mapped[str]
    initial_status: Mapped[str]
    settings: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class AgentRow(Base):
    __tablename__ = "agents"
    __table_args__ = (PrimaryKeyConstraint("agent_id", name="pk_agents"),)
    agent_id: Mapped[str]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class TicketRow(Base):
    __tablename__ = "tickets"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_tickets"),
        UniqueConstraint("workflow_id", "id", name="uq_tickets_workflow_id_id"),
        UniqueConstraint("external_ref", "workflow_id", name="uq_tickets_external_ref"),
        ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_tickets_workflow_id"
        ),
        ForeignKeyConstraint(
            ["workflow_id", "parent_ticket_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_tickets_parent_ticket_id",
        ),
        CheckConstraint("char_length(title) BETWEEN 1 AND 500", name="ck_tickets_title"),
        CheckConstraint("char_length(description) <= 100000", name="ck_tickets_description"),
        CheckConstraint("priority BETWEEN 0 AND 3", name="ck_tickets_priority"),
        CheckConstraint("parent_ticket_id <> id", name="ck_tickets_parent_ticket_id"),
        CheckConstraint("jsonb_typeof(tags) = 'array'", name="ck_tickets_tags"),
        CheckConstraint(
            "jsonb_typeof(related_task_ids) = 'array'", name="ck_tickets_related_task_ids"
        ),
        CheckConstraint(
            "is_resolved = (resolved_at IS NOT NULL) AND is_resolved = (completed_at IS NOT NULL)",
            name="ck_tickets_resolved_at",
        ),
        CheckConstraint(
            "open_blockers >= 0 AND NOT (is_resolved AND open_blockers > 0)",
            name="ck_tickets_open_blockers",
        ),
        CheckConstraint("version >= 1", name="ck_tickets_version"),
        CheckConstraint(
            "num_nonnulls(claim_holder, claim_token, claim_ends_at) IN (0, 3)",
            name="ck_tickets_claim",
        ),
        Index("ix_tickets_workflow_id_status", "workflow_id", "status"),
        Index("ix_tickets_workflow_id_created_at", "workflow_id", "created_at", "id"),
        Index("ix_tickets_workflow_id_updated_at", "workflow_id", "updated_at", "id"),
        Index("ix_tickets_workflow_id_priority", "workflow_id", "priority", "id"),
        Index("ix_tickets_status", "status"),
        Index("ix_tickets_assigned_agent_id", "assigned_agent_id"),
        Index("ix_tickets_ticket_type", "ticket_type"),
        Index("ix_tickets_priority", "priority"),
        Index("ix_tickets_created_at", "created_at"),
        Index("ix_tickets_is_resolved", "is_resolved"),
        Index("ix_tickets_parent_ticket_id", "parent_ticket_id"),
        Index("ix_tickets_tags", "tags", postgresql_using="gin"),
        Index(
            "ix_tickets_ready",
            "workflow_id",
            text("priority DESC"),
            "created_at",
            postgresql_where=text("NOT is_resolved AND open_blockers = 0"),
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    workflow_id: Mapped[str]
    title: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    ticket_type: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str]
    created_by: Mapped[str]
    assigned_agent_id: Mapped[str | None]
    parent_ticket_id: Mapped[int | None]
    tags: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    related_task_ids: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    is_resolved: Mapped[bool] = mapped_column(server_default=text("false"))
    open_blockers: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
    external_ref: Mapped[str | None]
    claim_holder: Mapped[str | None]
    claim_token: Mapped[int | None]
    claim_ends_at: Mapped[datetime | None]


class BlockerRow(Base):
    __tablename__ = "ticket_blockers"
    __table_args__ = (
        PrimaryKeyConstraint("blocked_id", "blocker_id", name="pk_ticket_blockers"),
        ForeignKeyConstraint(
            ["workflow_id", "blocked_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_blockers_blocked_id",
        ),
        ForeignKeyConstraint(
            ["workflow_id", "blocker_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_blockers_blocker_id",
        ),
        CheckConstraint("blocked_id <> blocker_id", name="ck_ticket_blockers_self"),
        Index("ix_ticket_blockers_blocker_id", "blocker_id"),
    )
    blocked_id: Mapped[int]
    blocker_id: Mapped[int]
    workflow_id: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class LinkRow(Base):
    __tablename__ = "ticket_links"
    __table_args__ = (
        PrimaryKeyConstraint("source_id", "target_id", "kind", name="pk_ticket_links"),
        ForeignKeyConstraint(
            ["workflow_id", "source_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_links_source_id",
        ),
        ForeignKeyConstraint(
            ["workflow_id", "target_id"],
            ["tickets.workflow_id", "tickets.id"],
            name="fk_ticket_links_target_id",
        ),
        CheckConstraint("source_id <> target_id", name="ck_ticket_links_self"),
        CheckConstraint(
            "kind IN ('relates_to', 'duplicates', 'discovered_from', 'supersedes')",
            name="ck_ticket_links_kind",
        ),
        Index("ix_ticket_links_target_id", "target_id"),
    )
    source_id: Mapped[int]
    target_id: Mapped[int]
    kind: Mapped[str]
    workflow_id: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class CommentRow(Base):
    __tablename__ = "ticket_comments"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_ticket_comments"),
        ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_comments_ticket_id"),
        CheckConstraint(
            "char_length(comment_text) BETWEEN 1 AND 50000", name="ck_ticket_comments_comment_text"
        ),
        CheckConstraint(
            "comment_type IN ('general', 'status_change', 'assignment', 'blocker', 'resolution',"
            " 'clarification')",
            name="ck_ticket_comments_comment_type",
        ),
        Index("ix_ticket_comments_ticket_id", "ticket_id", "created_at", "id"),
        Index("ix_ticket_comments_agent_id", "agent_id"),
        Index("ix_ticket_comments_created_at", "created_at"),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    ticket_id: Mapped[int]
    agent_id: Mapped[str]
    comment_text: Mapped[str]
    comment_type: Mapped[str]
    mentions: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    attachments: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class HistoryRow(Base):
    __tablename__ = "ticket_history"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_ticket_history"),
        ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_history_ticket_id"),
        Index("ix_ticket_history_ticket_id", "ticket_id", "changed_at", "id"),
        Index("ix_ticket_history_change_type", "change_type"),
        Index("ix_ticket_history_changed_at", "changed_at"),
        Index("ix_ticket_history_xid", "xid", "id"),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    ticket_id: Mapped[int]
    agent_id: Mapped[str]
    change_type: Mapped[str]
    field_name: Mapped[str | None]
    old_value: Mapped[Json] = mapped_column(JSONB(none_as_null=True), nullable=True)
    new_value: Mapped[Json] = mapped_column(JSONB(none_as_null=True), nullable=True)
    change_description: Mapped[str | None]
    details: Mapped[Json] = mapped_column("metadata", JSONB(none_as_null=True), nullable=True)
    changed_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    xid: Mapped[int] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))


class CommitRow(Base):
    __tablename__ = "ticket_commits"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_ticket_commits"),
        ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_commits_ticket_id"),
        UniqueConstraint("ticket_id", "commit_sha", name="uq_ticket_commits_ticket_id_commit_sha"),
        CheckConstraint("commit_sha ~ '^[0-9a-f]{7,64}$'", name="ck_ticket_commits_commit_sha"),
        CheckConstraint(
            "link_method IN ('manual', 'auto_detected', 'imported')",
            name="ck_ticket_commits_link_method",
        ),
        Index("ix_ticket_commits_commit_sha", "commit_sha"),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    ticket_id: Mapped[int]
    agent_id: Mapped[str]
    commit_sha: Mapped[str]
    message: Mapped[str] = mapped_column(server_default="")
    committed_at: Mapped[datetime | None]
    files_changed: Mapped[int | None]
    insertions: Mapped[int | None]
    deletions: Mapped[int | None]
    files_list: Mapped[Json] = mapped_column(JSONB(none_as_null=True), nullable=True)
    link_method: Mapped[str] = mapped_column(server_default="manual")
    verified: Mapped[bool] = mapped_column(server_default=text("false"))
    linked_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


JOB_VERSIONS = Sequence("index_jobs_version_seq", metadata=Base.metadata)


class IndexJobRow(Base):
    """One row per ticket waiting to be indexed.

    `version` comes from a sequence, so that a comment, which leaves the ticket's own version
    alone, still makes the job newer than the one an indexer may hold.
    """

    __tablename__ = "index_jobs"
    __table_args__ = (
        PrimaryKeyConstraint("ticket_id", name="pk_index_jobs"),
        Index("ix_index_jobs_next_attempt_at", "next_attempt_at"),
    )
    ticket_id: Mapped[int] = mapped_column(
        ForeignKey("tickets.id", name="fk_index_jobs_ticket_id"), autoincrement=False
    )
    version: Mapped[int] = mapped_column(server_default=JOB_VERSIONS.next_value())
    attempts: Mapped[int] = mapped_column(server_default="0")
    enqueued_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    locked_until: Mapped[datetime | None]
    last_error: Mapped[str | None]


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
for statement in APPEND_ONLY:
    event.listen(HistoryRow.__table__, "after_create", DDL(statement))
