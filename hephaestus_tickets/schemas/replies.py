"""What a call answers: small, with empty fields left out."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from hephaestus_tickets.domain.vocabulary import (
    CommentType,
    LinkKind,
    LinkMethod,
    Priority,
)
from hephaestus_tickets.schemas.types import Timestamp

# A JSON value of unknown shape, as history keeps it.
Json = Any


class Reply(BaseModel):
    """A field that is null, false or empty is left out of the JSON: absent means just that."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Json]:
        fields: dict[str, Json] = handler(self)
        return {name: value for name, value in fields.items() if not _is_empty(value)}


def _is_empty(value: object) -> bool:
    return value is None or value is False or value in ("", [], {})


class WriteReply(Reply):
    replayed: bool = Field(default=False, description="Done before: this is the first reply")


class TicketRefView(Reply):
    ticket_id: str
    title: str
    status: str
    is_resolved: bool = False


class LinkView(Reply):
    ticket_id: str
    kind: LinkKind
    title: str
    status: str
    direction: str = Field(description="'out': from this ticket; 'in': from the other one")


class TicketSummary(Reply):
    ticket_id: str
    title: str
    status: str
    priority: Priority
    ticket_type: str
    assigned_agent_id: str | None = None
    is_blocked: bool = False
    is_resolved: bool = False
    updated_at: Timestamp
    external_ref: str | None = None


class ClaimView(Reply):
    agent_id: str
    ends_at: Timestamp


class TicketView(Reply):
    ticket_id: str
    workflow_id: str
    title: str
    description: str = ""
    ticket_type: str
    priority: Priority
    status: str
    is_blocked: bool = False
    is_resolved: bool = False
    assigned_agent_id: str | None = None
    created_by: str
    parent_ticket_id: str | None = None
    tags: list[str] = []
    related_task_ids: list[str] = []
    links: list[LinkView] = []
    external_ref: str | None = None
    created_at: Timestamp
    updated_at: Timestamp
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    resolved_at: Timestamp | None = None
    claim: ClaimView | None = Field(default=None, description="Live: who works on it, until when")
    version: int


class CommentView(Reply):
    comment_id: str
    agent_id: str
    comment_type: CommentType
    comment_text: str
    mentions: list[str] = []
    attachments: list[str] = []
    created_at: Timestamp


class CommitView(Reply):
    commit_sha: str
    message: str = ""
    agent_id: str
    verified: bool = Field(default=False, description="Seen in the workflow's repository")
    linked_at: Timestamp
    link_method: LinkMethod = LinkMethod.MANUAL
    author: str | None = None
    committed_at: Timestamp | None = None
    files_changed: int | None = None
    insertions: int | None = None
    deletions: int | None = None


class ChangeView(Reply):
    change_id: str
    change_type: str
    agent_id: str
    changed_at: Timestamp
    field_name: str | None = None
    old_value: Json = None
    new_value: Json = None
    change_description: str | None = None


class TicketDetails(Reply):
    ticket: TicketView
    blocked_by: list[TicketRefView] = []
    blocks: list[TicketRefView] = []
    sub_tickets: list[TicketRefView] = []
    comments: list[CommentView] = Field(default=[], description="The latest, oldest of them first")
    commits: list[CommitView] = []
    history: list[ChangeView] = Field(default=[], description="The latest, oldest of them first")
    omitted: list[str] = Field(default=[], description="What was left out, and how to get it")


class TicketList(Reply):
    tickets: list[TicketSummary] = []
    total_count: int
    returned: int
    next_cursor: str | None = None


class TimelineEntry(Reply):
    """A change, a comment or a commit link; the fields of the other kinds are absent."""

    entry_id: str = Field(description="change-…, comment-… or commit-…")
    at: Timestamp
    agent_id: str
    change_type: str | None = None
    field_name: str | None = None
    old_value: Json = None
    new_value: Json = None
    change_description: str | None = None
    metadata: Json = None
    comment_type: CommentType | None = None
    comment_text: str | None = None
    mentions: list[str] = []
    attachments: list[str] = []
    commit_sha: str | None = None
    message: str | None = None
    verified: bool = False
    link_method: LinkMethod | None = None
    author: str | None = None
    committed_at: Timestamp | None = None
    files_changed: int | None = None
    insertions: int | None = None
    deletions: int | None = None
    clipped: dict[str, int] = Field(
        default={}, description="Characters of each field that go on past what is shown"
    )


