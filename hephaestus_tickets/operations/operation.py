"""One operation: a service method, and what MCP tools and REST routes are derived from."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, TypeAlias, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from hephaestus_tickets.domain.errors import Invalid, TicketError
from hephaestus_tickets.domain.text import comma_list, quotable
from hephaestus_tickets.schemas.lean import lean_schema
from hephaestus_tickets.schemas.parameters import IdempotencyKey
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.services.board_service import BoardService
from hephaestus_tickets.services.claim_service import ClaimService
from hephaestus_tickets.services.commit_service import CommitService
from hephaestus_tickets.services.plan_service import PlanService
from hephaestus_tickets.services.ticket_history_service import TicketHistoryService
from hephaestus_tickets.services.ticket_search_service import TicketSearchService
from hephaestus_tickets.services.ticket_service import TicketService
from hephaestus_tickets.services.unit_of_work import UnitOfWork

Toolset = Literal["core", "plan", "admin"]
Kind = Literal["read", "write", "wait"]
Service: TypeAlias = type[
    TicketService
    | TicketHistoryService
    | BoardService
    | TicketSearchService
    | ClaimService
    | PlanService
    | CommitService
]
# A bound service method: its keyword arguments are described by its own signature.
Method = Callable[..., Awaitable[Reply]]


class UnknownArgument(Invalid):
    def __init__(self, operation: str, names: list[str], valid: list[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{operation} does not take {comma_list(map(quotable, names))}. Nothing was changed. "
            f"Its arguments are: {comma_list(valid)}."
        )


class InvalidArguments(Invalid):
    """What is wrong with each argument, in one sentence each."""

    def __init__(self, operation: str, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            f"{operation} cannot be called like that: {comma_list(faults, 10, '; ')}. "
            "Nothing was changed."
        )


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One entry of the catalogue; everything else is read off its service method."""

    service: Service
    method: Method
    path: str
    verb: Literal["GET", "POST"] = "POST"
    toolset: Toolset = "core"
    kind: Kind = "write"
    is_destructive: bool = False
    is_idempotent: bool = False
    renamed: str = ""
    # A client that was cut off repeats itself: the same again is answered with the first reply.
    guards_repeats: bool = False
    # What is refused for now: with `wait_seconds` the call is tried again until it is not.
    waits_out: type[TicketError] | None = None

    @property
    def name(self) -> str:
        return self.renamed or self.method.__name__

    @cached_property
    def description(self) -> str:
        return inspect.cleandoc(self.method.__doc__ or "")

    @cached_property
    def summary(self) -> str:
        return " ".join(self.description.split("\n\n")[0].split())

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The method's keyword parameters as a model; of a write with its idempotency key."""
        hints = get_type_hints(self.method, include_extras=True)
        fields: dict[str, Any] = {  # Any: as create_model takes them
            name: (
                hints[name],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for name, parameter in inspect.signature(self.method).parameters.items()
            if name != "self"
        }
        if self.kind == "write":
            fields[KEY] = (IdempotencyKey, "")
        return create_model(f"{self.name}_arguments", __config__=_CLOSED, **fields)

    @cached_property
    def reply(self) -> type[Reply]:
        return get_type_hints(self.method)["return"]

    @cached_property
    def input_schema(self) -> dict[str, Any]:  # Any: JSON
        return lean_schema(self.arguments)

    @cached_property
    def output_schema(self) -> dict[str, Any]:  # Any: JSON
        return lean_schema(self.reply)

    def parse(self, raw: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
        """Keyword arguments for the method. Raises UnknownArgument, InvalidArguments, or what a
        nested argument itself refuses; null stands for an absent argument.
        """  # noqa: D205 - the list of errors belongs together
        valid = list(self.arguments.model_fields)
        strange = [name for name in raw if name not in valid]
        if strange:
            raise UnknownArgument(self.name, strange, valid)
        given = {
            name: self._unpacked(name, value) for name, value in raw.items() if value is not None
        }
        try:
            parsed = self.arguments.model_validate(given)
        except ValidationError as error:
            raise InvalidArguments(
                self.name, [_fault(detail) for detail in error.errors()]
            ) from error
        return {name: getattr(parsed, name) for name in parsed.model_fields_set}

    def _unpacked(self, name: str, value: Any) -> Any:  # Any: JSON
        """Some clients send lists and objects as JSON text: accept it where no text is wanted."""
        schema = self.input_schema["properties"][name]
        if not isinstance(value, str) or schema.get("type") not in ("array", "object"):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value

    def digest(self, arguments: Mapping[str, Any]) -> bytes:  # Any: as parsed
        """Of what is asked for, however it was written."""
        asked = self.arguments.model_construct(set(arguments), **arguments)
        told = asked.model_dump_json(exclude_unset=True)
        return sha256(f"{self.name} {told}".encode("utf-8", "surrogatepass")).digest()

    async def call(self, work: UnitOfWork, arguments: Mapping[str, Any]) -> Reply:  # Any: JSON
        return await self.method(self.service(work), **arguments)


_CLOSED = ConfigDict(extra="forbid")
KEY = "idempotency_key"


def _fault(detail: Mapping[str, Any]) -> str:  # Any: JSON
    place = quotable(".".join(str(part) for part in detail["loc"]) or "arguments", 200)
    message = str(detail["msg"]).removeprefix("Value error, ")
    kind = str(detail["type"])
    if kind == "missing":
        return f"'{place}' is missing"
    if kind in ("enum", "literal_error"):
        return f"'{place}' must be {detail['ctx']['expected']}, not {_quoted(detail['input'])}"
    return f"'{place}' {message[:1].lower()}{message[1:]}"


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{quotable(text)}'"
