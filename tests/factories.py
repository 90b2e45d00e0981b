"""How tests call operations and make tickets, naming only what matters to them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.server.calls import Calls

BY_NAME = {operation.name: operation for operation in OPERATIONS}
# A reply as JSON: what a client would see.
Json = Any


@dataclass(frozen=True)
class Desk:
    """Calls any operation by its name, as one agent, and returns the reply as JSON."""

    calls: Calls
    caller: Caller

    async def call(self, operation: str, **arguments: Json) -> Json:
        reply = await self.calls.run(BY_NAME[operation], arguments, self.caller)
        return reply.model_dump(mode="json")

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Json]]:
        if operation not in BY_NAME:
            raise AttributeError(operation)
        return partial(self.call, operation)

    def speaking_as(self, agent_id: str) -> Desk:
        return replace(self, caller=replace(self.caller, agent_id=agent_id))

    async def make_ticket(self, **what_matters: Json) -> str:
        """The id of a new ticket, which repeats no other's creation."""
        once = {"title": "A ticket", "idempotency_key": uuid.uuid4().hex}
        return (await self.create_ticket(**{**once, **what_matters}))["ticket_id"]

    async def status_of(self, ticket_id: str) -> str:
        return (await self.get_ticket(ticket_id=ticket_id))["ticket"]["status"]
