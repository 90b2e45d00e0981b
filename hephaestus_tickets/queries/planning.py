"""Many tickets in one call: an array for each column, one statement for any number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, DateTime, Select, Text, any_, bindparam, func, literal, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hephaestus_tickets.models import BlockerRow, TicketRow

_NUMBERS = ARRAY(BigInteger)

# New tickets under their parents; the workflow's lock is held.
SET_PARENTS = sql(
    "UPDATE tickets SET parent_ticket_id = given.parent "
    "FROM unnest(:tickets, :parents) AS given (ticket, parent) WHERE tickets.id = given.ticket"
).bindparams(bindparam("tickets", type_=_NUMBERS), bindparam("parents", type_=_NUMBERS))

INSERT_BLOCKERS = sql(
    "INSERT INTO ticket_blockers (blocked_id, blocker_id, workflow_id, created_by, created_at) "
    "SELECT blocked, blocker, :workflow_id, :agent_id, :now "
    "FROM unnest(:blocked, :blockers) AS given (blocked, blocker)"
).bindparams(
    bindparam("workflow_id", type_=Text),
    bindparam("agent_id", type_=Text),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("blocked", type_=_NUMBERS),
    bindparam("blockers", type_=_NUMBERS),
)

# Of tickets that no job waits for yet.
INSERT_JOBS = sql("INSERT INTO index_jobs (ticket_id) SELECT unnest(:tickets)").bindparams(
    bindparam("tickets", type_=_NUMBERS)
)


def standing_in_each(workflow_id: str, statuses: Sequence[str]) -> Select[str, int]:
    """How many tickets stand in each of these columns; an empty one has no row."""
    return (
        select(TicketRow.status, func.count())
        .where(
            TicketRow.workflow_id == workflow_id,
            TicketRow.status == any_(literal(statuses, ARRAY(Text))),
        )
        .group_by(TicketRow.status)
    )


def lock_with_all_dependents(numbers: Iterable[int]) -> Select[int]:
    """These tickets and all they block, locked in order of id."""
    given = literal(list(numbers), _NUMBERS)
    dependents = select(BlockerRow.blocked_id).where(BlockerRow.blocker_id == any_(given))
    concerned = dependents.union_all(select(func.unnest(given)))
    # An array, not IN: see lock_with_dependents.
    return (
        select(TicketRow.id)
        .where(TicketRow.id == any_(func.array(concerned.scalar_subquery())))
        .order_by(TicketRow.id)
        .with_for_update(key_share=True)
    )


def blockers_among(numbers: Iterable[int]) -> Select[int, int]:
    """(blocked, blocker) where both are of these tickets."""
    given = literal(list(numbers), _NUMBERS)
    return select(BlockerRow.blocked_id, BlockerRow.blocker_id).where(
        BlockerRow.blocked_id == any_(given), BlockerRow.blocker_id == any_(given)
    )
