"""What HTTP itself has around a call: versions, keys, numbers, sizes, addresses, faults."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator

import httpx
import pytest
from sqlalchemy import URL, create_engine

from hephaestus_tickets.http import BODY_BYTES
from tests.http.test_rest import filed
from tests.http.web import Json, Web, header, refusal, reply, serving

REMARK = "nobody may read this"


async def test_an_etag_is_the_version_that_if_match_expects(rest: httpx.AsyncClient) -> None:
    ticket = await filed(rest)
    first = await rest.get(f"/tickets/{ticket}")
    assert first.headers["etag"] == '"1"'
    change = {"ticket_id": ticket, "updates": {"priority": "high"}}
    done = await rest.post("/tickets/update", json=change, headers={"If-Match": '"1"'})
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    for path, arguments in {
        "/tickets/update": {"updates": {"priority": "low"}},
        "/tickets/change-status": {"new_status": "review"},
        "/tickets/assign": {"assigned_agent_id": "ada"},
        "/tickets/resolve": {},
    }.items():
        call = {"ticket_id": ticket, **arguments}
        late = await rest.post(path, json=call, headers={"If-Match": 'W/"1"'})
        assert refusal(late) == (412, "version_conflict"), path
    late = await rest.post("/tickets/update", json={**change, "expected_version": 1})
    assert refusal(late) == (409, "version_conflict")
    for wrong in ("*", '"1", "2"', '"x"', "9" * 40, '"²"', "-1"):
        sent = header("If-Match", wrong)
        answer = await rest.post("/tickets/update", json=change, headers=sent)
        assert refusal(answer) == (422, "invalid_if_match"), wrong
    zero = await rest.post("/tickets/update", json=change, headers={"If-Match": '"0"'})
    assert refusal(zero) == (422, "invalid_arguments")


async def test_a_call_with_a_key_is_done_once(rest: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "first"}
    made = await rest.post("/tickets/create", json={"title": "Once"}, headers=key)
    again = await rest.post("/tickets/create", json={"title": "Once"}, headers=key)
    assert (made.status_code, again.status_code) == (201, 200)
    assert reply(again) == {**reply(made), "replayed": True}
    assert "location" not in again.headers
    other = await rest.post("/tickets/create", json={"title": "Another"}, headers=key)
    assert refusal(other) == (409, "idempotency_key_reused")
    for path, arguments in {
        "comment": {"comment_text": "x"},
        "change-status": {"new_status": "review"},
        "resolve": {},
    }.items():
        call = {"ticket_id": "ticket-1", **arguments}
        answers = [
            reply(await rest.post(f"/tickets/{path}", json=call, headers={"Idempotency-Key": path}))
            for _ in range(2)
        ]
        assert [each.get("replayed", False) for each in answers] == [False, True], path
    assert reply(await rest.get("/tickets/get"))["total_count"] == 0


async def test_a_plan_is_created_and_a_dry_run_of_it_is_not(rest: httpx.AsyncClient) -> None:
    plan = {"tickets": [{"title": "One", "ref": "a"}, {"title": "Two", "blocked_by": ["a"]}]}
    tried = await rest.post("/tickets/create-many", json={**plan, "dry_run": True})
    assert tried.status_code == 200
    made = await rest.post("/tickets/create-many", json=plan)
    assert (made.status_code, len(reply(made)["tickets"])) == (201, 2)
    patch = [{"ticket_id": "ticket-1", "updates": {"priority": "high"}}]
    assert reply(await rest.post("/tickets/update-many", json={"updates": patch}))
    both = {"ticket_ids": ["ticket-1", "ticket-2"]}
    assert reply(await rest.post("/tickets/resolve-many", json=both))


async def test_each_request_has_a_number_that_its_answer_and_the_log_name(
    rest: httpx.AsyncClient, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hephaestus_tickets")
    named = await rest.get("/workflows", headers={"X-Request-Id": "my.number-1"})
    assert named.headers["x-request-id"] == "my.number-1"
    async with web.mcp(X_Request_Id="over-mcp") as client:
        await client.call_tool("list_workflows", {})
    async with web.sse(X_Request_Id="over-sse") as client:
        await client.call_tool("list_workflows", {})
    for odd in ("", "two words", "x" * 65, '{"a":1}', "ü"):
        answer = await rest.get("/nowhere", headers=header("X-Request-Id", odd))
        assert len(answer.headers["x-request-id"]) == 16, odd
    logged = [json.loads(each.message) for each in caplog.records if each.name.endswith(".calls")]
    assert [each["request"] for each in logged[:3]] == ["my.number-1", "over-mcp", "over-sse"]
    assert [each["outcome"] for each in logged[3:]] == ["no_such_route"] * 5
    assert [(each["operation"], each["outcome"]) for each in logged[:3]] == [
        ("list_workflows", "ok")
    ] * 3


async def test_the_log_tells_nothing_of_what_tickets_and_requests_say(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = await web.token(REMARK[:10])
    wrong: list[Json] = [
        {"title": REMARK, "description": REMARK},
        {"title": REMARK, "description": REMARK, "priority": REMARK},
        {"title": REMARK, REMARK: REMARK},
        {"title": REMARK, "workflow_id": REMARK},
    ]
    async with web.rest(secret) as rest:
        for body in wrong:
            await rest.post("/tickets/create", json=body)
        ticket = {"ticket_id": "ticket-1"}
        await rest.post("/tickets/comment", json={**ticket, "comment_text": REMARK})
        await rest.post("/tickets/comment", content=REMARK)
        await rest.post("/mcp", content=REMARK, headers={"Content-Type": "application/json"})
        await rest.get(f"/tickets/get?filters={REMARK}")
        async with rest.stream("GET", "/sse") as stream:
            said = stream.aiter_lines()
            path = [await anext(said) for _ in range(2)][1].removeprefix("data: ")
            assert (await rest.post(path, content=REMARK)).status_code == 400
    async with web.mcp(secret) as client:
        await client.call_tool("add_comment", {**ticket, "comment_text": REMARK})
        await client.call_tool(REMARK, {})
    async with web.rest(f"{secret}x") as rest:
        await rest.get("/workflows")
    assert "create_ticket" in caplog.text
    assert REMARK not in caplog.text
    assert secret not in caplog.text


async def in_parts(size: int) -> AsyncGenerator[bytes]:
    """A JSON string of that size, sent without saying how long it is."""
    yield b'"'
    for _ in range(size // 65_536):
        yield b"x" * 65_536
    yield b'"'


async def test_a_body_of_more_than_four_megabytes_is_refused(web: Web) -> None:
    json_body = {"Content-Type": "application/json", "Accept": "application/json"}
    async with web.rest(**json_body) as rest:
        for path in ("/tickets/create", "/mcp"):
            declared = await rest.post(path, content=b" " * (BODY_BYTES + 1))
            chunked = await rest.post(path, content=in_parts(BODY_BYTES + 65_536))
            assert (declared.status_code, chunked.status_code) == (413, 413), path
        assert refusal(await rest.post("/tickets/create", content=in_parts(BODY_BYTES * 2))) == (
            413,
            "body_too_large",
        )
        whole = b'{"title": "x"}' + b" " * (BODY_BYTES - 14)
        assert (await rest.post("/tickets/create", content=whole)).status_code == 201


async def raw(web: Web, head: str) -> tuple[str, str]:
    """The status line of the answer to these lines, and the rest of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1"))
    answer = (await asyncio.wait_for(reader.read(65_536), 10)).decode()
    writer.close()
    await writer.wait_closed()
    status, _, others = answer.partition("\r\n")
    return status, others


