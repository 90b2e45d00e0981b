"""A claim given back, with what the next agent must know."""

from __future__ import annotations

from hephaestus_tickets.domain.ids import public_id, ticket_id
from hephaestus_tickets.domain.vocabulary import ChangeType, CommentType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.schemas.arguments import HandOver
from hephaestus_tickets.schemas.claim_replies import ClaimReleased
from hephaestus_tickets.services.claims import give_back
from hephaestus_tickets.services.lookup import Workflow
from hephaestus_tickets.services.recording import Recorder

_HEADS = {"done": "Done", "left": "Left", "decisions": "Decided", "dead_ends": "Dead ends"}


async def hand_back(
    recorder: Recorder,
    workflow: Workflow,
    ticket: TicketRow,
    hand_over: HandOver | None,
    reason: str = "",
) -> ClaimReleased:
    """Kept whole in the history for the next claim; as a comment for people and searches."""
    details = hand_over and {
        "hand_over": {"agent_id": recorder.agent_id, **hand_over.model_dump(exclude_defaults=True)}
    }
    give_back(
        recorder,
        ticket,
        workflow.board,
        ChangeType.CLAIM_RELEASED,
        description=reason or "given back",
        details=details,
    )
    text = _as_comment(hand_over) if hand_over else reason
    comment = await recorder.comment(ticket.id, text, CommentType.ASSIGNMENT)
    await recorder.to_index(ticket.id)
    return ClaimReleased(
        ticket_id=ticket_id(ticket.id),
        version=ticket.version,
        status=ticket.status,
        comment_id=public_id("comment", comment) if comment else None,
    )


def _as_comment(hand_over: HandOver) -> str:
    """In Markdown; empty where nothing is said."""
    lists: dict[str, list[str]] = hand_over.model_dump(include=set(_HEADS))
    parts = [
        "\n".join([f"{head}:", *(f"- {step}" for step in lists[name])])
        for name, head in _HEADS.items()
        if lists[name]
    ]
    if hand_over.next_step.strip():
        parts.append(f"Next: {hand_over.next_step}")
    return "\n\n".join(parts)
