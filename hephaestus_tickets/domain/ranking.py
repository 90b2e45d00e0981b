"""One order out of two legs: the sum of z-scores, or reciprocal ranks.

The shares of `zscore` were chosen on three sets of real duplicate tickets; what each is worth is
what `benchmarks/search_quality.py` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import exp, sqrt
from statistics import fmean, pstdev
from typing import Literal, NamedTuple

Ranking = Literal["zscore", "rrf"]
# Scores of one leg by ticket number; the higher the better.
Scores = Mapping[int, float]

SEMANTIC_SHARE, KEYWORD_SHARE, COVER_SHARE = 0.5, 0.4, 0.1
RRF_SEMANTIC, RRF_KEYWORD, RRF_K = 0.7, 0.3, 60
# Where a hit is as likely a duplicate as not: fitted on the same sets, in pools of more than 100.
_MIDDLE = 5.0


class KeywordScore(NamedTuple):
    """BM25, how much of the query's first line a ticket has, and where else it has any."""

    bm25: float
    cover: float = 0.0
    is_in_comment: bool = False
    is_in_commit: bool = False


KeywordLeg = Mapping[int, KeywordScore]


def fused(semantic: Scores, keyword: KeywordLeg, ranking: Ranking) -> dict[int, float]:
    """Each ticket of either leg with its score in 0 to 1, the best first.

    Of equal ones the newer ticket comes first. A leg without any ticket has no say.
    """
    bm25 = {ticket: each.bm25 for ticket, each in keyword.items()}
    if ranking == "rrf":
        return ordered(_reciprocal_ranks([(semantic, RRF_SEMANTIC), (bm25, RRF_KEYWORD)]))
    cover = {ticket: each.cover for ticket, each in keyword.items()}
    return ordered(
        _z_scores([(semantic, SEMANTIC_SHARE), (bm25, KEYWORD_SHARE), (cover, COVER_SHARE)])
    )


def _reciprocal_ranks(legs: Iterable[tuple[Scores, float]]) -> dict[int, float]:
    """Cormack, Clarke and Büttcher (2009), weighted; 1 for who is first in every leg."""
    there = [(leg, share) for leg, share in legs if leg]
    best = sum(share for _, share in there) / (RRF_K + 1)
    found: dict[int, float] = {}
    for leg, share in there:
        for rank, ticket in enumerate(ordered(leg), start=1):
            found[ticket] = found.get(ticket, 0.0) + share / (RRF_K + rank) / best
    return found


def _z_scores(legs: Sequence[tuple[Scores, float]]) -> dict[int, float]:
    """Each leg's scores over the whole pool in standard deviations from their mean, summed.

    A ticket that a leg did not find has that leg's lowest score: that it is absent tells
    something. The logistic function makes a score in 0 to 1 of the sum.
    """
    there = [(leg, share) for leg, share in legs if leg]
    pool = sorted({ticket for leg, _ in there for ticket in leg})
    whole = sum(share for _, share in there)
    sums = dict.fromkeys(pool, 0.0)
    for leg, share in there:
        for ticket, each in zip(pool, _standardised(leg, pool), strict=True):
            sums[ticket] += share / whole * each
    # No z-score of a small pool is larger than this root; its middle is half of that.
    middle = min(_MIDDLE, 0.5 * sqrt(max(len(pool) - 1, 0)))
    return {ticket: 1 / (1 + exp(middle - each)) for ticket, each in sums.items()}


def _standardised(leg: Scores, pool: Sequence[int]) -> list[float]:
    lowest = min(leg.values())
    values = [leg.get(ticket, lowest) for ticket in pool]
    mean, deviation = fmean(values), pstdev(values)
    return [(value - mean) / deviation if deviation > _EQUAL else 0.0 for value in values]


_EQUAL = 1e-9


def relative(leg: Scores) -> dict[int, float]:
    """A single leg's scores as parts of its best one, the best first."""
    best = max(leg.values(), default=0.0)
    return ordered({ticket: each / best if best > 0 else 0.0 for ticket, each in leg.items()})


def ordered(scores: Scores) -> dict[int, float]:
    """The best first; of equal ones the newer ticket."""
    return dict(sorted(scores.items(), key=lambda each: (-each[1], -each[0])))
