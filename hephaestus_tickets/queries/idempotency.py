"""Writes under a key: the row that holds it, and what was answered to the first."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Delete, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from hephaestus_tickets.models import IdempotencyKeyRow
from hephaestus_tickets.queries.rows import Rows


def hold(principal: str, key: str, digest: bytes, seconds: int) -> ReturningInsert[str]:
    """One row if the key is new, or older than so many seconds; waits for who has it just now."""
    new = insert(IdempotencyKeyRow).values(principal=principal, key=key, digest=digest)
    now = func.clock_timestamp()
    return new.on_conflict_do_update(
        constraint="pk_idempotency_keys",
        set_={"digest": new.excluded.digest, "reply": None, "created_at": now},
        where=IdempotencyKeyRow.created_at < now - timedelta(seconds=seconds),
    ).returning(IdempotencyKeyRow.key)


def first_call(principal: str, key: str) -> Rows:
    return select(IdempotencyKeyRow.digest, IdempotencyKeyRow.reply).where(
        IdempotencyKeyRow.principal == principal, IdempotencyKeyRow.key == key
    )


def forgotten(seconds: int) -> Delete:
    """Deletes the keys that are older than so many seconds."""
    oldest = func.clock_timestamp() - timedelta(seconds=seconds)
    return (
        delete(IdempotencyKeyRow)
        .where(IdempotencyKeyRow.created_at < oldest)
        .execution_options(synchronize_session=False)
    )
