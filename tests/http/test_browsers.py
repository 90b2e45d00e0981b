"""Pages of other origins: those that an operator names may ask and read, no others."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
from sqlalchemy import URL

from hephaestus_tickets.http import streams
from tests.http.test_rest import filed
from tests.http.web import Web, in_a_task, refusal, serving

THEIRS = "https://board.example"
OTHERS = ["https://evil.example", "http://localhost:3000", "https://board.example.evil", "null"]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, if-match, "
    "mcp-session-id, mcp-protocol-version, last-event-id, x-agent-id",
}


@pytest.fixture
async def board(database_url: URL) -> AsyncGenerator[Web]:
    async with in_a_task(serving(database_url, origins=THEIRS, streams=1)) as served:
        yield served


def shared(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_page_that_may_come_is_told_what_it_may_send(board: Web) -> None:
    await board.token("it")  # a preflight shows none
    async with board.rest(Origin=THEIRS, **PREFLIGHT) as page:
        for path in ("/tickets/create", "/mcp", "/sse", "/messages/"):
            told = await page.options(path)
            assert told.status_code == 200, (path, told.text)
            assert told.headers["access-control-allow-origin"] == THEIRS
            assert "POST" in told.headers["access-control-allow-methods"]
            assert "access-control-allow-credentials" not in told.headers
            assert told.headers["x-request-id"]


async def test_a_page_that_may_come_reads_answers_and_refusals(board: Web) -> None:
    secret = await board.token("it")
    async with board.rest(secret, Origin=THEIRS) as page:
        answer = await page.get(f"/tickets/{await filed(page)}")
        assert answer.headers["access-control-allow-origin"] == THEIRS
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"etag", "mcp-session-id", "retry-after", "x-request-id"} <= set(exposed.split(", "))
        forbidden = await page.post("/tickets/force-release", json={"ticket_id": "ticket-1"})
        foreign = await page.get("/workflows", headers={"Host": "evil.example"})
    async with board.rest(Origin=THEIRS) as page:
        unknown = await page.get("/workflows")
    assert refusal(unknown) == (401, "token_refused")
    assert refusal(forbidden) == (403, "access_denied")
    assert refusal(foreign) == (421, "address_refused")
    for refused in (unknown, forbidden, foreign):
        assert refused.headers["access-control-allow-origin"] == THEIRS


@pytest.mark.parametrize("origin", OTHERS)
async def test_a_page_of_another_origin_is_told_nothing(board: Web, origin: str) -> None:
    async with board.rest(Origin=origin) as page:
        asked = await page.options("/mcp", headers=PREFLIGHT)
        answer = await page.get("/workflows")
    assert shared(asked) == shared(answer) == []
    assert asked.status_code in {403, 405}


async def test_where_no_origin_is_named_no_page_is_let_read(web: Web) -> None:
    async with web.rest(Origin=THEIRS) as page:
        asked = await page.options("/mcp", headers=PREFLIGHT)
        answer = await page.get("/workflows")
    assert shared(asked) == shared(answer) == []
    assert refusal(answer) == (403, "address_refused")


async def test_a_stream_too_many_is_refused_for_now(board: Web) -> None:
    async with board.rest(Origin=THEIRS) as page, page.stream("GET", "/sse") as opened:
        assert opened.status_code == 200
        refused = await page.get("/sse")
        assert refusal(refused) == (503, streams.TooManyStreams.code)
        assert refused.headers["retry-after"] == "5"
        assert refused.headers["access-control-allow-origin"] == THEIRS
        assert (await page.get("/workflows")).status_code == 200
    async with board.sse() as client:
        assert (await client.list_tools()).tools
