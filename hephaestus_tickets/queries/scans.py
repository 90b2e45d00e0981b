"""What a look through a branch's commits asks, and where it ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    Text,
    and_,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy import column as named_column
from sqlalchemy.dialects.postgresql import ARRAY, insert

from hephaestus_tickets.models import CommitRow, CommitScanRow, TicketRow
from hephaestus_tickets.queries.tickets import named


def tickets_named(workflow_id: str, refs: Iterable[str]) -> Select[int, str | None]:
    """(id, external_ref) of the workflow's tickets that any of these may be."""
    return select(TicketRow.id, TicketRow.external_ref).where(
        TicketRow.workflow_id == workflow_id, named(refs)
    )


def links_among(pairs: Sequence[tuple[int, str]]) -> Select[int, str]:
    """Those of these (ticket, sha) that are linked already."""
    numbers = literal([number for number, _ in pairs], ARRAY(BigInteger))
    shas = literal([sha for _, sha in pairs], ARRAY(Text))
    rows = func.unnest(numbers, shas).table_valued(
        named_column("ticket", BigInteger), named_column("sha", Text)
    )
    given = rows.render_derived(name="given")
    return select(CommitRow.ticket_id, CommitRow.commit_sha).join(
        given, and_(CommitRow.ticket_id == given.c.ticket, CommitRow.commit_sha == given.c.sha)
    )


def lock_whole(numbers: Collection[int]) -> Select[TicketRow]:
    """These tickets, locked in order of id."""
    return (
        select(TicketRow)
        .where(TicketRow.id == any_(literal(list(numbers), ARRAY(BigInteger))))
        .order_by(TicketRow.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def last_scanned(workflow_id: str, repository: str, branch: str) -> Select[str]:
    """The commit up to which the branch was looked through."""
    return select(CommitScanRow.head).where(_of(workflow_id, repository, branch))


def remember(workflow_id: str, repository: str, branch: str, head: str) -> Insert:
    statement = insert(CommitScanRow).values(
        workflow_id=workflow_id, repository=repository, branch=branch, head=head
    )
    return statement.on_conflict_do_update(
        constraint="pk_commit_scans",
        set_={"head": statement.excluded.head, "scanned_at": func.clock_timestamp()},
    )


def _of(workflow_id: str, repository: str, branch: str) -> ColumnElement[bool]:
    return and_(
        CommitScanRow.workflow_id == workflow_id,
        CommitScanRow.repository == repository,
        CommitScanRow.branch == branch,
    )
