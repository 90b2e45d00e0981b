"""One example of every refusal, with the data that a caller would have caused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable
from hephaestus_tickets.adapters.vectors import CollectionGone
from hephaestus_tickets.domain.access import (
    Access,
    AccessDenied,
    TokenNameTaken,
    TokenNotFound,
)
from hephaestus_tickets.domain.blockers import (
    BlockerCycle,
    ForeignBlocker,
    ParentCycle,
    SelfReference,
)
from hephaestus_tickets.domain.board import (
    Column,
    ColumnInUse,
    InvalidBoard,
    UnknownStatus,
    UnknownTicketType,
)
from hephaestus_tickets.domain.caller import AgentMismatch, WorkflowNotFound, WorkflowRequired
from hephaestus_tickets.domain.changes import (
    READ_ONLY_FIELDS,
    ReadOnlyField,
    RecordedChange,
    TooMany,
    UnknownField,
    VersionConflict,
)
from hephaestus_tickets.domain.claims import (
    Claim,
    ClaimHeld,
    ClaimLost,
    LeaseOutOfBounds,
    NotClaimed,
    NothingReady,
)
from hephaestus_tickets.domain.commits import (
    AmbiguousCommit,
    BranchNotFound,
    CommitNotFound,
    CommitRequired,
    InvalidCommitSha,
    RepositoryUnavailable,
)
from hephaestus_tickets.domain.cursor import InvalidCursor
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.lifecycle import (
    AlreadyResolved,
    CommentRequired,
    OpenBlocker,
    ReopenNotAllowed,
    StartsElsewhere,
    TicketBlocked,
    TransitionNotAllowed,
    WipLimitReached,
)
from hephaestus_tickets.domain.planning import InvalidPlan
from hephaestus_tickets.domain.together import NamedTwice, PlanRefused, SeveralWorkflows
from hephaestus_tickets.domain.vocabulary import Category
from hephaestus_tickets.http.identity import InvalidHeader
from hephaestus_tickets.http.routes import InvalidIfMatch, NotJson
from hephaestus_tickets.operations import InvalidArguments, UnknownArgument, UnknownTool
from hephaestus_tickets.schemas.arguments import TicketFilters, TicketUpdates, UnknownFilter
from hephaestus_tickets.services.board_service import BoardTooLarge, InvalidWorkflowId
from hephaestus_tickets.services.duplicates import DuplicateTicket
from hephaestus_tickets.services.edges import ResolvedCannotBeBlocked
from hephaestus_tickets.services.lookup import AmbiguousTicket, TicketNotFound, WorkflowNotActive
from hephaestus_tickets.services.once import IdempotencyKeyReused
from hephaestus_tickets.services.remarks import EmptyComment
from hephaestus_tickets.services.semantic import SearchUnavailable
from hephaestus_tickets.services.ticket_history_service import (
    EntryNotFound,
    ForeignChangeType,
    MetadataTooLarge,
)
from hephaestus_tickets.services.updating import NotNullable
from hephaestus_tickets.services.violations import (
    CONSTRAINTS,
    ConstraintConflict,
    ConstraintInvalid,
    DatabaseBusy,
    DatabaseFull,
    DatabaseUnavailable,
    OutcomeUnknown,
)

_COLUMNS = ("backlog", "in_progress", "done")
_REVIEW = Column(id="review", name="Review", category=Category.DOING, wip_limit=3)
_BLOCKERS = [
    OpenBlocker(ticket_id=f"ticket-{number}", title="Add the users table", status="in_progress")
    for number in range(7, 9)
]
_NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_CLAIM = Claim(
    holder="builder",
    session="s",
    token=7,
    ends_at=_NOW + timedelta(seconds=540),
    lease_seconds=900,
    from_status="backlog",
)

EXAMPLES: tuple[TicketError, ...] = (
    AccessDenied("configure_board", Access.WRITE),
    AgentMismatch("builder", "planner"),
    AmbiguousCommit("0a1b2c3"),
    AlreadyResolved("ticket-12", "done"),
    AmbiguousTicket("bd-17", [("ticket-3", "default"), ("ticket-88", "imported")]),
    BlockerCycle(["ticket-1", "ticket-2", "ticket-3", "ticket-1"]),
    BoardTooLarge(61_234),
    ClaimHeld("ticket-12", _CLAIM, _NOW, is_own=False),
    ClaimLost("ticket-12", 7),
    ColumnInUse({"review": ["ticket-4", "ticket-5"]}, {"review": 12}),
    BranchNotFound("release"),
    CommentRequired(),
    CommitNotFound("0a1b2c3d"),
    CommitRequired("ticket-12", "done", "main", ["0a1b2c3d" * 5]),
    ConstraintConflict(
        "fk_tickets_parent_ticket_id", CONSTRAINTS["fk_tickets_parent_ticket_id"][1]
    ),
    ConstraintInvalid("ck_tickets_title", CONSTRAINTS["ck_tickets_title"][1]),
    DatabaseBusy(),
    DatabaseFull(),
    DatabaseUnavailable(),
    EmptyComment(),
    EntryNotFound("ticket-12", "comment-99"),
    ForeignBlocker(["ticket-7", "ticket-8"], "default"),
    ForeignChangeType("resolved"),
    InvalidArguments("create_ticket", ["'title' is missing", "'priority' must be 'low', not 'p1'"]),
    InvalidBoard(["the column 'done' appears 2 times", "initial_status 'new' is not a column"]),
    InvalidCommitSha("main"),
    InvalidCursor(),
    InvalidPlan(
        [
            "tickets[1] 'api': it cannot be its own blocker",
            "tickets[3]: names of neither a ref here nor a ticket: 'db'",
        ],
        12,
    ),
    InvalidWorkflowId("my workflow"),
    MetadataTooLarge(5_120),
    NamedTwice("ticket-12"),
    NotNullable(["title", "priority"]),
    OutcomeUnknown(),
    ParentCycle(["ticket-1", "ticket-2", "ticket-1"]),
    PlanRefused(
        [("bd-17", AlreadyResolved("ticket-12", "done")), ("13", TicketNotFound(["13"]))], 20
    ),
    ReadOnlyField({name: READ_ONLY_FIELDS[name] for name in ("status", "created_at")}),
    CollectionGone("it lost its vectors and is filled again"),
    InvalidHeader("X-Agent-Id", "string should have at most 200 characters"),
    InvalidIfMatch("three"),
    NotJson(),
    TokenNameTaken("ci"),
    TokenNotFound("cd", ["ci"]),
    IdempotencyKeyReused("file-the-bug-1"),
    LeaseOutOfBounds(5, 10, 86_400),
    NotClaimed("ticket-12"),
    NothingReady("default", is_narrowed=True),
    DuplicateTicket("ticket-12", "Add the users table", "backlog"),
    EmbeddingUnavailable("the embedding server cannot be reached"),
    RepositoryUnavailable("git is not installed on the server"),
    ReopenNotAllowed("ticket-12", "done"),
    SearchUnavailable("the vector store cannot be reached"),
    ResolvedCannotBeBlocked("ticket-12", ["ticket-7"]),
    SelfReference("ticket-12", "blocker"),
    SeveralWorkflows({"default": "ticket-12", "imported": "ticket-88"}),
    StartsElsewhere("in_progress", "it has open blockers", ["backlog"]),
    TicketBlocked("ticket-12", _BLOCKERS),
    TicketNotFound(["ticket-99"]),
    TooMany("tags", 31, 30),
    TransitionNotAllowed("ticket-12", "backlog", "done", ["in_progress"]),
    UnknownArgument("create_ticket", ["prio"], ["title", "priority"]),
    UnknownField(["prio"], TicketUpdates.model_fields),
    UnknownFilter(["state"], TicketFilters.model_fields),
    UnknownStatus("closed", _COLUMNS),
    UnknownTicketType("story", ["bug", "feature", "task"]),
    UnknownTool("create_issue", ["create_ticket", "get_ticket"]),
    VersionConflict(
        "ticket-12",
        3,
        5,
        [RecordedChange(field_name="title", agent_id="planner", value='"Add the users table"')],
    ),
    WipLimitReached(_REVIEW, 3),
    WorkflowNotActive("default", "paused"),
    WorkflowNotFound("elsewhere", ["default", "imported"]),
    WorkflowRequired(),
)
