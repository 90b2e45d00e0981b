"""Tokens: made and shown once, found again by their digest, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from hephaestus_tickets.domain.access import Access, Grant, TokenNameTaken, TokenNotFound
from hephaestus_tickets.models import TokenRow
from hephaestus_tickets.queries import tokens
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.services.lookup import workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork

PREFIX = "ht_"
_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    name: str
    access: Access
    agent_id: str | None
    workflows: Sequence[str] | None
    days: int | None


def digest(secret: str) -> bytes:
    """A secret of 256 random bits needs no salt and no slow hash."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def create(work: UnitOfWork, wanted: Wanted) -> str:
    """The secret, which is kept nowhere. Raises TokenNameTaken or WorkflowNotFound."""
    for workflow_id in wanted.workflows or ():
        await workflow_for_read(work, workflow_id)
    if (await work.session.scalars(tokens.in_use(wanted.name))).first() is not None:
        raise TokenNameTaken(wanted.name)
    now = (await work.session.scalars(database_clock())).one()
    secret = f"{PREFIX}{secrets.token_urlsafe(_BYTES)}"
    work.session.add(
        TokenRow(
            name=wanted.name,
            digest=digest(secret),
            access=wanted.access,
            agent_id=wanted.agent_id,
            workflows=None if wanted.workflows is None else sorted(set(wanted.workflows)),
            created_at=now,
            expires_at=None if wanted.days is None else now + timedelta(days=wanted.days),
        )
    )
    await work.session.flush()
    return secret


async def every(work: UnitOfWork) -> Sequence[TokenRow]:
    return (await work.session.scalars(tokens.every())).all()


async def revoke(work: UnitOfWork, name: str) -> None:
    """Raises TokenNotFound."""
    row = (await work.session.scalars(tokens.in_use(name))).first()
    if row is None:
        known = [each.name for each in await every(work) if each.revoked_at is None]
        raise TokenNotFound(name, known)
    row.revoked_at = (await work.session.scalars(database_clock())).one()


async def is_any(work: UnitOfWork) -> bool:
    """Whether any token can be used now."""
    return (await work.session.scalars(tokens.is_any())).one()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token opens, and whether its use is to be noted: once a minute is enough."""

    grant: Grant
    is_stale: bool


async def granted(work: UnitOfWork, secret: str) -> Shown | None:
    """What the secret opens now; None where it is not known, expired or revoked."""
    rows = await work.session.execute(tokens.usable(), {"digest": digest(secret)})
    found = rows.first()
    if found is None:
        return None
    number, name, access, agent_id, workflows, last_used_at, now = found
    grant = Grant(
        token=number,
        name=name,
        access=Access(access),
        agent_id=agent_id,
        workflows=None if workflows is None else frozenset(workflows),
    )
    return Shown(grant, _is_stale(last_used_at, now))


async def note_use(work: UnitOfWork, grant: Grant) -> None:
    await work.session.execute(tokens.used(grant.token))


def _is_stale(last: datetime | None, now: datetime) -> bool:
    return last is None or now - last >= timedelta(minutes=1)
