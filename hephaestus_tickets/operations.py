"""The catalogue: every operation once. MCP tools and REST routes are derived from it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from hephaestus_tickets.domain.errors import Invalid, NotFound
from hephaestus_tickets.domain.text import comma_list, quotable
from hephaestus_tickets.schemas.lean import lean_schema
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.services.board_service import BoardService
from hephaestus_tickets.services.plan_service import PlanService
from hephaestus_tickets.services.ticket_history_service import TicketHistoryService
from hephaestus_tickets.services.ticket_search_service import TicketSearchService
from hephaestus_tickets.services.ticket_service import TicketService
from hephaestus_tickets.services.unit_of_work import UnitOfWork

Toolset = Literal["core", "plan", "admin"]
Kind = Literal["read", "write", "wait"]
Service: TypeAlias = type[
    TicketService | TicketHistoryService | BoardService | TicketSearchService | PlanService
]
# A bound service method: its keyword arguments are described by its own signature.
Method = Callable[..., Awaitable[Reply]]


class UnknownTool(NotFound):
    def __init__(self, name: str, shown: Collection[str]) -> None:
        self.name = name
        hidden = next((each for each in OPERATIONS if each.name == name), None)
        way = (
            f"It belongs to the toolset '{hidden.toolset}': set TOOLSETS to show it."
            if hidden
            else f"Use one of: {comma_list(shown)}."
        )
        super().__init__(f"This session has no tool '{quotable(name)}'. {way}")


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
        """The method's keyword parameters as a model."""
        hints = get_type_hints(self.method, include_extras=True)
        fields: dict[str, Any] = {  # Any: as create_model takes them
            name: (
                hints[name],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for name, parameter in inspect.signature(self.method).parameters.items()
            if name != "self"
        }
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

    async def call(self, work: UnitOfWork, arguments: Mapping[str, Any]) -> Reply:  # Any: JSON
        return await self.method(self.service(work), **arguments)


_CLOSED = ConfigDict(extra="forbid")


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


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        service=TicketService,
        method=TicketService.create_ticket,
        verb="POST",
        path="/tickets/create",
    ),
    Operation(
        service=TicketService,
        method=TicketService.get_ticket,
        verb="GET",
        path="/tickets/{ticket_id}",
        kind="read",
    ),
    Operation(
        service=TicketService,
        method=TicketService.get_tickets,
        verb="GET",
        path="/tickets/get",
        kind="read",
    ),
    Operation(
        service=TicketService,
        method=TicketService.update_ticket,
        verb="POST",
        path="/tickets/update",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.change_status,
        verb="POST",
        path="/tickets/change-status",
        is_destructive=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.assign_ticket,
        verb="POST",
        path="/tickets/assign",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.add_comment,
        verb="POST",
        path="/tickets/comment",
    ),
    Operation(
        service=TicketService,
        method=TicketService.link_commit,
        verb="POST",
        path="/tickets/link-commit",
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.resolve_ticket,
        verb="POST",
        path="/tickets/resolve",
        is_destructive=True,
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.get_ticket_history,
        verb="GET",
        path="/tickets/{ticket_id}/history",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.get_board_config,
        verb="GET",
        path="/tickets/board-config/{workflow_id}",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.list_workflows,
        verb="GET",
        path="/workflows",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.configure_board,
        verb="POST",
        path="/tickets/board-config",
        toolset="admin",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.record_change,
        verb="POST",
        path="/tickets/record-change",
        toolset="admin",
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.record_status_transition,
        verb="POST",
        path="/tickets/record-status-transition",
        toolset="admin",
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.link_commit,
        verb="POST",
        path="/tickets/record-commit-link",
        toolset="admin",
        is_idempotent=True,
        renamed="record_commit_link",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.hybrid_search,
        verb="POST",
        path="/tickets/search",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.semantic_search,
        verb="POST",
        path="/tickets/search/semantic",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.search_by_keywords,
        verb="POST",
        path="/tickets/search/keywords",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.index_ticket,
        verb="POST",
        path="/tickets/index",
        toolset="admin",
        is_idempotent=True,
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.reindex_ticket,
        verb="POST",
        path="/tickets/reindex",
        toolset="admin",
        is_idempotent=True,
    ),
    Operation(
        service=PlanService,
        method=PlanService.create_tickets,
        path="/tickets/create-many",
        toolset="plan",
    ),
    Operation(
        service=PlanService,
        method=PlanService.update_tickets,
        path="/tickets/update-many",
        toolset="plan",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=PlanService,
        method=PlanService.resolve_tickets,
        path="/tickets/resolve-many",
        toolset="plan",
        is_destructive=True,
    ),
)


def operations_of(toolsets: frozenset[Toolset]) -> list[Operation]:
    return [operation for operation in OPERATIONS if operation.toolset in toolsets]
