"""The words of beads in ours: statuses, priorities, kinds of dependency, fields."""

from __future__ import annotations

from hephaestus_tickets.domain.vocabulary import LinkKind, Priority

BACKLOG, IN_PROGRESS, REVIEW, DONE, CANCELLED = (
    "backlog",
    "in_progress",
    "review",
    "done",
    "cancelled",
)
TOMBSTONE = "tombstone"

# beads' own three, which say the same here.
PLAIN_STATUSES = {"open": BACKLOG, "in_progress": IN_PROGRESS, "closed": DONE}
# The rest of beads' statuses, and what agents were seen to invent.
NEAR_STATUSES = {
    # Deleted there. Tickets are never deleted here: a done column takes them.
    TOMBSTONE: CANCELLED,
    # Its open blockers say the rest; what has none would otherwise wait for nothing.
    "blocked": BACKLOG,
    "deferred": BACKLOG,
    "pinned": BACKLOG,
    "todo": BACKLOG,
    "ready": BACKLOG,
    "new": BACKLOG,
    # On an agent's hook: that agent is at it.
    "hooked": IN_PROGRESS,
    "doing": IN_PROGRESS,
    "active": IN_PROGRESS,
    "started": IN_PROGRESS,
    "review": REVIEW,
    "in_review": REVIEW,
    "pending_review": REVIEW,
    "done": DONE,
    "complete": DONE,
    "completed": DONE,
    "resolved": DONE,
    "fixed": DONE,
    "cancelled": CANCELLED,
    "canceled": CANCELLED,
    "wontfix": CANCELLED,
    "rejected": CANCELLED,
    "obsolete": CANCELLED,
}
STARTED = frozenset({IN_PROGRESS, REVIEW})
OVER = frozenset({DONE, CANCELLED})

PRIORITIES = {
    0: Priority.CRITICAL,
    1: Priority.HIGH,
    2: Priority.MEDIUM,
    3: Priority.LOW,
    4: Priority.LOW,
}

# What beads itself keeps back from ready work, as its `ready` command computes it. A parent is
# not among them: a child waits for its parent's blockers there, never for the parent.
BLOCKING = frozenset({"blocks", "blocked-by", "conditional-blocks", "waits-for"})
PARENTS = frozenset({"parent-child", "parent"})
LINKS = {
    "related": LinkKind.RELATES_TO,
    "relates-to": LinkKind.RELATES_TO,
    "discovered-from": LinkKind.DISCOVERED_FROM,
    "duplicates": LinkKind.DUPLICATES,
    "supersedes": LinkKind.SUPERSEDES,
}

# Parts of an issue that become sections of the description.
SECTIONS = {
    "design": "Design",
    "acceptance_criteria": "Acceptance criteria",
    "notes": "Notes",
}
# Read where they belong, or counted from what is read: nothing of them is left over.
PLACED_FIELDS = frozenset(
    {
        "_type",
        "id",
        "title",
        "description",
        *SECTIONS,
        "status",
        "priority",
        "issue_type",
        "original_type",
        "assignee",
        "created_by",
        "created_at",
        "updated_at",
        "started_at",
        "closed_at",
        "close_reason",
        "closed_by",
        "deleted_at",
        "deleted_by",
        "delete_reason",
        "labels",
        "dependencies",
        "comments",
        "parent",
        "external_ref",
        "dependency_count",
        "dependent_count",
        "comment_count",
    }
)
