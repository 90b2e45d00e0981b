"""What is kept about a ticket: comments, history, commit links, index jobs; and about writes."""

from datetime import datetime
from typing import cast

from sqlalchemy import (
    DDL,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Sequence,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hephaestus_tickets.models.declarative import CLOCK, Base, Json, Xid8


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
        CheckConstraint(
            "NOT verified OR num_nulls(author, committed_at, files_changed, insertions, deletions,"
            " parents, files_list) = 0",
            name="ck_ticket_commits_verified",
        ),
        Index("ix_ticket_commits_commit_sha", "commit_sha"),
        Index(
            "ix_ticket_commits_unverified",
            text("checked_at NULLS FIRST"),
            postgresql_where=text("NOT verified"),
        ),
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
    author: Mapped[str | None]
    parents: Mapped[Json] = mapped_column(JSONB(none_as_null=True), nullable=True)
    checked_at: Mapped[datetime | None]  # when an unverified one was last looked for

    @property
    def paths(self) -> list[str]:
        """Of the files that are kept; an import may have brought anything."""
        files = cast("list[object]", self.files_list) if _is_list(self.files_list) else []
        return [path for file in files if (path := _path(file))]


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _path(file: object) -> str:
    named = cast("dict[str, object]", file).get("path") if isinstance(file, dict) else file
    return named if isinstance(named, str) else ""


class CommitScanRow(Base):
    """How far the commits of a branch were looked through for the tickets they mention."""

    __tablename__ = "commit_scans"
    __table_args__ = (
        PrimaryKeyConstraint("workflow_id", "repository", "branch", name="pk_commit_scans"),
        ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_commit_scans_workflow_id"
        ),
        CheckConstraint("head ~ '^[0-9a-f]{40,64}$'", name="ck_commit_scans_head"),
    )
    workflow_id: Mapped[str]
    repository: Mapped[str]  # its key
    branch: Mapped[str]  # empty: the one that is checked out
    head: Mapped[str]
    scanned_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


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


class IdempotencyKeyRow(Base):
    """A write under a key of its caller's, with its reply; `digest` is of its arguments."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("principal", "key", name="pk_idempotency_keys"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )
    principal: Mapped[str]
    key: Mapped[str]
    digest: Mapped[bytes]
    reply: Mapped[Json] = mapped_column(JSONB(none_as_null=True), nullable=True)
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
