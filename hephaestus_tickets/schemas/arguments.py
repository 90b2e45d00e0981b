"""Nested arguments: the typed patch, the filters, the parts of a board."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from hephaestus_tickets.domain.board import BoardSettings, Column
from hephaestus_tickets.domain.changes import check_field_names
from hephaestus_tickets.domain.errors import Invalid
from hephaestus_tickets.domain.text import comma_list, quotable
from hephaestus_tickets.domain.vocabulary import Category, LinkKind, Priority
from hephaestus_tickets.schemas.types import (
    AgentId,
    Description,
    Moment,
    Name,
    Path,
    Storable,
    Tag,
    Tags,
    TaskIds,
    TicketRef,
    TicketRefs,
    Title,
    Word,
)

SortBy = Literal["created_at", "updated_at", "priority", "status"]
SortOrder = Literal["asc", "desc"]


class UnknownFilter(Invalid):
    def __init__(self, names: Iterable[str], valid: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"filters does not know {comma_list(map(quotable, self.names))}. "
            f"Use: {comma_list(valid, 40)}."
        )


def _as_list(value: object) -> object:
    if value is None or isinstance(value, list):
        return cast("object", value)  # JSON: its items are checked by the field's own type
    return [value]


def _names(data: object) -> list[str]:
    if not isinstance(data, Mapping):
        return []
    return [str(name) for name in cast("Mapping[object, object]", data)]  # JSON: keys are read only


class _OneOrMany:
    """A filter that takes one value or a list; inside it is always a list."""

    def __get_pydantic_core_schema__(
        self,
        source: Any,  # Any: pydantic's own signature
        handler: GetCoreSchemaHandler,
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:  # Any: JSON
        several = next(part for part in handler(schema)["anyOf"] if part.get("type") == "array")
        return {"anyOf": [several["items"], several]}


OneOrMany = _OneOrMany()
# Elsewhere null only stands for an absent argument, and the schema does not show it.
Clearable = WithJsonSchema({"type": ["string", "null"]})


class Argument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TicketLink(Argument):
    ticket_id: TicketRef
    kind: LinkKind = LinkKind.RELATES_TO


class TicketUpdates(Argument):
    """What update_ticket may change. Absent keeps, null clears."""

    title: Title | None = None
    description: Description | None = None
    ticket_type: Word | None = None
    priority: Priority | None = None
    assigned_agent_id: Annotated[AgentId | None, Clearable] = None
    parent_ticket_id: Annotated[TicketRef | None, Clearable] = None
    tags: Tags | None = None
    add_tags: Tags | None = None
    remove_tags: Tags | None = None
    blocked_by_ticket_ids: TicketRefs | None = None
    add_blocked_by_ticket_ids: TicketRefs | None = None
    remove_blocked_by_ticket_ids: TicketRefs | None = None
    related_task_ids: TaskIds | None = None
    links: Annotated[list[TicketLink] | None, Field(max_length=100)] = None

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, data: Any) -> Any:  # Any: whatever JSON the caller sent
        check_field_names(_names(data), list(cls.model_fields))
        return data

    @property
    def touches_edges(self) -> bool:
        return self.touches_blockers or "parent_ticket_id" in self.model_fields_set

    @property
    def touches_blockers(self) -> bool:
        return not self.model_fields_set.isdisjoint(_BLOCKER_FIELDS)


_BLOCKER_FIELDS = frozenset(
    {
        "blocked_by_ticket_ids",
        "add_blocked_by_ticket_ids",
        "remove_blocked_by_ticket_ids",
    }
)


class TicketFilters(Argument):
    """Narrows a list; every filter given must hold, a list means any of its values."""

    status: Annotated[list[Word] | None, OneOrMany] = None
    ticket_type: Annotated[list[Word] | None, OneOrMany] = None
    priority: Annotated[list[Priority] | None, OneOrMany] = None
    assigned_agent_id: Annotated[list[AgentId] | None, OneOrMany] = None
    tags: Annotated[list[Tag] | None, OneOrMany] = None
    is_blocked: bool | None = None
    is_resolved: bool | None = None
    parent_ticket_id: Annotated[list[TicketRef] | None, OneOrMany] = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    updated_after: Moment | None = None
    updated_before: Moment | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_filters(cls, data: Any) -> Any:  # Any: whatever JSON the caller sent
        strange = [name for name in _names(data) if name not in cls.model_fields]
        if strange:
            raise UnknownFilter(strange, cls.model_fields)
        return data


Step = Annotated[str, Storable, Field(min_length=1, max_length=1_000)]
Steps = Annotated[list[Step], Field(max_length=20)]


class HandOver(Argument):
    """What the next agent must know."""

    done: Steps = []
    left: Steps = []
    decisions: Steps = []
    dead_ends: Steps = []
    next_step: Annotated[str, Storable, Field(max_length=2_000)] = ""


class BoardColumn(Argument):
    id: Name
    name: Name | None = None
    category: Category
    color: Annotated[str | None, Field(pattern="^#[0-9a-fA-F]{6}$")] = None
    wip_limit: Annotated[int | None, Field(ge=1, le=1_000_000)] = None

    def parsed(self) -> Column:
        return Column(
            id=self.id,
            name=self.name or self.id,
            category=self.category,
            color=self.color,
            wip_limit=self.wip_limit,
        )

    @classmethod
    def of(cls, column: Column) -> Self:
        return cls(
            id=column.id,
            name=column.name,
            category=column.category,
            color=column.color,
            wip_limit=column.wip_limit,
        )


class BoardRules(Argument):
    """The settings of a board; `transitions` maps a status to those it may move to."""

    require_comment_on_status_change: bool = False
    allow_reopen: bool = True
    transitions: Annotated[dict[Name, list[Name]] | None, Field(max_length=50)] = None
    repository: Annotated[
        Path | None, Field(description="A git repository below the operator's GIT_ROOTS")
    ] = None
    branch: Annotated[Name | None, Field(description="Default: the one checked out there")] = None
    commit_patterns: Annotated[
        list[Name] | None,
        Field(max_length=20, description="How commits name tickets, like 'bug {id}'"),
    ] = None
    require_commit_on_done: Annotated[
        bool | list[Name] | None,
        Field(description="Only with a verified commit on the branch; or the columns meant"),
    ] = None

    def parsed(self) -> BoardSettings:
        transitions = None if self.transitions is None else self.transitions.items()
        required = self.require_commit_on_done
        return BoardSettings(
            require_comment_on_status_change=self.require_comment_on_status_change,
            allow_reopen=self.allow_reopen,
            transitions=None
            if transitions is None
            else {status: tuple(targets) for status, targets in transitions},
            repository=self.repository or "",
            branch=self.branch or "",
            commit_patterns=tuple(self.commit_patterns or ()),
            require_commit_on_done=tuple(required)
            if isinstance(required, list)
            else bool(required),
        )

    @classmethod
    def of(cls, settings: BoardSettings) -> Self:
        transitions = None if settings.transitions is None else settings.transitions.items()
        required = settings.require_commit_on_done
        return cls(
            require_comment_on_status_change=settings.require_comment_on_status_change,
            allow_reopen=settings.allow_reopen,
            transitions=None
            if transitions is None
            else {status: list(targets) for status, targets in transitions},
            repository=settings.repository or None,
            branch=settings.branch or None,
            commit_patterns=list(settings.commit_patterns) or None,
            require_commit_on_done=list(required)
            if isinstance(required, tuple)
            else required or None,
        )