class Timeline(Reply):
    ticket_id: str
    entries: list[TimelineEntry] = []
    returned: int
    next_cursor: str | None = None
    omitted: list[str] = []


class Written(WriteReply):
    """What every write of a ticket answers."""

    ticket_id: str
    version: int


class SimilarTicket(Reply):
    ticket_id: str
    title: str
    status: str
    score: float


class TicketCreated(Written):
    status: str
    ticket_type: str
    is_blocked: bool = False
    similar_tickets: list[SimilarTicket] = Field(
        default=[], description="Perhaps the same; the most alike first"
    )


class TicketUpdated(Written):
    changed: list[str] = Field(default=[], description="Fields that really changed")
    is_blocked: bool = False
    comment_id: str | None = None


class StatusChanged(Written):
    from_status: str
    status: str
    unblocked_tickets: list[str] = []
    blocked_tickets: list[str] = Field(default=[], description="Blocked again by the reopening")
    open_sub_tickets: list[str] = []
    comment_id: str | None = None
    commit_sha: str | None = None
    verified: bool = Field(default=False, description="The commit is in the repository")
    unverified_because: str | None = None
    omitted: list[str] = []


class TicketResolved(Written):
    status: str
    unblocked_tickets: list[str] = []
    open_sub_tickets: list[str] = []
    comment_id: str | None = None
    commit_sha: str | None = None
    verified: bool = Field(default=False, description="The commit is in the repository")
    unverified_because: str | None = None
    omitted: list[str] = []


class TicketAssigned(Written):
    assigned_agent_id: str
    previous_agent_id: str | None = None


class CommentAdded(Written):
    comment_id: str


class CommitLinked(Written):
    commit_sha: str = Field(description="Whole where it is verified")
    verified: bool = False
    unverified_because: str | None = None
    already_linked: bool = False


class SearchHit(Reply):
    ticket_id: str
    title: str
    status: str
    priority: Priority
    ticket_type: str
    assigned_agent_id: str | None = None
    is_blocked: bool = False
    is_resolved: bool = False
    external_ref: str | None = None
    score: float = Field(description="0 to 1, comparable within this reply")
    semantic_score: float | None = Field(default=None, description="Cosine of the meanings")
    keyword_score: float | None = Field(default=None, description="BM25, without a limit")
    matched_in: list[str] = Field(
        default=[], description="title, description, tags, comment, commit, ticket id, meaning"
    )
    snippet: str = ""


class SearchResults(Reply):
    results: list[SearchHit] = []
    returned: int
    degraded: str | None = Field(
        default=None, description="Why hits may be missing that a whole search would find"
    )


class IndexQueued(WriteReply):
    ticket_id: str
    queued: bool = True


class ChangeRecorded(WriteReply):
    ticket_id: str
    change_id: str


class PlannedTicketView(Reply):
    ref: str | None = None
    ticket_id: str | None = None
    title: str
    status: str | None = None
    is_blocked: bool = False


class TicketsCreated(WriteReply):
    tickets: list[PlannedTicketView] = Field(description="In the order given")
    count: int
    dry_run: bool = False
    omitted: list[str] = []


class TicketChanged(Written):
    changed: list[str] = Field(default=[], description="Fields that really changed")


class TicketsUpdated(WriteReply):
    tickets: list[TicketChanged] = Field(description="In the order given")
    dry_run: bool = False


class TicketsResolved(WriteReply):
    resolved: list[Written] = Field(description="In the order given")
    unblocked_tickets: list[str] = []
    open_sub_tickets: list[str] = []
    dry_run: bool = False
    omitted: list[str] = []
