"""What PostgreSQL refuses, in our words: by constraint name, never by message text."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hephaestus_tickets.domain.errors import Conflict, Invalid, TicketError, Unavailable
from hephaestus_tickets.domain.retry import Failure, Stage, is_clash

Family = Literal["conflict", "invalid"]


class ConstraintConflict(Conflict):
    """The tickets changed between the check and the write; the database held the line."""

    def __init__(self, constraint: str, sentence: str) -> None:
        self.constraint = constraint
        super().__init__(f"{sentence} Nothing was changed; read the ticket again and retry.")


class ConstraintInvalid(Invalid):
    def __init__(self, constraint: str, sentence: str) -> None:
        self.constraint = constraint
        super().__init__(f"{sentence} Nothing was changed.")


class DatabaseUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "The database cannot be reached. Nothing was changed; try again in a few seconds."
        )


class DatabaseBusy(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "The database is too busy to answer in time. Nothing was changed; try again in a few "
            "seconds."
        )


class DatabaseFull(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "The disk that holds the database is full. Nothing was changed; reading goes on. Ask a "
            "person to free some space, then try again."
        )


class OutcomeUnknown(Unavailable):
    """Said where an attempt of our own could do the same thing twice."""

    def __init__(self) -> None:
        super().__init__(
            "The connection to the database was lost while the change was being saved: it may or "
            "may not have been saved. Look with get_ticket, get_tickets or get_ticket_history "
            "before you try again."
        )


_GONE = "A ticket named here is not in this workflow."
CONSTRAINTS: dict[str, tuple[Family, str]] = {
    "pk_workflows": ("conflict", "That workflow exists already."),
    "uq_workflows_workflow_id": ("conflict", "That workflow exists already."),
    "ck_workflows_status": ("invalid", "That is not a status of a workflow."),
    "ck_workflows_workflow_id": ("invalid", "A workflow_id has 1 to 100 characters."),
    "pk_board_configs": ("conflict", "That board exists already."),
    "uq_board_configs_workflow_id": ("conflict", "That workflow has a board already."),
    "fk_board_configs_workflow_id": ("conflict", "There is no such workflow."),
    "pk_agents": ("conflict", "That agent is known already."),
    "pk_tickets": ("conflict", "That ticket exists already."),
    "uq_tickets_workflow_id_id": ("conflict", "That ticket exists already."),
    "uq_tickets_external_ref": ("conflict", "A ticket with that original id exists already."),
    "fk_tickets_workflow_id": ("conflict", "There is no such workflow."),
    "fk_tickets_parent_ticket_id": ("conflict", "The parent is not in this workflow."),
    "ck_tickets_title": ("invalid", "A title has 1 to 500 characters."),
    "ck_tickets_description": ("invalid", "A description has at most 100,000 characters."),
    "ck_tickets_priority": ("invalid", "A priority is critical, high, medium or low."),
    "ck_tickets_parent_ticket_id": ("invalid", "A ticket cannot be its own parent."),
    "ck_tickets_tags": ("invalid", "Tags are a list of words."),
    "ck_tickets_related_task_ids": ("invalid", "related_task_ids is a list of ids."),
    "ck_tickets_resolved_at": ("conflict", "The ticket was resolved or reopened meanwhile."),
    "ck_tickets_open_blockers": ("conflict", "A resolved ticket cannot have open blockers."),
    "ck_tickets_version": ("conflict", "A version counts from 1."),
    "ck_tickets_claim": ("conflict", "A claim has a holder, a token and an end, or none of them."),
    "ck_tickets_claim_holder": ("conflict", "Who claims an open ticket is assigned to it."),
    "ck_tickets_word_count": ("conflict", "A ticket has 0 words or more."),
    "pk_ticket_blockers": ("conflict", "That blocker is there already."),
    "fk_ticket_blockers_blocked_id": ("conflict", _GONE),
    "fk_ticket_blockers_blocker_id": ("conflict", _GONE),
    "ck_ticket_blockers_self": ("invalid", "A ticket cannot block itself."),
    "pk_ticket_links": ("conflict", "That link is there already."),
    "fk_ticket_links_source_id": ("conflict", _GONE),
    "fk_ticket_links_target_id": ("conflict", _GONE),
    "ck_ticket_links_self": ("invalid", "A ticket cannot be linked to itself."),
    "ck_ticket_links_kind": ("invalid", "That is not a kind of link."),
    "pk_ticket_comments": ("conflict", "That comment exists already."),
    "fk_ticket_comments_ticket_id": ("conflict", "There is no such ticket."),
    "ck_ticket_comments_comment_text": ("invalid", "A comment has 1 to 50,000 characters."),
    "ck_ticket_comments_comment_type": ("invalid", "That is not a type of comment."),
    "pk_ticket_history": ("conflict", "That change is recorded already."),
    "fk_ticket_history_ticket_id": ("conflict", "There is no such ticket."),
    "tr_ticket_history_append_only": ("conflict", "History is append-only."),
    "pk_ticket_commits": ("conflict", "That commit is linked already."),
    "fk_ticket_commits_ticket_id": ("conflict", "There is no such ticket."),
    "uq_ticket_commits_ticket_id_commit_sha": ("conflict", "That commit is linked already."),
    "ck_ticket_commits_commit_sha": ("invalid", "A commit_sha is 7 to 64 hex digits."),
    "ck_ticket_commits_link_method": ("invalid", "That is not a way to link a commit."),
    "ck_ticket_commits_verified": ("invalid", "A verified commit has its repository's facts."),
    "pk_commit_scans": ("conflict", "That branch was scanned meanwhile."),
    "fk_commit_scans_workflow_id": ("conflict", "There is no such workflow."),
    "ck_commit_scans_head": ("invalid", "A scan ends at a whole sha."),
    "pk_index_jobs": ("conflict", "That ticket waits to be indexed already."),
    "fk_index_jobs_ticket_id": ("conflict", "There is no such ticket."),
    "pk_tokens": ("conflict", "That token exists already."),
    "ex_tokens_name": ("conflict", "A token of that name is in use already."),
    "uq_tokens_digest": ("conflict", "That token exists already."),
    "ck_tokens_access": ("invalid", "A token may read, write or admin."),
    "ck_tokens_name": ("invalid", "A token's name has 1 to 100 characters."),
    "ck_tokens_workflows": ("invalid", "A token's workflows are a list."),
    "pk_idempotency_keys": ("conflict", "That idempotency_key was used already."),
    "pk_keyword_postings": ("conflict", "That term is counted already."),
    "pk_embedding_spaces": ("conflict", "That space exists already."),
    "uq_embedding_spaces_identity": ("conflict", "That space exists already."),
    "ck_embedding_spaces_status": ("invalid", "A space is building, serving or retired."),
    "ck_embedding_spaces_dimension": ("invalid", "Embeddings have one dimension at least."),
    "ex_embedding_spaces_status": ("conflict", "Another space is being built, or serves."),
    "pk_embeddings": ("conflict", "That embedding is kept already."),
    "fk_embeddings_ticket_id": ("conflict", "There is no such ticket."),
    "fk_embeddings_space_id": ("conflict", "There is no such space."),
}

_BUSY_STATES = frozenset({"55P03", "57014", "53300"})
_DISK_FULL = "53100"


def failure_of(error: DBAPIError | PoolTimeout, *, was_committing: bool) -> Failure:
    """What the error says about the attempt that it ended."""
    if isinstance(error, PoolTimeout):
        return Failure(stage=Stage.CONNECTING)
    stage = Stage.COMMITTING if was_committing else Stage.WORKING
    if stage is Stage.WORKING and error.statement is None:  # it came from connecting
        stage = Stage.CONNECTING
    return Failure(stage=stage, is_clash=is_clash(_sqlstate(error)), is_lost=_is_lost(error))


def translated(error: DBAPIError | PoolTimeout) -> TicketError | None:
    """The caller's error behind a database error; None where it is a fault of ours."""
    if isinstance(error, PoolTimeout):
        return DatabaseBusy()
    state = _sqlstate(error)
    if state in _BUSY_STATES or is_clash(state):
        return DatabaseBusy()
    if state == _DISK_FULL:
        return DatabaseFull()
    if isinstance(error, IntegrityError):
        return _violation(error)
    return DatabaseUnavailable() if _is_lost(error) else None


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _is_lost(error: DBAPIError) -> bool:
    """The connection went with the error, or there was none."""
    if error.connection_invalidated:
        return True
    state = _sqlstate(error)
    return isinstance(error, OperationalError) and (
        state is None or state[:2] == "08" or state[:3] == "57P"
    )


def _violation(error: IntegrityError) -> TicketError | None:
    diagnostics = getattr(error.orig, "diag", None)
    name: str = getattr(diagnostics, "constraint_name", None) or ""
    if name not in CONSTRAINTS:
        return None
    family, sentence = CONSTRAINTS[name]
    kind = ConstraintConflict if family == "conflict" else ConstraintInvalid
    return kind(name, sentence)
