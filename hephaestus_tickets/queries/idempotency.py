"""Writes under a key: the row that holds it, and what was answered to the first."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    Text,
    Update,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import IdempotencyKeyRow
from hephaestus_tickets.queries.rows import Rows


@cache
def hold() -> ReturningInsert[str]:
    """One row if the key is new, or older than `:seconds`; waits for who has it just now.

    Built once, for the digest of any call that is `:asked`, the name of its key and `:whose` it is.
    """
    new = insert(IdempotencyKeyRow).values(
        principal=bindparam("whose"), key=bindparam("named"), digest=bindparam("asked")
    )
    now = func.clock_timestamp()
    oldest = now - func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Double))
    return (
        new.on_conflict_do_update(
            constraint="pk_idempotency_keys",
            set_={"digest": new.excluded.digest, "reply": None, "created_at": now},
            where=IdempotencyKeyRow.created_at < oldest,
        )
        .returning(IdempotencyKeyRow.key)
        .execution_options(**KEEPS_PLAN)
    )


def _is_it() -> ColumnElement[bool]:
    return and_(
        IdempotencyKeyRow.principal == bindparam("whose", type_=Text),
        IdempotencyKeyRow.key == bindparam("named", type_=Text),
    )


@cache
def first_call() -> Rows:
    return select(IdempotencyKeyRow.digest, IdempotencyKeyRow.reply).where(_is_it())


@cache
def answer() -> Update:
    return (
        update(IdempotencyKeyRow)
        .where(_is_it())
        .values(reply=bindparam("answered"))
        .execution_options(synchronize_session=False, **KEEPS_PLAN)
    )


def forgotten(seconds: int) -> Delete:
    """Deletes the keys that are older than so many seconds."""
    oldest = func.clock_timestamp() - timedelta(seconds=seconds)
    return (
        delete(IdempotencyKeyRow)
        .where(IdempotencyKeyRow.created_at < oldest)
        .execution_options(synchronize_session=False)
    )
