"""Every call, from whichever door: parsed, run in one unit of work, logged in one line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio

from hephaestus_tickets.domain.access import Access, AccessDenied
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.retry import Effect
from hephaestus_tickets.operations import KEY, Operation, Toolset, operations_of
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.services.agents import AgentRegister
from hephaestus_tickets.services.once import Key, once
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units

logger = logging.getLogger("hephaestus_tickets.calls")

_NOBODY = Caller(agent_id="")

# However much one client asks for at once, connections are left for the others.
TURNS = 4


@dataclass(slots=True)
class Asked:
    """An HTTP request: its number, and whether what became of it is in the log."""

    number: str = ""
    is_noted: bool = False


# The one that is served; None elsewhere.
asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


def new_turns() -> anyio.Semaphore:
    return anyio.Semaphore(TURNS, fast_acquire=True)


@dataclass(frozen=True, slots=True)
class Session:
    """One client: who it is, which tools it sees, and its turns on the database."""

    caller: Caller
    toolsets: frozenset[Toolset]
    access: Access = Access.ADMIN
    turns: anyio.Semaphore = field(default_factory=new_turns, compare=False, repr=False)

    @property
    def is_of_operator(self) -> bool:
        """Whether nothing is kept from it: an administrator of all workflows."""
        return self.access is Access.ADMIN and self.sees_all

    @property
    def sees_all(self) -> bool:
        """Whether every workflow is visible to it, whatever it may write."""
        return self.caller.workflows is None

    def may(self, operation: Operation) -> bool:
        return self.access.allows(
            reads=operation.kind != "write", is_for_administrators=operation.toolset == "admin"
        )

    def operations(self) -> list[Operation]:
        """Those it is shown, in the order of the catalogue."""
        return [each for each in operations_of(self.toolsets) if self.may(each)]


def _unobserved(operation: str, outcome: str, seconds: float) -> None:
    """What is done with each call's outcome where nobody watches."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Runs the catalogue's operations on a database; `observe` is told of each call."""

    units: Units
    register: AgentRegister = field(default_factory=AgentRegister)
    observe: Callable[[str, str, float], None] = _unobserved

    async def run_for(
        self,
        session: Session,
        operation: Operation,
        raw: Mapping[str, Any],  # Any: JSON
    ) -> Reply:
        """Raises a TicketError whose text is for the caller; anything else is our fault.

        Each attempt is made when one of the session's turns is free.
        """
        started, outcome = time.perf_counter(), "internal_error"
        caller = session.caller
        try:
            if not session.may(operation):
                raise AccessDenied(operation.name, session.access)
            arguments = operation.parse(raw)
            reply = await self._answer_in_time(operation, arguments, session)
            outcome = "ok"
        except TicketError as refusal:
            outcome = refusal.code
            raise
        finally:
            self._note(operation.name, caller, started, outcome)
        if operation.kind == "write":
            await self.register.seen(self.units, caller.actor(arguments.get("agent_id")))
        return reply

    async def run(self, operation: Operation, raw: Mapping[str, Any], caller: Caller) -> Reply:
        """As `run_for`, for one who may do everything."""
        return await self.run_for(Session(caller, frozenset()), operation, raw)

    def note_refusal(self, outcome: str, started: float) -> None:
        """Of an HTTP request that became no call."""
        self._note("http", _NOBODY, started, outcome)

    def _note(self, operation: str, caller: Caller, started: float, outcome: str) -> None:
        seconds = time.perf_counter() - started
        self.observe(operation, outcome, seconds)
        told = {"operation": operation, "agent": caller.agent_id, "outcome": outcome}
        told |= {"ms": round(seconds * 1000, 1)}
        request = asked.get()
        if request is not None:
            told["request"] = request.number
            request.is_noted = True
        logger.info("%s", json.dumps(told))

    async def _answer_in_time(
        self,
        operation: Operation,
        arguments: dict[str, Any],  # Any: as parsed
        session: Session,
    ) -> Reply:
        """Waits, where that is asked for, in no transaction; each attempt is one of its own."""
        refusal, seconds = operation.waits_out, float(arguments.get("wait_seconds", 0))
        if refusal is None or not seconds:
            return await self._answer(operation, arguments, session)
        deadline = time.monotonic() + seconds
        async with self.units.hearing.waiting():
            while (left := deadline - time.monotonic()) > 0:
                with suppress(refusal):
                    return await self._answer(operation, dict(arguments), session)
                await self.units.hearing.heard(left)
        return await self._answer(operation, arguments, session)

    async def _answer(
        self,
        operation: Operation,
        arguments: dict[str, Any],  # Any: as parsed
        session: Session,
    ) -> Reply:
        async with session.turns:
            return await self._attempt(operation, arguments, session.caller)

    async def _attempt(
        self,
        operation: Operation,
        arguments: dict[str, Any],  # Any: as parsed
        caller: Caller,
    ) -> Reply:
        async def call(work: UnitOfWork) -> Reply:
            return await operation.call(work, arguments)

        if operation.kind == "read":
            return await self.units.read(caller, call)
        key = _key(operation, arguments, caller)
        if key is None:
            return await self.units.run(caller, call)
        return await self.units.run(
            caller, lambda work: once(work, key, operation.reply, call), effect=Effect.REPEATABLE
        )


def _key(
    operation: Operation, arguments: dict[str, Any], caller: Caller
) -> Key | None:  # Any: as above
    """What makes the call one that is done once; None where it is done as often as it comes."""
    name = arguments.pop(KEY, "")
    if not name and not operation.guards_repeats:
        return None
    asked = {"workflow_id": caller.default_workflow, **arguments}
    named = arguments.get("agent_id")
    actor = caller.actor(named)
    # An agent whose name is its session's has another one when it comes again to repeat itself.
    is_lasting = bool(named) or caller.is_bound or not name
    return Key(
        principal=caller.principal or (actor if is_lasting else ""),
        name=name,
        digest=operation.digest(asked),
    )


def compact(reply: Reply) -> str:
    """The reply as compact JSON text, in UTF-8 as it is."""
    return compact_text(reply.model_dump(mode="json"))


def compact_text(shown: Mapping[str, Any]) -> str:  # Any: JSON
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
