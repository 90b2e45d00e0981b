"""The queue of tickets to index, and the vectors that were paid for already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    Delete,
    Select,
    Update,
    any_,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, LargeBinary

from hephaestus_tickets.models import (
    CommentRow,
    EmbeddingRow,
    IndexJobRow,
    SpaceRow,
    TicketRow,
)
from hephaestus_tickets.queries.rows import Rows

COMMENTS, COMMENT_CHARACTERS = 3, 1_000


def claim(limit: int, lease_seconds: float) -> Update:
    """Takes jobs that are due for so long; returns (ticket, version, attempts)."""
    now = func.clock_timestamp()
    due = (
        select(IndexJobRow.ticket_id)
        .where(
            IndexJobRow.next_attempt_at <= now,
            or_(IndexJobRow.locked_until.is_(None), IndexJobRow.locked_until < now),
        )
        .order_by(IndexJobRow.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
        # In line the limit could be applied more than once.
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return (
        update(IndexJobRow)
        .where(IndexJobRow.ticket_id == due.c.ticket_id)
        .values(
            locked_until=now + timedelta(seconds=lease_seconds), attempts=IndexJobRow.attempts + 1
        )
        .returning(IndexJobRow.ticket_id, IndexJobRow.version, IndexJobRow.attempts)
        .execution_options(synchronize_session=False)
    )


def done(jobs: Iterable[tuple[int, int]]) -> Delete:
    """(ticket, version) pairs; a job that was made newer meanwhile stays."""
    return (
        delete(IndexJobRow)
        .where(tuple_(IndexJobRow.ticket_id, IndexJobRow.version).in_(list(jobs)))
        .execution_options(synchronize_session=False)
    )


def given_back(
    numbers: Iterable[int], pause_seconds: float = 0, error: str | None = None
) -> Update:
    return (
        update(IndexJobRow)
        .where(IndexJobRow.ticket_id == any_(literal(list(numbers), ARRAY(BigInteger))))
        .values(
            locked_until=None,
            next_attempt_at=func.clock_timestamp() + timedelta(seconds=pause_seconds),
            last_error=error,
        )
        .execution_options(synchronize_session=False)
    )


# For the only server of a database: what another held when it was killed is free again.
FREE_ALL = text("UPDATE index_jobs SET locked_until = NULL WHERE locked_until IS NOT NULL")
# Every ticket once more.
ENQUEUE_ALL = text(
    "INSERT INTO index_jobs (ticket_id) SELECT id FROM tickets "
    "WHERE CAST(:workflow_id AS text) IS NULL OR workflow_id = :workflow_id "
    "ON CONFLICT (ticket_id) DO UPDATE SET version = EXCLUDED.version, attempts = 0, "
    "next_attempt_at = clock_timestamp()"
)


def texts(numbers: Sequence[int]) -> Rows:
    """(TicketRow, head of the comments) of each."""
    head = (
        select(func.left(CommentRow.comment_text, COMMENT_CHARACTERS).label("comment"))
        .where(CommentRow.ticket_id == TicketRow.id)
        .order_by(CommentRow.created_at, CommentRow.id)
        .limit(COMMENTS)
        .subquery()
    )
    comments = select(func.coalesce(func.json_agg(head.c.comment), func.json_build_array()))
    return select(TicketRow, comments.scalar_subquery()).where(
        TicketRow.id == any_(literal(list(numbers), ARRAY(BigInteger)))
    )


def cached(space: int, digests: Iterable[bytes]) -> Rows:
    """(ticket, digest, vector) of those that are kept, of whichever ticket."""
    return select(EmbeddingRow.ticket_id, EmbeddingRow.digest, EmbeddingRow.vector).where(
        EmbeddingRow.space_id == space,
        EmbeddingRow.digest == any_(literal(list(digests), ARRAY(LargeBinary))),
    )


def vector_count(space: int) -> Select[int]:
    return select(func.count()).where(EmbeddingRow.space_id == space)


def some_vectors(space: int, at_most: int) -> Select[bytes]:
    """Chosen alike in every process: by a digest, which is as good as chance."""
    return (
        select(EmbeddingRow.vector)
        .where(EmbeddingRow.space_id == space)
        .order_by(EmbeddingRow.digest)
        .limit(at_most)
    )


def every_space() -> Select[SpaceRow]:
    return select(SpaceRow).order_by(SpaceRow.id)


def unfinished(since: datetime, hopeless_after: int) -> Select[bool]:
    """Whether a job waits since then or longer that may still succeed."""
    return select(
        select(IndexJobRow.ticket_id)
        .where(IndexJobRow.enqueued_at <= since, IndexJobRow.attempts < hopeless_after)
        .exists()
    )


def without_postings(limit: int) -> Select[int]:
    return select(TicketRow.id).where(TicketRow.word_count.is_(None)).limit(limit)


def standing() -> Select[int, int]:
    """(tickets, tickets waiting)."""
    tickets = select(func.count()).select_from(TicketRow).scalar_subquery()
    waiting = select(func.count()).select_from(IndexJobRow).scalar_subquery()
    return select(tickets, waiting)


def queue() -> Rows:
    """(waiting, seconds since the oldest was enqueued, the newest error)."""
    oldest = func.clock_timestamp() - func.min(IndexJobRow.enqueued_at)
    newest_error = (
        select(IndexJobRow.last_error)
        .where(IndexJobRow.last_error.is_not(None))
        .order_by(IndexJobRow.next_attempt_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(func.count(), func.extract("epoch", oldest), newest_error).select_from(
        IndexJobRow
    )
