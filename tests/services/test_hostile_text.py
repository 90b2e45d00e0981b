from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hephaestus_tickets.domain.cursor import encode_cursor
from hephaestus_tickets.domain.errors import Invalid, NotFound, TicketError
from hephaestus_tickets.domain.text import normalise
from tests.factories import BY_NAME, Desk, Json
from tests.services.replies import BYTES, sizes_of

SOME = settings(
    max_examples=25,
    deadline=None,
    # The desk is the same for every example: each makes a ticket of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "x\udfffy",
    "[1, 2",
    '{"title": "x"}',
    '["a"]',
    "null",
    "'; DROP TABLE tickets; --",
    "%s %(x)s :name {0}",
    "\\u0000",
    "שלום \u202eabc\u202c",
    "漢字かな交じり文" * 60,
    "👩‍👩‍👧‍👦🏳️‍🌈" * 50,
    "\u0001\u001f\u007f\u0085\u2028\ufeff",
    "\t\r\n",
    "\ufdfa" * 40,
    "ﬁ" * 50,
    "İ" * 50,
    "e\u0301" * 300,
    "</script><!-- ]]>",
    "x" * 501,
    "🔥" * 100_000,
    "\x01" * 100_000,
    "y" * 100_001,
]
# Any code points, lone surrogates and U+0000 among them.
any_text = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=()), max_size=300)
)


async def run(desk: Desk, operation: str, **arguments: Json) -> Json:
    """The reply, or the refusal: one that says what is wrong with the call, and can be sent."""
    try:
        reply = await desk.calls.run(BY_NAME[operation], arguments, desk.caller)
    except TicketError as refusal:
        assert isinstance(refusal, (Invalid, NotFound))
        assert 0 < len(str(refusal).encode()) < BYTES
        return None
    assert sizes_of(reply) < BYTES
    return reply.model_dump(mode="json")


def one_line_of(text: str) -> str:
    return " ".join("".join(" " if ord(char) in CONTROLS else char for char in text).split())


CONTROLS = {*range(32), *range(0x7F, 0xA0)}


async def in_threads(desk: Desk, example: Json) -> None:
    await example


def storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
