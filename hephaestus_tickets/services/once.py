"""A write done once: the same call again is answered with the reply of the first.

The key's row is the first thing that its transaction writes, so that a repetition that comes
meanwhile waits for it; a refusal undoes it with all else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session, SessionTransaction

from hephaestus_tickets.domain.errors import Conflict
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.queries import idempotency
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.services.unit_of_work import UnitOfWork

R = TypeVar("R", bound=Reply)

KEPT_SECONDS = 86_400
REPEATED_SECONDS = 60


class IdempotencyKeyReused(Conflict):
    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"The idempotency_key '{one_line(key, 80)}' was used for another call. Nothing was "
            "changed. Use a new key for each new write, and the same one only to repeat it."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Whose call it is and what it asks for; `name` is empty where the caller gave no key."""

    principal: str
    name: str
    digest: bytes

    @property
    def seconds(self) -> int:
        """How long the same call again is a repetition of it."""
        return KEPT_SECONDS if self.name else REPEATED_SECONDS

    @property
    def stored(self) -> str:
        return f"key {self.name}" if self.name else f"same {self.digest.hex()}"

    @property
    def names(self) -> dict[str, str]:
        return {"whose": self.principal, "named": self.stored}


class _Replayed(Exception):
    def __init__(self, reply: dict[str, Any]) -> None:  # Any: JSON
        self.reply = reply


async def once(
    work: UnitOfWork, key: Key, reply_type: type[R], call: Callable[[UnitOfWork], Awaitable[R]]
) -> R:
    """What `call` does and answers, or what it answered before. Raises IdempotencyKeyReused."""

    def hold(_: Session, begun: SessionTransaction, connection: Connection) -> None:
        if not begun.nested:
            _hold(connection, key)

    # With the first statement, whichever that is: what a call waits for before it, it waits for
    # without a connection. One that rests in between holds the key anew.
    event.listen(work.session.sync_session, "after_begin", hold)
    try:
        reply = await call(work)
    except _Replayed as before:
        return reply_type.model_validate({**before.reply, "replayed": True})
    answered = {**key.names, "answered": reply.model_dump(mode="json")}
    await work.session.execute(idempotency.answer(), answered)
    return reply


def _hold(connection: Connection, key: Key) -> None:
    """Raises _Replayed where the call was made before."""
    given = {**key.names, "asked": key.digest, "seconds": key.seconds}
    if connection.execute(idempotency.hold(), given).first() is not None:
        return
    digest, reply = connection.execute(idempotency.first_call(), key.names).one()
    if digest != key.digest:
        raise IdempotencyKeyReused(key.name)
    raise _Replayed(reply)
