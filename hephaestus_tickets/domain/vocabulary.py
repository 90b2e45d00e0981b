"""The closed sets of words: priorities, categories, comment types, link kinds, change types."""

from __future__ import annotations

from enum import StrEnum


class Priority(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """3 for critical down to 0 for low: what the database stores and sorts by."""
        return _RANKS[self]

    @classmethod
    def from_rank(cls, rank: int) -> Priority:
        return _BY_RANK[rank]


_RANKS = {Priority.CRITICAL: 3, Priority.HIGH: 2, Priority.MEDIUM: 1, Priority.LOW: 0}
_BY_RANK = {rank: priority for priority, rank in _RANKS.items()}


class Category(StrEnum):
    """What a column means to the rules: not started, under way, over."""

    TODO = "todo"
    DOING = "doing"
    DONE = "done"


class CommentType(StrEnum):
    GENERAL = "general"
    STATUS_CHANGE = "status_change"
    ASSIGNMENT = "assignment"
    BLOCKER = "blocker"
    RESOLUTION = "resolution"
    CLARIFICATION = "clarification"


class LinkKind(StrEnum):
    RELATES_TO = "relates_to"
    DUPLICATES = "duplicates"
    DISCOVERED_FROM = "discovered_from"
    SUPERSEDES = "supersedes"


class WorkflowStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class ChangeType(StrEnum):
    """What one history row records; rows from outside begin with `external.`."""

    CREATED = "created"
    FIELD_CHANGED = "field_changed"
    STATUS_CHANGED = "status_changed"
    ASSIGNED = "assigned"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    COMMIT_LINKED = "commit_linked"
    BOARD_CHANGED = "board_changed"
    CLAIMED = "claimed"
    CLAIM_RESUMED = "claim_resumed"
    CLAIM_RELEASED = "claim_released"
    CLAIM_EXPIRED = "claim_expired"


class LinkMethod(StrEnum):
    """How a commit came to be linked."""

    MANUAL = "manual"
    AUTO_DETECTED = "auto_detected"
    IMPORTED = "imported"


EXTERNAL_PREFIX = "external."
