"""Commit links."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Update,
    and_,
    any_,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Interval

from hephaestus_tickets.models import BoardRow, CommitRow, TicketRow, WorkflowRow
from hephaestus_tickets.queries.rows import Rows
from hephaestus_tickets.queries.tickets import in_scope

# What is told of a commit beside its message.
TOLD = (
    CommitRow.agent_id,
    CommitRow.commit_sha,
    CommitRow.verified,
    CommitRow.linked_at,
    CommitRow.link_method,
    CommitRow.author,
    CommitRow.committed_at,
    CommitRow.files_changed,
    CommitRow.insertions,
    CommitRow.deletions,
)


def unverified_of(ticket: int, sha: str) -> Select[CommitRow]:
    """A ticket's unverified link to a commit of this whole sha, of which it may have a part."""
    return (
        select(CommitRow)
        .where(
            CommitRow.ticket_id == ticket,
            ~CommitRow.verified,
            func.starts_with(literal(sha, Text), CommitRow.commit_sha),
        )
        .order_by(func.length(CommitRow.commit_sha).desc())
        .limit(1)
        .with_for_update()
    )


def is_linked(ticket: int, sha: str, *, besides: int) -> Select[bool]:
    found = select(CommitRow.id).where(
        CommitRow.ticket_id == ticket, CommitRow.commit_sha == sha, CommitRow.id != besides
    )
    return select(found.exists())


def verified_shas(tickets: Iterable[int]) -> Rows:
    """(ticket, sha) of their verified links, the latest first."""
    return (
        select(CommitRow.ticket_id, CommitRow.commit_sha)
        .where(
            CommitRow.ticket_id == any_(literal(list(tickets), ARRAY(BigInteger))),
            CommitRow.verified,
        )
        .order_by(CommitRow.linked_at.desc(), CommitRow.id.desc())
    )


def workflows_linking(sha: str, workflows: frozenset[str] | None) -> Select[str]:
    """Of the visible workflows those that have a commit linked whose sha begins like this."""
    return (
        select(TicketRow.workflow_id)
        .join(CommitRow, CommitRow.ticket_id == TicketRow.id)
        # A range, since LIKE would use the index in some locales alone.
        .where(CommitRow.commit_sha >= sha, CommitRow.commit_sha < f"{sha}g", in_scope(workflows))
        .group_by(TicketRow.workflow_id)
        .order_by(TicketRow.workflow_id)
        .limit(20)
    )


# The longer it was not there, the later it is looked for again: after a tenth of its age.
_FIRST_PAUSE, _SHARE = 60, 10


def _is_due() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    pause = func.greatest(
        func.make_interval(0, 0, 0, 0, 0, 0, _FIRST_PAUSE, type_=Interval),
        (now - CommitRow.linked_at) / _SHARE,
    )
    return func.coalesce(CommitRow.checked_at + pause < now, literal_column("true"))


def take_unverified(limit: int, *, has_default: bool) -> Update:
    """Links that are due to be looked up again, marked as looked up now; gives their ids.

    Only of active workflows that have a repository, of their own or by default.
    """
    named = func.coalesce(BoardRow.settings["repository"].astext, "") != ""
    due = (
        select(CommitRow.id)
        .join(TicketRow, TicketRow.id == CommitRow.ticket_id)
        .join(WorkflowRow, WorkflowRow.workflow_id == TicketRow.workflow_id)
        .join(BoardRow, BoardRow.workflow_id == TicketRow.workflow_id)
        .where(
            and_(~CommitRow.verified, _is_due()),
            WorkflowRow.status == "active",
            literal(value=True) if has_default else named,
        )
        .order_by(CommitRow.checked_at.nulls_first())
        .limit(limit)
        .with_for_update(skip_locked=True, of=CommitRow)
    )
    return (
        update(CommitRow)
        .where(CommitRow.id.in_(due))
        .values(checked_at=func.clock_timestamp())
        .returning(CommitRow.id)
        .execution_options(synchronize_session=False)
    )


def links_with_workflow(numbers: Iterable[int]) -> Rows:
    """(id, ticket, sha, workflow) of these links."""
    return (
        select(CommitRow.id, CommitRow.ticket_id, CommitRow.commit_sha, TicketRow.workflow_id)
        .join(TicketRow, TicketRow.id == CommitRow.ticket_id)
        .where(CommitRow.id == any_(literal(list(numbers), ARRAY(BigInteger))))
        .order_by(TicketRow.workflow_id, CommitRow.id)
    )


def lock_link(number: int) -> Select[CommitRow]:
    """The link, if it is still unverified."""
    return select(CommitRow).where(CommitRow.id == number, ~CommitRow.verified).with_for_update()
