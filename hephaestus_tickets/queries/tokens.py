"""Tokens: all of them, one by its name, one by its digest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from hephaestus_tickets.models import TokenRow


def _is_usable() -> ColumnElement[bool]:
    is_in_time = or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > func.clock_timestamp())
    return and_(TokenRow.revoked_at.is_(None), is_in_time)


def usable(digest: bytes) -> Select[TokenRow, datetime]:
    """The token, and what time it is."""
    statement = select(TokenRow, func.clock_timestamp())
    return statement.where(TokenRow.digest == digest, _is_usable())


def is_any() -> Select[bool]:
    return select(exists(select(TokenRow.id).where(_is_usable())))


def in_use(name: str) -> Select[TokenRow]:
    """The token of this name that is not revoked; it may have expired."""
    return select(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None))


def every() -> Select[TokenRow]:
    return select(TokenRow).order_by(TokenRow.id)
