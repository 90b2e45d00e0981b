"""The keyword leg: BM25 over the postings, in SQL.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the
idf that is never negative (as Lucene has it). A ticket's comments are texts of their own: the best
of them adds a share of its score to the ticket's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Double,
    Subquery,
    bindparam,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Integer, Text

from hephaestus_tickets.db import KEEPS_PLAN
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries.rows import Rows

K1, B = 1.2, 0.75
COMMENT_SHARE = 0.5
MOST_TERMS = 32
MOST_POSTINGS = 50_000  # read for one query; the worthiest terms come first
FEW, COMMON, MOST_STANDING = 1_000, 5, 10_000

# In double precision throughout: a decimal constant is numeric, ten times as slow.
_SCORE = f"""
    sum(worth * float8 '{K1 + 1}' * frequency
        / (frequency + float8 '{K1 * (1 - B):g}' + float8 '{K1 * B:g}' / average * length))
"""
# A term in more than a fifth of many tickets, or in very many at all, tells nothing that is worth
# reading its postings.
# Of the others the worthiest are taken; a term of one ticket costs too little to count among them.
_RANKED = """
    WITH totals AS MATERIALIZED ({totals}),
    wanted AS (
        SELECT * FROM unnest(:terms, :weights, :in_title) AS wanted (term, weight, in_title)
    ),
    counted AS MATERIALIZED (
        SELECT term, weight, in_title, (
            SELECT count(*) FROM (
                SELECT FROM keyword_postings AS each
                WHERE workflow = :workflow AND each.term = wanted.term AND comment_id = 0
                LIMIT greatest({few}, least((SELECT tickets FROM totals) / {common}, {most})) + 1
            ) AS standing
        ) AS standing
        FROM wanted
    ),
    rarity AS (
        SELECT term, weight, in_title, standing,
               ln(1 + (greatest(tickets, standing) - standing + 0.5) / (standing + 0.5)) AS idf,
               tickets >= {few} AND standing > least(tickets / {common}, {most}) AS is_common
        FROM counted, totals
    ),
    ordered AS (
        SELECT *, weight * idf AS worth, is_common AND EXISTS (
                   SELECT FROM rarity AS other WHERE NOT other.is_common AND other.standing > 0
               ) AS is_idle,
               row_number() OVER (
                   PARTITION BY is_common, standing <= 1 ORDER BY weight * idf DESC, term
               ) AS place,
               sum(standing) OVER (
                   PARTITION BY is_common ORDER BY weight * idf DESC, term
               ) AS postings
        FROM rarity
    ),
    texts AS (
        SELECT ticket_id, comment_id, {score} AS score, sum(idf) FILTER (WHERE in_title) AS cover
        FROM totals CROSS JOIN ordered CROSS JOIN LATERAL (
            SELECT ticket_id, comment_id, frequency, length FROM keyword_postings AS each
            WHERE workflow = :workflow AND each.term = ordered.term {texts}
            OFFSET 0  -- term by term: of many terms the planner would read every posting there is
        ) AS postings_of
        WHERE place <= {terms} AND (place = 1 OR postings <= {postings}) AND NOT is_idle
        GROUP BY ticket_id, comment_id
    )
    SELECT ticket_id,
           coalesce(max(score) FILTER (WHERE comment_id = 0), 0)
           + {share} * coalesce(max(score) FILTER (WHERE comment_id <> 0), 0) AS score,
           coalesce(max(cover) FILTER (WHERE comment_id = 0), 0) AS cover,
           bool_or(comment_id > 0) AS is_in_comment, bool_or(comment_id < 0) AS is_in_commit,
           (SELECT tickets FROM totals) AS tickets, (SELECT average FROM totals) AS average
    FROM texts GROUP BY ticket_id
"""
_KNOWN = "SELECT CAST(:tickets AS bigint) AS tickets, :average AS average"
# How many tickets of a workflow have postings, and how long one is on average.
_COUNTED = """
    SELECT count(word_count) AS tickets, coalesce(avg(word_count), 1)::float8 AS average
    FROM tickets WHERE workflow_id = :workflow_id
