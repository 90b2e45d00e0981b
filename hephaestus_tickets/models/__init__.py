"""The tables, with every invariant PostgreSQL can hold; no behaviour."""

from hephaestus_tickets.models.declarative import Base
from hephaestus_tickets.models.records import (
    JOB_VERSIONS,
    CommentRow,
    CommitRow,
    CommitScanRow,
    HistoryRow,
    IdempotencyKeyRow,
    IndexJobRow,
)
from hephaestus_tickets.models.search import EmbeddingRow, PostingRow, SpaceRow
from hephaestus_tickets.models.tickets import CLAIM_TOKENS, BlockerRow, LinkRow, TicketRow
from hephaestus_tickets.models.tokens import TokenRow
from hephaestus_tickets.models.workflows import AgentRow, BoardRow, WorkflowRow

__all__ = [
    "CLAIM_TOKENS",
    "JOB_VERSIONS",
    "AgentRow",
    "Base",
    "BlockerRow",
    "BoardRow",
    "CommentRow",
    "CommitRow",
    "CommitScanRow",
    "EmbeddingRow",
    "HistoryRow",
    "IdempotencyKeyRow",
    "IndexJobRow",
    "LinkRow",
    "PostingRow",
    "SpaceRow",
    "TicketRow",
    "TokenRow",
    "WorkflowRow",
]
