"""A record as rows of the tables, its keys already numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hephaestus_tickets.exchange.records import (
    BlockerRecord,
    ChangeRecord,
    CommentRecord,
    CommitRecord,
    LinkRecord,
    TicketRecord,
    moment_text,
)
from hephaestus_tickets.services.keyword_index import own_weights, title_digest

# A row as JSON, by column.
Row = dict[str, Any]


def ticket_row(record: TicketRecord, number: int, workflow_id: str) -> Row:
    """Without parent and open blockers: those are set when every ticket stands."""
    return {
        "id": number,
        "workflow_id": workflow_id,
        "title": record.title,
        "description": record.description,
        "ticket_type": record.ticket_type,
        "priority": record.priority.rank,
        "status": record.status,
        "created_by": record.created_by,
        "assigned_agent_id": record.assigned_agent_id,
        "tags": record.tags,
        "related_task_ids": record.related_task_ids,
        "is_resolved": record.is_resolved,
        "created_at": moment_text(record.created_at),
        "updated_at": moment_text(record.updated_at),
        "started_at": moment_text(record.started_at),
        "completed_at": moment_text(record.completed_at),
        "resolved_at": moment_text(record.resolved_at),
        "version": record.version,
        "external_ref": record.external_ref,
        "open_blockers": 0,
        "word_count": sum(weights_of(record).values()),
        "title_digest": f"\\x{title_digest(record.title).hex()}",
    }


def weights_of(record: TicketRecord) -> Counter[str]:
    return own_weights(record.title, record.description, record.tags, record.external_ref)


def comment_rows(comments: Iterable[CommentRecord], number: int) -> Iterable[Row]:
    for comment in comments:
        yield {
            "ticket_id": number,
            "agent_id": comment.agent_id,
            "comment_text": comment.comment_text,
            "comment_type": comment.comment_type,
            "mentions": comment.mentions,
            "attachments": comment.attachments,
            "created_at": moment_text(comment.created_at),
        }


def commit_rows(commits: Iterable[CommitRecord], number: int) -> Iterable[Row]:
    for commit in commits:
        yield {
            "ticket_id": number,
            "agent_id": commit.agent_id,
            "commit_sha": commit.commit_sha,
            "message": commit.message,
            "committed_at": moment_text(commit.committed_at),
            "files_changed": commit.files_changed,
            "insertions": commit.insertions,
            "deletions": commit.deletions,
            "files_list": commit.files_list,
            "link_method": commit.link_method,
            "author": commit.author,
            "parents": commit.parents,
            "verified": commit.verified and commit.is_whole,
            "linked_at": moment_text(commit.linked_at),
        }


def change_rows(changes: Iterable[ChangeRecord], number: int) -> Iterable[Row]:
    for change in changes:
        yield {
            "ticket_id": number,
            "agent_id": change.agent_id,
            "change_type": change.change_type,
            "field_name": change.field_name,
            "old_value": change.old_value,
            "new_value": change.new_value,
            "change_description": change.change_description,
            "metadata": change.metadata,
            "changed_at": moment_text(change.changed_at),
        }


def blocker_row(edge: BlockerRecord, blocked: int, blocker: int, workflow_id: str) -> Row:
    return {
        "blocked_id": blocked,
        "blocker_id": blocker,
        "workflow_id": workflow_id,
        "created_by": edge.created_by,
        "created_at": moment_text(edge.created_at),
    }


def link_row(link: LinkRecord, source: int, target: int, workflow_id: str) -> Row:
    return {
        "source_id": source,
        "target_id": target,
        "kind": link.kind,
        "workflow_id": workflow_id,
        "created_by": link.created_by,
        "created_at": moment_text(link.created_at),
    }