"""


def found_by_keywords(
    conditions: Iterable[ColumnElement[bool]], *, counts: bool, with_comments: bool, limit: int
) -> Rows:
    """(ticket_id, score, cover, is_in_comment, is_in_commit, tickets, average) of the best tickets.

    Of a workflow, the best first. `cover` is the idf of the query's title terms that the ticket
    has, whatever their frequency. Takes `:workflow` (its number) and `:terms` with their `:weights`
    and whether each is `:in_title`; and the number of the workflow's `:tickets` and the `:average`
    length of one, or, where it `counts` both itself, the `:workflow_id`. Every condition on the
    ticket is applied before the best are chosen.
    """
    wanted = list(conditions)
    statement = _best(counts=counts, with_comments=with_comments, limit=limit)
    if not wanted:
        return statement
    best = _ranked(counts=counts, texts=_texts(with_comments=with_comments))
    joined = _in_order(best, limit).join(TicketRow, TicketRow.id == best.c.ticket_id)
    return joined.where(*wanted)


@cache
def _best(*, counts: bool, with_comments: bool, limit: int) -> Rows:
    """Whatever the workflow, each term's postings are read by their key."""
    best = _ranked(counts=counts, texts=_texts(with_comments=with_comments))
    return _in_order(best, limit).execution_options(**KEEPS_PLAN)


@cache
def shown_by_keywords(*, counts: bool, limit: int) -> Rows:
    """As `found_by_keywords` by the tickets' own texts, with the title and the status of each."""
    best = _ranked(counts=counts, texts="AND comment_id = 0")
    joined = _in_order(best, limit).join(TicketRow, TicketRow.id == best.c.ticket_id)
    return joined.add_columns(TicketRow.title, TicketRow.status).execution_options(**KEEPS_PLAN)


def _in_order(best: Subquery, limit: int) -> Rows:
    return select(best).order_by(best.c.score.desc(), best.c.ticket_id.desc()).limit(limit)


def _texts(*, with_comments: bool) -> str:
    """A ticket is found by its commits in any case."""
    return "" if with_comments else "AND comment_id <= 0"


@cache
def _ranked(*, counts: bool, texts: str) -> Subquery:
    """Built once: that takes longer than to run it on a small tracker."""
    statement = _RANKED.format(
        totals=_COUNTED if counts else _KNOWN,
        score=_SCORE,
        share=COMMENT_SHARE,
        few=FEW,
        most=MOST_STANDING,
        common=COMMON,
        terms=MOST_TERMS,
        postings=MOST_POSTINGS,
        texts=texts,
    )
    known = [bindparam("tickets", type_=Integer), bindparam("average", type_=Double)]
    return (
        text(statement)
        .bindparams(
            bindparam("workflow", type_=Integer),
            bindparam("terms", type_=ARRAY(Text)),
            bindparam("weights", type_=ARRAY(Double)),
            bindparam("in_title", type_=ARRAY(Boolean)),
            *([bindparam("workflow_id", type_=Text)] if counts else known),
        )
        .columns(
            ticket_id=BigInteger,
            score=Double,
            cover=Double,
            is_in_comment=Boolean,
            is_in_commit=Boolean,
            tickets=Integer,
            average=Double,
        )
        .subquery("ranked")
    )


_WORKFLOW = (
    "(SELECT workflows.id FROM tickets JOIN workflows USING (workflow_id) "
    "WHERE tickets.id = :ticket)"
)
# Postings of any number of texts of one workflow, that of `:ticket`; an array for each column.
INSERT_POSTINGS = text(
    "INSERT INTO keyword_postings (workflow, term, ticket_id, comment_id, frequency, length) "  # noqa: S608 - our own words
    f"SELECT {_WORKFLOW}, * FROM unnest(:terms, :tickets, :comments, :frequencies, :lengths) "
    "ON CONFLICT DO NOTHING"
).bindparams(
    bindparam("terms", type_=ARRAY(Text)),
    bindparam("tickets", type_=ARRAY(BigInteger)),
    bindparam("comments", type_=ARRAY(BigInteger)),
    bindparam("frequencies", type_=ARRAY(Integer)),
    bindparam("lengths", type_=ARRAY(Integer)),
)
# The postings of one text of a ticket; by its terms, which the key begins with.
DELETE_POSTINGS = text(
    f"DELETE FROM keyword_postings WHERE workflow = {_WORKFLOW} AND term = ANY(:terms) "  # noqa: S608 - as above
    "AND ticket_id = :ticket AND comment_id = :comment"
).bindparams(bindparam("terms", type_=ARRAY(Text)))
