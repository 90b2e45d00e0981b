"""Tickets and the edges between them."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from hephaestus_tickets.models.declarative import CLOCK, Base

# Fencing tokens: each claim has a higher one than every claim before it.
CLAIM_TOKENS = Sequence("claim_tokens_seq", metadata=Base.metadata)


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
        # One row is one claim: whole or not at all, of who is assigned, of a ticket to be done.
        CheckConstraint(
            "num_nonnulls(claim_holder, claim_session, claim_token, claim_ends_at,"
            " claim_lease_seconds, claim_from_status) IN (0, 6)",
            name="ck_tickets_claim",
        ),
        CheckConstraint(
            "claim_holder IS NULL OR (claim_holder = assigned_agent_id"
            " AND assigned_agent_id IS NOT NULL AND NOT is_resolved)",
            name="ck_tickets_claim_holder",
        ),
        CheckConstraint("word_count >= 0", name="ck_tickets_word_count"),
        # With the count of words, so that their average is read off the index alone.
        Index(
            "ix_tickets_workflow_id_status",
            "workflow_id",
            "status",
            "id",
            postgresql_include=["word_count"],
        ),
        Index(
            "ix_tickets_title_digest",
            "workflow_id",
            "title_digest",
            postgresql_where=text("NOT is_resolved"),
        ),
        Index("ix_tickets_workflow_id_created_at", "workflow_id", "created_at", "id"),
        Index(
            "ix_tickets_open",
            "workflow_id",
            "created_at",
            "id",
            postgresql_where=text("NOT is_resolved"),
        ),
        Index("ix_tickets_workflow_id_updated_at", "workflow_id", "updated_at", "id"),
        Index("ix_tickets_workflow_id_priority", "workflow_id", "priority", "id"),
        Index("ix_tickets_assigned_agent_id", "assigned_agent_id"),
        Index("ix_tickets_parent_ticket_id", "parent_ticket_id"),
        Index("ix_tickets_tags", "tags", postgresql_using="gin"),
        # What can be claimed, column by column in the order in which it is.
        Index(
            "ix_tickets_ready",
            "workflow_id",
            "status",
            text("priority DESC"),
            "created_at",
            "id",
            postgresql_where=text("NOT is_resolved AND open_blockers = 0 AND claim_holder IS NULL"),
        ),
        Index(
            "ix_tickets_claim_ends_at",
            "claim_ends_at",
            postgresql_where=text("claim_ends_at IS NOT NULL"),
        ),
        Index(
            "ix_tickets_claim_holder",
            "claim_holder",
            postgresql_where=text("claim_holder IS NOT NULL"),
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
    # Of its postings; null where it has none yet, which the Indexer then writes.
    word_count: Mapped[int | None] = mapped_column(Integer)
    title_digest: Mapped[bytes | None]
    # The rest of a claim: the session that took it, for how long, and out of which column.
    claim_session: Mapped[str | None]
    claim_lease_seconds: Mapped[int | None] = mapped_column(Integer)
    claim_from_status: Mapped[str | None]


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
