"""What calls about workflows and their boards answer."""

from pydantic import Field

from hephaestus_tickets.domain.vocabulary import Category, WorkflowStatus
from hephaestus_tickets.schemas.replies import Json, Reply, WriteReply


class ColumnView(Reply):
    id: str
    name: str
    category: Category
    color: str | None = None
    wip_limit: int | None = None
    ticket_count: int = 0


class BoardView(Reply):
    workflow_id: str
    name: str
    workflow_status: WorkflowStatus
    columns: list[ColumnView]
    ticket_types: list[str]
    default_ticket_type: str
    initial_status: str
    settings: dict[str, Json] = Field(default={})
    version: int


class BoardConfigured(WriteReply):
    workflow_id: str
    version: int
    created: bool = False
    columns: list[str]


class WorkflowSummary(Reply):
    workflow_id: str
    name: str
    status: WorkflowStatus
    open_tickets: int
    total_tickets: int


class WorkflowList(Reply):
    workflows: list[WorkflowSummary] = Field(default=[])
    total_count: int
    next_cursor: str | None = None
