"""The postings of tickets and comments: written in the transaction that writes their text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from hephaestus_tickets.domain.keywords import MOST_FREQUENT, term_weights
from hephaestus_tickets.domain.text import normalise
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import exchange, keywords
from hephaestus_tickets.queries.tickets import lock_ticket
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_AT_ONCE = 50_000
_SHORT_SHAS = (7, 8, 10, 12)
_COLUMNS = ("terms", "tickets", "comments", "frequencies", "lengths")


@dataclass(frozen=True, slots=True)
class Words:
    """The terms of one text with their weights: of the ticket's own where `comment` is 0.

    Of a comment where it is that one's number; of a commit link where it is that one's, negative.
    """

    ticket: int
    comment: int
    weights: Mapping[str, int]

    @property
    def count(self) -> int:
        return sum(self.weights.values())


def own_weights(
    title: str, description: str, tags: Iterable[str], external_ref: str | None
) -> Counter[str]:
    """What a ticket is found by beside its comments."""
    return term_weights(title, [description, *tags, external_ref or ""])


def own_words(ticket: TicketRow) -> Words:
    weights = own_weights(ticket.title, ticket.description, ticket.tags, ticket.external_ref)
    return Words(ticket.id, 0, weights)


def comment_words(ticket: int, comment: int, comment_text: str) -> Words:
    return Words(ticket, comment, term_weights("", [comment_text]))


def commit_words(ticket: int, commit: int, sha: str, message: str, paths: Iterable[str]) -> Words:
    """Of a commit link, by its message, its paths and its sha, short as people write it too."""
    shas = " ".join(dict.fromkeys([*(sha[:digits] for digits in _SHORT_SHAS), sha]))
    return Words(ticket, -commit, term_weights("", [message, "\n".join(paths), shas]))


def title_digest(title: str) -> bytes:
    """Alike for titles that differ in case, blanks or Unicode form alone."""
    return blake2b(normalise(title).encode(), digest_size=16).digest()


async def write_words(work: UnitOfWork, texts: Sequence[Words]) -> None:
    """Of tickets of one workflow, which stand. What has postings already keeps them."""
    rows = [
        (term, words.ticket, words.comment, min(weight, MOST_FREQUENT), words.count)
        for words in texts
        for term, weight in words.weights.items()
    ]
    for start in range(0, len(rows), _AT_ONCE):
        columns = zip(*rows[start : start + _AT_ONCE], strict=True)
        given = {name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}
        given = {"ticket": texts[0].ticket, **given}
        await work.session.execute(keywords.INSERT_POSTINGS, given)


async def renew_words(work: UnitOfWork, ticket: TicketRow, before: Words) -> None:
    """The postings of a locked ticket's own text, which were those of `before`."""
    after = own_words(ticket)
    ticket.title_digest = title_digest(ticket.title)
    if before.weights == after.weights and ticket.word_count is not None:
        return
    await _delete_words(work, before)
    await write_words(work, [after])
    ticket.word_count = after.count


async def renew_commit_words(work: UnitOfWork, before: Words, after: Words | None) -> None:
    await _delete_words(work, before)
    if after is not None:
        await write_words(work, [after])


async def _delete_words(work: UnitOfWork, words: Words) -> None:
    given = {"ticket": words.ticket, "comment": words.comment, "terms": list(words.weights)}
    await work.session.execute(keywords.DELETE_POSTINGS, given)


async def written_words(work: UnitOfWork, numbers: Sequence[int]) -> list[Words]:
    """Of all comments and commit links of these tickets."""
    comments = await work.session.execute(exchange.comment_texts(numbers))
    links = await work.session.scalars(exchange.commits_for(numbers))
    return [
        *(comment_words(*row) for row in comments),
        *(
            commit_words(row.ticket_id, row.id, row.commit_sha, row.message, row.paths)
            for row in links
        ),
    ]


async def renew_postings(work: UnitOfWork, number: int) -> None:
    """All postings of a ticket from its texts as they are; of one that has none yet, too."""
    ticket = (await work.session.scalars(lock_ticket(number))).one()
    own = own_words(ticket)
    await renew_words(work, ticket, own)
    await write_words(work, [own, *await written_words(work, [number])])
    ticket.word_count = own.count
