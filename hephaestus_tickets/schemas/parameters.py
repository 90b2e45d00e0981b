"""Parameters of the operations: a type with what an agent must know to fill it in."""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from hephaestus_tickets.domain.vocabulary import WorkflowStatus
from hephaestus_tickets.schemas.arguments import BoardColumn, HandOver, TicketFilters
from hephaestus_tickets.schemas.types import (
    AgentId,
    Attachments,
    Cursor,
    Mentions,
    Name,
    Offset,
    OptionalComment,
    SearchedText,
    SourcePath,
    StorableObject,
    TicketRef,
    TicketRefs,
    Word,
)

Ref = Annotated[TicketRef, Field(description="ticket-12, or the original id of an import")]
Actor = AgentId | None
Assignee = Annotated[AgentId, Field(description="Who gets it; empty: agent_id itself")]
BoardDefault = Annotated[Word | None, Field(description="Default: the board's")]
Blockers = Annotated[
    TicketRefs, Field(description="Tickets that must be resolved before this one can move")
]
OnDuplicate = Annotated[
    Literal["warn", "refuse"],
    Field(description="refuse: not if an open ticket has the same title"),
]
NewStatus = Annotated[Word, Field(description="A column id; get_board_config lists them")]
ExpectedVersion = Annotated[int | None, Field(ge=1, description="Refuse at another version")]
ClaimToken = int | None
AnyReady = Annotated[TicketRef | None, Field(description="Default: the best ready one")]
LeaseSeconds = Annotated[int | None, Field(ge=1, description="Default: 15 minutes")]
WaitSeconds = Annotated[int, Field(ge=0, le=50, description="Wait so long for a ready one")]
Moves = Annotated[bool, Field(description="Into the first 'doing' column")]
Resume = Annotated[bool, Field(description="Take over your own claim of another session")]
Handed = Annotated[HandOver | None, Field(description="What the next agent must know")]
Reason = Annotated[OptionalComment, Field(min_length=1, max_length=2_000)]
IdempotencyKey = Word  # the server's instructions say what it is for
Sha = Annotated[Word, Field(description="7-64 hex digits")]
ShaToLink = Annotated[Word | None, Field(description="7-64 hex digits")]
DiffPath = Annotated[SourcePath, Field(description="Only this file")]
WithHunks = Annotated[bool, Field(description="false: files and counts alone")]
Mentioned = Annotated[Mentions, Field(description="Agent ids")]
Attached = Annotated[Attachments, Field(description="Paths or URLs")]
DescriptionFrom = Annotated[Offset, Field(description="Character to start at, if it was cut")]
RelatedFrom = Annotated[
    Offset | None,
    Field(description="Only related tickets, from the n-th of each list on; for lists cut"),
]
Filters = Annotated[
    TicketFilters | None,
    Field(description="A list means any of; assigned_agent_id '': unassigned; times ISO"),
]
# One schema for three tools would be told three times; what get_tickets tells is enough.
SearchFilters = Annotated[
    TicketFilters | None,
    Field(description="As for get_tickets"),
    WithJsonSchema({"type": "object"}),
]
QueryText = Annotated[
    SearchedText, Field(description="What it is about, in any words; or an id or a sha")
]
Keywords = Annotated[SearchedText, Field(description="Words, identifiers, paths, error codes")]
HitLimit = Annotated[int, Field(ge=1, le=50)]
WithComments = Annotated[bool, Field(description="Look into comments too")]
NextCursor = Annotated[Cursor, Field(description="The reply's next_cursor")]
Resolution = Annotated[
    OptionalComment, Field(description="What was done, for those who depend on it")
]

EntryId = Annotated[
    Word, Field(description="One entry with its long texts: change-7, comment-88, …")
]
TextFrom = Annotated[Offset, Field(description="With entry_id: the character to start at")]
ExternalChange = Annotated[Name, Field(description="Begins with 'external.'")]
ChangeText = Annotated[OptionalComment | None, Field(max_length=10_000)]
Metadata = StorableObject | None

Columns = Annotated[
    list[BoardColumn] | None,
    Field(min_length=2, max_length=50, description="In order; ids are the statuses"),
]
TicketTypes = Annotated[list[Name] | None, Field(min_length=1, max_length=50)]
InitialStatus = Annotated[Name | None, Field(description="A 'todo' column")]
NewWorkflowStatus = Annotated[
    WorkflowStatus | None, Field(description="Tickets are written only while active")
]