async def test_a_body_that_is_announced_as_too_long_is_refused_before_it_comes(web: Web) -> None:
    status, _ = await raw(
        web,
        "POST /tickets/create HTTP/1.1\nHost: localhost\nContent-Length: 99999999999\n\n",
    )
    assert status.startswith("HTTP/1.1 413 ")


async def test_headers_that_are_too_long_or_malformed_are_refused(web: Web) -> None:
    heads = [
        f"GET /workflows HTTP/1.1\nHost: localhost\nX: {'x' * 40_000}\n\n",
        f"GET /{'x' * 40_000} HTTP/1.1\nHost: localhost\n\n",
        "GET /workflows HTTP/1.1\n\n",
        "GET /workflows HTTP/1.1\nHost: localhost\nHost: evil.example\n\n",
        "GET /workflows HTTP/1.1\nHost: localhost\nX-Agent-Id: a\x00b\n\n",
        "POST /tickets/claim HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2\n\n",
        "nonsense\n\n",
    ]
    for head in heads:
        status, _ = await raw(web, head)
        assert status.startswith(("HTTP/1.1 400 ", "HTTP/1.1 431 ")), head[:60]
    async with web.rest(X="x" * 33_000) as rest:
        assert refusal(await rest.get("/workflows")) == (431, "head_too_large")


