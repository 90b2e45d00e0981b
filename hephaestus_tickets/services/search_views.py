"""Tickets found as hits: what matched, where, and a piece of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.keywords import terms_of
from hephaestus_tickets.domain.ranking import KeywordLeg, KeywordScore
from hephaestus_tickets.domain.snippets import snippet
from hephaestus_tickets.domain.text import clip
from hephaestus_tickets.domain.vocabulary import Priority
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import search
from hephaestus_tickets.schemas.replies import SearchHit
from hephaestus_tickets.services.searching import Query
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_TITLE = 120
_DIGITS = 3
_COSINE = 0.3  # below it, texts of any two matters are as near


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The tickets of a reply with their scores, the best first, and what each leg said."""

    scores: Mapping[int, float]
    near: Sequence[int] = ()
    cosines: Mapping[int, float] = field(default_factory=dict[int, float])
    keyword: KeywordLeg = field(default_factory=dict[int, KeywordScore])
    exact: AbstractSet[int] = frozenset()

    def keyword_score(self, number: int) -> KeywordScore:
        return self.keyword.get(number, KeywordScore(0.0))

    def means_the_same(self, number: int) -> bool:
        """Whether a search by meaning alone would have shown it in a reply of this length."""
        return number in self.near[: len(self.scores)] and self.cosines[number] >= _COSINE


async def hits(work: UnitOfWork, query: Query, found: Found) -> list[SearchHit]:
    """In the order of the scores. Four statements at most, whatever their number."""
    numbers = list(found.scores)
    if not numbers:
        return []
    statement = search.shown(numbers, query.workflow_id)
    rows = {row.id: row for row in await work.session.scalars(statement)}
    terms = frozenset(each.term for each in query.terms)
    beside = _Beside(
        comments=await _best(work, query, search.best_comments, _in_comments(found)),
        commits=await _best(work, query, search.best_commits, _in_commits(found)),
    )
    return [_hit(rows[number], found, terms, beside) for number in numbers if number in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """Of each ticket the comment and the commit's message that have most of the terms."""

    comments: Mapping[int, str]
    commits: Mapping[int, str]


def _in_comments(found: Found) -> list[int]:
    return [number for number in found.scores if found.keyword_score(number).is_in_comment]


def _in_commits(found: Found) -> list[int]:
    return [number for number in found.scores if found.keyword_score(number).is_in_commit]


async def _best(
    work: UnitOfWork,
    query: Query,
    statement: Callable[[int, Sequence[str], Sequence[int]], search.Rows],
    numbers: Sequence[int],
) -> dict[int, str]:
    if not numbers:
        return {}
    terms = sorted({each.term for each in query.terms})
    rows = await work.session.execute(statement(query.workflow.number, terms, numbers))
    return dict(rows.all())


def _hit(ticket: TicketRow, found: Found, terms: frozenset[str], beside: _Beside) -> SearchHit:
    described = snippet(ticket.description, terms)
    commented = snippet(beside.comments.get(ticket.id, ""), terms)
    committed = snippet(beside.commits.get(ticket.id, ""), terms)
    matched = {
        "ticket id": ticket.id in found.exact,
        "title": _has_any(ticket.title, terms),
        "description": described,
        "tags": _has_any(" ".join(ticket.tags), terms),
        "comment": commented,
        "commit": ticket.id in beside.commits,
        "meaning": found.means_the_same(ticket.id),
    }
    keyword = found.keyword.get(ticket.id)
    cosine = found.cosines.get(ticket.id)
    return SearchHit(
        ticket_id=ticket_id(ticket.id),
        title=clip(ticket.title, _TITLE),
        status=ticket.status,
        priority=Priority.from_rank(ticket.priority),
        ticket_type=ticket.ticket_type,
        assigned_agent_id=ticket.assigned_agent_id,
        is_blocked=ticket.open_blockers > 0,
        is_resolved=ticket.is_resolved,
        external_ref=ticket.external_ref,
        score=round(found.scores[ticket.id], _DIGITS),
        semantic_score=None if cosine is None else round(cosine, _DIGITS),
        keyword_score=None if keyword is None else round(keyword.bm25, _DIGITS),
        matched_in=[place for place, is_matched in matched.items() if is_matched],
        snippet=described or commented or committed,  # a title is shown as it is
    )


def _has_any(text: str, terms: frozenset[str]) -> bool:
    return not terms.isdisjoint(terms_of(text))
