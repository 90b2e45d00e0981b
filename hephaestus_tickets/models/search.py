"""What search keeps beside the tickets: postings of words, embeddings and whose they are."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hephaestus_tickets.models.declarative import CLOCK, Base


class PostingRow(Base):
    """How often a term stands in a ticket's own text (`comment_id` 0) or in one of its comments.

    Or in a commit that is linked to it: then `comment_id` is the link's number, negative.

    No foreign key: a hundred checks for each ticket would take longer than to write it, and
    what postings name is never deleted.
    """

    __tablename__ = "keyword_postings"
    __table_args__ = (
        PrimaryKeyConstraint(
            "workflow",
            "term",
            "ticket_id",
            "comment_id",
            name="pk_keyword_postings",
            postgresql_include=["frequency", "length"],
        ),
    )
    workflow: Mapped[int] = mapped_column(Integer)  # workflows.id
    term: Mapped[str] = mapped_column(Text(collation="C"))
    ticket_id: Mapped[int]
    comment_id: Mapped[int]
    frequency: Mapped[int] = mapped_column(SmallInteger)  # weighted: a title's words count more
    length: Mapped[int] = mapped_column(Integer)  # of the text, in the same measure


class SpaceRow(Base):
    """Embeddings that can be compared with each other, and whether searches use them."""

    __tablename__ = "embedding_spaces"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_embedding_spaces"),
        UniqueConstraint(
            "provider", "model", "dimension", "base_url", name="uq_embedding_spaces_identity"
        ),
        CheckConstraint(
            "status IN ('building', 'serving', 'retired')", name="ck_embedding_spaces_status"
        ),
        CheckConstraint("dimension > 0", name="ck_embedding_spaces_dimension"),
        # One at most is built and one serves.
        ExcludeConstraint(
            ("status", "="),
            using="btree",
            where=text("status <> 'retired'"),
            name="ex_embedding_spaces_status",
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    provider: Mapped[str]
    model: Mapped[str]
    dimension: Mapped[int] = mapped_column(Integer)
    base_url: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str]
    # It is complete when no job waits any more that was there when it was begun.
    begun_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class EmbeddingRow(Base):
    """A ticket's vector, 32-bit floats, little-endian; `digest` is of the text it was made of."""

    __tablename__ = "embeddings"
    __table_args__ = (
        PrimaryKeyConstraint("space_id", "ticket_id", name="pk_embeddings"),
        ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_embeddings_ticket_id"),
        Index("ix_embeddings_digest", "space_id", "digest"),
        ForeignKeyConstraint(
            ["space_id"], ["embedding_spaces.id"], name="fk_embeddings_space_id", ondelete="CASCADE"
        ),
    )
    space_id: Mapped[int]
    ticket_id: Mapped[int]
    digest: Mapped[bytes]
    vector: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
