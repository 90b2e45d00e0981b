"""Tokens: what a caller over the network shows; only a digest of it is kept."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Identity,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hephaestus_tickets.models.declarative import CLOCK, Base


class TokenRow(Base):
    """`workflows` is null where all are seen; without `agent_id` it speaks as any agent."""

    __tablename__ = "tokens"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_tokens"),
        UniqueConstraint("digest", name="uq_tokens_digest"),
        CheckConstraint("access IN ('read', 'write', 'admin')", name="ck_tokens_access"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="ck_tokens_name"),
        CheckConstraint("jsonb_typeof(workflows) IN ('null', 'array')", name="ck_tokens_workflows"),
        # A name is used again once its token is revoked.
        ExcludeConstraint(
            ("name", "="), using="btree", where=text("revoked_at IS NULL"), name="ex_tokens_name"
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    name: Mapped[str]
    digest: Mapped[bytes]
    access: Mapped[str]
    agent_id: Mapped[str | None]
    workflows: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
