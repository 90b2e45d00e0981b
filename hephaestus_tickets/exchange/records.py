"""What is exchanged: tickets with all that belongs to them, free of any database's numbers.

Readers of other formats make these records, and our own JSONL is these records, one a line.
Within a file a ticket is named by its `key`; an export's keys are `ticket-1`, `ticket-2`, … in
the order of its lines.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from hephaestus_tickets.domain.vocabulary import (
    CommentType,
    LinkKind,
    LinkMethod,
    Priority,
    WorkflowStatus,
)
from hephaestus_tickets.schemas.arguments import BoardColumn, BoardRules
from hephaestus_tickets.schemas.types import (
    CommentText,
    Description,
    Name,
    Storable,
    StorableJson,
    WorkflowId,
)

FORMAT = "hephaestus-tickets"
FORMAT_VERSION = 1
# Fields that hold any JSON value: an empty list is one, and not the same as none.
_ANY_VALUE = frozenset({"old_value", "new_value", "files_list", "metadata"})


Stored = Annotated[JsonValue, StorableJson]
Text = Annotated[str, Storable]
Key = Annotated[str, Storable, Field(min_length=1, max_length=200)]
StoredTitle = Annotated[str, Storable, Field(min_length=1, max_length=500)]
Agent = Annotated[str, Storable, Field(max_length=200)]
Sha = Annotated[str, Field(pattern="^[0-9a-f]{7,64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Record(BaseModel):
    """A field that is null, or an empty list where a list is the rule, is left out of the JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:  # Any: JSON
        fields: dict[str, Any] = handler(self)  # Any: JSON
        return {
            name: value
            for name, value in fields.items()
            if value is not None and (value != [] or name in _ANY_VALUE)
        }


class BlockerRecord(Record):
    blocker: Key
    created_by: Agent
    created_at: AwareDatetime


class LinkRecord(Record):
    target: Key
    kind: LinkKind
    created_by: Agent
    created_at: AwareDatetime


class CommentRecord(Record):
    agent_id: Agent
    comment_text: CommentText
    comment_type: CommentType = CommentType.GENERAL
    created_at: AwareDatetime
    mentions: list[Text] = []
    attachments: list[Text] = []


class CommitRecord(Record):
    agent_id: Agent
    commit_sha: Sha
    message: Text = ""
    committed_at: AwareDatetime | None = None
    files_changed: Count | None = None
    insertions: Count | None = None
    deletions: Count | None = None
    files_list: Stored = None
    link_method: LinkMethod = LinkMethod.IMPORTED
    author: Text | None = None
    parents: Stored = None
    verified: bool = False
    linked_at: AwareDatetime

    @property
    def is_whole(self) -> bool:
        """Whether it has all that a verified commit is to have."""
        facts = (self.author, self.committed_at, self.parents, self.files_list)
        counts = (self.files_changed, self.insertions, self.deletions)
        return None not in (*facts, *counts)


class ChangeRecord(Record):
    agent_id: Agent
    change_type: Annotated[str, Storable, Field(min_length=1)]
    changed_at: AwareDatetime
    field_name: Text | None = None
    old_value: Stored = None
    new_value: Stored = None
    change_description: Text | None = None
    metadata: Stored = None


class TicketRecord(Record):
    key: Key
    external_ref: Key | None = None
    title: StoredTitle
    description: Description = ""
    ticket_type: Name
    priority: Priority
    status: Name
    created_by: Agent
    assigned_agent_id: Agent | None = None
    parent: Key | None = None
    tags: list[Text] = []
    related_task_ids: list[Text] = []
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    version: Annotated[int, Field(ge=1, lt=2**63)] = 1
    blockers: list[BlockerRecord] = []
    links: list[LinkRecord] = []
    comments: list[CommentRecord] = []
    commits: list[CommitRecord] = []
    history: list[ChangeRecord] = []

    @property
    def is_resolved(self) -> bool:
        return self.resolved_at is not None

    @model_validator(mode="after")
    def _resolved_means_completed(self) -> Self:
        if (self.completed_at is None) != (self.resolved_at is None):
            raise ValueError("completed_at and resolved_at stand together or not at all")
        return self


class BoardRecord(Record):
    name: Text
    columns: Annotated[list[BoardColumn], Field(min_length=2, max_length=50)]
    ticket_types: Annotated[list[Name], Field(min_length=1, max_length=50)]
    default_ticket_type: Name
    initial_status: Name
    settings: BoardRules


class Header(Record):
    """The first line of an export: what follows, and how many tickets there are of it."""

    format: Literal["hephaestus-tickets"] = FORMAT
    format_version: int = FORMAT_VERSION
    workflow_id: WorkflowId
    workflow_name: Text
    workflow_status: WorkflowStatus = WorkflowStatus.ACTIVE
    board: BoardRecord
    ticket_count: Annotated[int, Field(ge=0, le=100_000_000)]


def moment_text(moment: datetime | None) -> str | None:
    """A time as PostgreSQL reads it back to the microsecond."""
    return None if moment is None else moment.isoformat()
