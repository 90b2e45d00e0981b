"""What searches read beside the legs: spaces, narrowed tickets, exact finds, what hits show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.types import BigInteger, Text

from hephaestus_tickets.domain.ids import parse_id
from hephaestus_tickets.models import (
    CommentRow,
    CommitRow,
    EmbeddingRow,
    IndexJobRow,
    PostingRow,
    SpaceRow,
    TicketRow,
)
from hephaestus_tickets.queries.rows import Rows


def spaces() -> Select[SpaceRow]:
    """The one that serves before the one that is built."""
    return (
        select(SpaceRow).where(SpaceRow.status != "retired").order_by(SpaceRow.status == "building")
    )


def narrowed(
    workflow_id: str, conditions: Iterable[ColumnElement[bool]], at_most: int
) -> Select[int]:
    """The tickets that the conditions leave, and one more than so many if there are more."""
    return (
        select(TicketRow.id)
        .where(TicketRow.workflow_id == workflow_id, *conditions)
        .limit(at_most + 1)
    )


def narrowed_and_waiting(
    workflow_id: str, conditions: Iterable[ColumnElement[bool]], at_most: int
) -> Select[int]:
    """Those of them whose points may still say something else."""
    return (
        select(TicketRow.id)
        .join(IndexJobRow, IndexJobRow.ticket_id == TicketRow.id)
        .where(TicketRow.workflow_id == workflow_id, *conditions)
        .order_by(IndexJobRow.version.desc())
        .limit(at_most)
    )


def named_exactly(
    query: str, workflow_id: str, conditions: Iterable[ColumnElement[bool]], limit: int
) -> Select[int]:
    """Tickets that the whole query names: by id, by original id, or by a linked commit."""
    names = [TicketRow.external_ref == query, TicketRow.id == (parse_id("ticket", query) or 0)]
    sha = query.lower()
    if len(sha) >= _SHORTEST_SHA and set(sha) <= set("0123456789abcdef"):
        # A range, since LIKE would use the index in some locales alone.
        linked = select(CommitRow.ticket_id).where(
            CommitRow.commit_sha >= sha, CommitRow.commit_sha < f"{sha}g"
        )
        names.append(TicketRow.id.in_(linked))
    return (
        select(TicketRow.id)
        .where(TicketRow.workflow_id == workflow_id, or_(*names), *conditions)
        .order_by(TicketRow.id.desc())
        .limit(limit)
    )


_SHORTEST_SHA = 7


def still_there(
    numbers: Sequence[int], workflow_id: str, conditions: Iterable[ColumnElement[bool]]
) -> Select[int]:
    """Those of the tickets that are of the workflow and meet the conditions now."""
    return select(TicketRow.id).where(
        TicketRow.id == any_(literal(list(numbers), ARRAY(BigInteger))),
        TicketRow.workflow_id == workflow_id,
        *conditions,
    )


def shown(numbers: Sequence[int], workflow_id: str) -> Select[TicketRow]:
    """Those of the workflow: who shares a vector store with others may be told of theirs."""
    return select(TicketRow).where(
        TicketRow.id == any_(literal(list(numbers), ARRAY(BigInteger))),
        TicketRow.workflow_id == workflow_id,
    )


def best_comments(workflow: int, terms: Sequence[str], numbers: Sequence[int]) -> Rows:
    """(ticket, text) of the comment of each ticket in which most of the terms stand, if any."""
    counted = _counted(workflow, terms, numbers, PostingRow.comment_id > 0)
    return (
        select(counted.c.ticket_id, CommentRow.comment_text)
        .join(CommentRow, CommentRow.id == counted.c.comment_id)
        .ext(distinct_on(counted.c.ticket_id))
        .order_by(counted.c.ticket_id, counted.c.terms.desc(), CommentRow.id.desc())
    )


def best_commits(workflow: int, terms: Sequence[str], numbers: Sequence[int]) -> Rows:
    """(ticket, message) of the commit linked to each ticket, likewise."""
    counted = _counted(workflow, terms, numbers, PostingRow.comment_id < 0)
    return (
        select(counted.c.ticket_id, CommitRow.message)
        .join(CommitRow, CommitRow.id == -counted.c.comment_id)
        .ext(distinct_on(counted.c.ticket_id))
        .order_by(counted.c.ticket_id, counted.c.terms.desc(), CommitRow.id.desc())
    )


def _counted(
    workflow: int, terms: Sequence[str], numbers: Sequence[int], kind: ColumnElement[bool]
) -> Subquery:
    """(ticket_id, comment_id, terms): how many of the terms stand in each text of a kind."""
    return (
        select(PostingRow.ticket_id, PostingRow.comment_id, func.count().label("terms"))
        .where(
            PostingRow.workflow == workflow,
            PostingRow.term == any_(literal(list(terms), ARRAY(Text))),
            PostingRow.ticket_id == any_(literal(list(numbers), ARRAY(BigInteger))),
            kind,
        )
        .group_by(PostingRow.ticket_id, PostingRow.comment_id)
        .subquery()
    )


def vectors(space: Mapping[str, str | int], numbers: Sequence[int]) -> Rows:
    """One row: the tickets that have a vector in the space of these fields, and all of those."""
    return (
        select(
            func.coalesce(func.array_agg(EmbeddingRow.ticket_id), []),
            func.coalesce(func.string_agg(EmbeddingRow.vector, b""), b""),
        )
        .join(SpaceRow, SpaceRow.id == EmbeddingRow.space_id)
        .where(
            *[getattr(SpaceRow, name) == value for name, value in space.items()],
            EmbeddingRow.ticket_id == any_(literal(list(numbers), ARRAY(BigInteger))),
        )
    )


def same_title(workflow_id: str, digest: bytes) -> Rows:
    """(id, title, status) of the oldest unresolved ticket with a title of this digest."""
    return (
        select(TicketRow.id, TicketRow.title, TicketRow.status)
        .where(
            and_(TicketRow.workflow_id == workflow_id, TicketRow.title_digest == digest),
            ~TicketRow.is_resolved,
        )
        .order_by(TicketRow.id)
        .limit(1)
    )
