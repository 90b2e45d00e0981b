"""Tokens: all of them, one by its name, one by its digest."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import TokenRow
from hephaestus_tickets.queries.rows import Rows


def _is_usable() -> ColumnElement[bool]:
    is_in_time = or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > func.clock_timestamp())
    return and_(TokenRow.revoked_at.is_(None), is_in_time)


@cache
def usable() -> Rows:
    """(id, name, access, agent_id, workflows, last_used_at, what time it is) by a `:digest`."""
    told = (TokenRow.id, TokenRow.name, TokenRow.access, TokenRow.agent_id, TokenRow.workflows)
    return (
        select(*told, TokenRow.last_used_at, func.clock_timestamp())
        .where(TokenRow.digest == bindparam("digest", type_=LargeBinary), _is_usable())
        .execution_options(**KEEPS_PLAN)
    )


@cache
def is_any() -> Select[bool]:
    return select(exists(select(TokenRow.id).where(_is_usable()))).execution_options(**KEEPS_PLAN)


def used(token: int) -> Update:
    statement = update(TokenRow).where(TokenRow.id == token)
    return statement.values(last_used_at=func.clock_timestamp())


def in_use(name: str) -> Select[TokenRow]:
    """The token of this name that is not revoked; it may have expired."""
    return select(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None))


def every() -> Select[TokenRow]:
    return select(TokenRow).order_by(TokenRow.id)
