"""Many tickets in one call: the entries of a plan, and what is changed of each ticket."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import Field, WithJsonSchema, model_validator

from hephaestus_tickets.domain.text import comma_list, quotable
from hephaestus_tickets.domain.vocabulary import Priority
from hephaestus_tickets.schemas.arguments import Argument, TicketUpdates
from hephaestus_tickets.schemas.parameters import ClaimToken, ExpectedVersion, Ref
from hephaestus_tickets.schemas.types import (
    AgentId,
    Description,
    OptionalComment,
    Printable,
    Storable,
    Stripped,
    Tag,
    TaskIds,
    TicketRef,
    Title,
    Word,
)

MOST = 200

LocalName = Annotated[str, Storable, Printable, Stripped, Field(max_length=40)]
# A few more than a ticket may have: those are refused with the plan's other faults.
PlannedTags = Annotated[list[Tag], Field(max_length=200)]
PlannedBlockers = Annotated[list[TicketRef], Field(max_length=400)]


class Entry(Argument):
    """Null stands for an absent field, and a field that is not there is told by name."""

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: Any) -> Any:  # Any: whatever JSON the caller sent
        if not isinstance(data, Mapping):
            return data  # pyright: ignore[reportUnknownVariableType] - as above
        fields = cast("Mapping[object, object]", data)  # JSON: its values are checked by field
        strange = [quotable(str(name)) for name in fields if name not in cls.model_fields]
        if strange:
            told = comma_list(strange, 10)
            raise ValueError(f"does not take {told}; it takes {comma_list(cls.model_fields)}")
        return {name: value for name, value in fields.items() if value is not None}


class PlannedTicket(Entry):
    title: Title
    ref: Annotated[LocalName, Field(description="A name of your own for the edges here")] = ""
    description: Description = ""
    ticket_type: Word = ""
    priority: Priority = Priority.MEDIUM
    initial_status: Word = ""
    assigned_agent_id: AgentId = ""
    parent: Annotated[TicketRef | None, Field(description="A ref or a ticket id")] = None
    blocked_by: PlannedBlockers = Field(default=[], description="Refs or ticket ids")
    tags: PlannedTags = Field(default=[])
    related_task_ids: TaskIds = Field(default=[])


class TicketPatch(Entry):
    ticket_id: Ref
    updates: Annotated[
        TicketUpdates,
        Field(description="As for update_ticket"),
        WithJsonSchema({"type": "object"}),
    ]
    update_comment: OptionalComment = ""
    expected_version: ExpectedVersion = None
    claim_token: ClaimToken = None


PlannedTickets = Annotated[list[PlannedTicket], Field(min_length=1, max_length=MOST)]
TicketPatches = Annotated[list[TicketPatch], Field(min_length=1, max_length=MOST)]
TicketsNamed = Annotated[
    list[TicketRef], Field(min_length=1, max_length=MOST, description="In any order")
]
DryRun = Annotated[bool, Field(description="Only check: nothing is kept")]
