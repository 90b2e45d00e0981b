"""Replies are small: what fits, and how much of it, by bytes of JSON in UTF-8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

REPLY_BYTES = 60_000
# Kept free for the names, brackets and counts around what is measured.
ENVELOPE_BYTES = 2_000


def how_many_fit(sizes: Sequence[int], budget: int) -> int:
    """How many items, from the first on, fit; each takes a comma more. At least one is kept."""
    used = 0
    for count, size in enumerate(sizes):
        used += size + 1
        if used > budget and count > 0:
            return count
    return len(sizes)


def shrunk(sizes: Mapping[str, Sequence[int]], budget: int) -> dict[str, int]:
    """How many items of each list to keep, the lists given last being cut first.

    A list is cut from its end; one that fits whole stays whole.
    """
    kept = {name: len(items) for name, items in sizes.items()}
    used = sum(size + 1 for items in sizes.values() for size in items)
    for name in reversed(list(sizes)):
        while used > budget and kept[name] > 0:
            kept[name] -= 1
            used -= sizes[name][kept[name]] + 1
    return kept