ADDRESSES: list[tuple[dict[str, str], tuple[int, str]]] = [
    ({"Host": "evil.example"}, (421, "address_refused")),
    ({"Host": "evil.example:8420"}, (421, "address_refused")),
    ({"Host": "127.0.0.1.evil.example"}, (421, "address_refused")),
    ({"Origin": "http://evil.example"}, (403, "address_refused")),
    ({"Origin": "https://localhost.evil.example"}, (403, "address_refused")),
    ({"Origin": "null"}, (403, "address_refused")),
]


async def test_a_host_or_an_origin_that_is_not_known_is_refused_at_every_door(web: Web) -> None:
    doors = [
        ("GET", "/workflows"), ("POST", "/tickets/create"), ("POST", "/mcp"), ("GET", "/mcp"),
        ("GET", "/sse"), ("POST", "/messages/"), ("GET", "/openapi.json"), ("GET", "/docs"),
        ("GET", "/metrics"), ("GET", "/nowhere"),
    ]  # fmt: skip
    async with web.rest() as rest:
        for headers, told in ADDRESSES:
            for method, path in doors:
                answer = await rest.request(method, path, headers=headers)
                assert refusal(answer) == told, (headers, path)
        assert reply(await rest.get("/workflows"))["total_count"] == 1


async def test_names_and_origins_that_an_operator_allows_are_served(database_url: URL) -> None:
    known = {"hosts": "tracker.example", "origins": "https://board.example"}
    async with serving(database_url, **known) as web, web.rest() as rest:
        for headers in (
            {"Host": "tracker.example"},
            {"Host": "tracker.example:443"},
            {"Origin": "https://board.example"},
            {"Origin": "http://localhost:3000"},
            {"Host": "[::1]:8420"},
        ):
            assert (await rest.get("/workflows", headers=headers)).status_code == 200, headers


async def test_who_speaks_may_stand_in_a_header_and_is_checked_like_an_argument(web: Web) -> None:
    async with web.rest() as rest:
        spoken = header("X-Agent-Id", "ümläut")
        ticket = reply(await rest.post("/tickets/create", json={"title": "x"}, headers=spoken))
        shown = reply(await rest.get(f"/tickets/{ticket['ticket_id']}"))
        assert shown["ticket"]["created_by"] == "ümläut"
        for name, value in [
            ("X-Agent-Id", "x" * 201), ("X-Workflow-Id", "x" * 101), ("X-Agent-Id", "a\x7fb"),
        ]:  # fmt: skip
            answer = await rest.get("/workflows", headers=header(name, value))
            assert refusal(answer) == (422, "invalid_header"), name
        elsewhere = {"X-Workflow-Id": "nowhere"}
        answer = await rest.post("/tickets/create", json={"title": "y"}, headers=elsewhere)
        assert refusal(answer) == (404, "workflow_not_found")


async def test_without_its_database_a_call_is_refused_for_now(
    web: Web, rest: httpx.AsyncClient
) -> None:
    ticket = await filed(rest)
    gone = web.calls.units.database.url
    admin = create_engine(gone.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {gone.database} ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (gone.database,),
        )
        answers = await asyncio.gather(
            rest.get(f"/tickets/{ticket}"),
            rest.post("/tickets/create", json={"title": "x"}),
            rest.get("/workflows", headers={"Authorization": "Bearer ht_x"}),
        )
        connection.exec_driver_sql(f"ALTER DATABASE {gone.database} ALLOW_CONNECTIONS true")
    admin.dispose()
    for answer in answers:
        assert refusal(answer) == (503, "database_unavailable")
        assert answer.headers["retry-after"] == "5"
    assert reply(await rest.get(f"/tickets/{ticket}"))


async def test_a_fault_of_ours_tells_nothing_but_the_number_to_look_for(
    web: Web, rest: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that is not there is no refusal that anybody foresaw."""
    engine = create_engine(web.calls.units.database.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ticket = await filed(rest)
        connection.exec_driver_sql("ALTER TABLE ticket_comments RENAME TO away")
        remark = {"ticket_id": ticket, "comment_text": REMARK}
        written = await rest.post("/tickets/comment", json=remark)
        async with web.mcp() as client:
            assert (await client.call_tool("add_comment", remark)).is_error
        connection.exec_driver_sql("ALTER TABLE board_configs RENAME TO elsewhere")
        routed = await rest.get("/tickets/board-config/default")
        connection.exec_driver_sql("ALTER TABLE tokens RENAME TO nowhere")
        before = await rest.get("/workflows", headers={"Authorization": "Bearer ht_x"})
    engine.dispose()
    assert REMARK not in caplog.text
    for answer in (written, routed, before):
        assert refusal(answer) == (500, "internal_error")
        assert "board_configs" not in answer.text
        assert answer.headers["x-request-id"] in caplog.text
