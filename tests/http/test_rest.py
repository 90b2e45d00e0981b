from __future__ import annotations

import json

import httpx
from starlette.routing import Match, Route

from hephaestus_tickets.http.routes import routes
from hephaestus_tickets.operations import OPERATIONS
from tests.http.web import Json, Web, refusal, reply


async def filed(rest: httpx.AsyncClient, **arguments: Json) -> str:
    """The id of a new ticket."""
    made = await rest.post("/tickets/create", json={"title": "A ticket", **arguments})
    return reply(made)["ticket_id"]


def test_every_operation_is_reached_by_its_verb_and_path(web: Web) -> None:
    """Literal paths win over {ticket_id}."""
    table: list[Route] = routes(web.calls, body_bytes=1)
    for operation in OPERATIONS:
        path = operation.path.replace("{ticket_id}", "x").replace("{workflow_id}", "x")
        scope = {"type": "http", "method": operation.verb, "path": path}
        matching = [route.name for route in table if route.matches(scope)[0] is Match.FULL]
        assert matching[0] == operation.name


async def test_the_guides_endpoints_tell_a_tickets_whole_story(rest: httpx.AsyncClient) -> None:
    made = await rest.post("/tickets/create", json={"title": "A ticket", "tags": ["x"]})
    assert (made.status_code, made.headers["location"]) == (201, "/tickets/ticket-1")
    ticket = {"ticket_id": "ticket-1"}
    for verb, arguments in {
        "update": {"updates": {"priority": "high"}, "update_comment": "It is urgent."},
        "assign": {"assigned_agent_id": "ada"},
        "change-status": {"new_status": "review", "comment": "Look at it."},
        "comment": {"comment_text": "Looks good."},
        "link-commit": {"commit_sha": "abcdef1"},
        "resolve": {"resolution_comment": "Done."},
    }.items():
        assert reply(await rest.post(f"/tickets/{verb}", json=ticket | arguments))
    found = reply(await rest.post("/tickets/search", json={"query_text": "ticket"}))
    assert [hit["ticket_id"] for hit in found["results"]] == ["ticket-1"]
    listed = reply(await rest.get("/tickets/get", params={"include_completed": "true"}))
    assert [each["ticket_id"] for each in listed["tickets"]] == ["ticket-1"]
    board = reply(await rest.get("/tickets/board-config/default"))
    assert board["columns"][3] == {
        "id": "done", "name": "Done", "category": "done", "color": "#22c55e", "ticket_count": 1,
    }  # fmt: skip
    workflows = reply(await rest.get("/workflows"))["workflows"]
    assert [each["workflow_id"] for each in workflows] == ["default"]


async def test_a_ticket_is_read_with_its_comments_its_commits_and_its_latest_changes(
    rest: httpx.AsyncClient,
) -> None:
    ticket = await filed(rest)
    named = {"ticket_id": ticket}
    await rest.post("/tickets/comment", json={**named, "comment_text": "日本語, ümläut"})
    await rest.post("/tickets/link-commit", json={**named, "commit_sha": "abcdef1"})
    await rest.post("/tickets/change-status", json={**named, "new_status": "review"})
    seen = await rest.get(f"/tickets/{ticket}")
    shown = reply(seen)
    assert shown["ticket"]["status"] == "review"
    assert [each["comment_text"] for each in shown["comments"]] == ["日本語, ümläut"]
    assert [each["commit_sha"] for each in shown["commits"]] == ["abcdef1"]
    assert "ümläut".encode() in seen.content
    told = reply(await rest.get(f"/tickets/{ticket}/history", params={"sort_order": "desc"}))
    assert told["entries"][0]["change_type"] == "status_changed"
    explained = reply(await rest.get(f"/tickets/{ticket}/explain"))
    assert explained["reasons"]
    assert "is_ready" not in explained


QUERIES: list[tuple[str, str, Json]] = [
    ("integers", "/tickets/get?limit=1&offset=1", ["ticket-1"]),
    ("words", "/tickets/get?sort_order=asc&sort_by=created_at", ["ticket-1", "ticket-2"]),
    ("booleans", "/tickets/get?include_completed=1", ["ticket-3", "ticket-2", "ticket-1"]),
    ("an object", '/tickets/get?filters={"priority":"high"}', ["ticket-2"]),
    ("an object of lists", '/tickets/get?filters={"status":["backlog"],"tags":["a"]}',
     ["ticket-1"]),
    ("an object elsewhere", '/tickets/ready?filters={"priority":["high"]}&limit=5', ["ticket-2"]),
]  # fmt: skip


async def test_query_parameters_are_read_like_a_tools_arguments(rest: httpx.AsyncClient) -> None:
    await filed(rest, tags=["a"])
    await filed(rest, title="Another", priority="high")
    resolved = await filed(rest, title="Done already")
    await rest.post("/tickets/resolve", json={"ticket_id": resolved})
    for what, path, expected in QUERIES:
        shown = reply(await rest.get(path))
        assert [each["ticket_id"] for each in shown["tickets"]] == expected, what


WRONG_QUERIES = [
    "limit=x", "limit=0", "limit=", "limit=1.5", "include_completed=maybe", "filters={",
    "filters=[]", "filters=x", 'filters={"nothing":1}', "sort_by=title", "cursor=%00",
]  # fmt: skip


async def test_query_parameters_of_the_wrong_type_are_refused(rest: httpx.AsyncClient) -> None:
    codes = {"invalid_arguments", "invalid_cursor", "unknown_filter"}
    for query in WRONG_QUERIES:
        status, code = refusal(await rest.get(f"/tickets/get?{query}"))
        assert status == 422, query
        assert code in codes, query


async def test_a_body_may_be_left_out_and_its_arguments_stand_in_the_query(
    rest: httpx.AsyncClient,
) -> None:
    assert refusal(await rest.post("/tickets/create")) == (422, "invalid_arguments")
    assert (await rest.post("/tickets/create?title=In+the+query")).status_code == 201
    claimed = reply(await rest.post("/tickets/claim"))
    assert claimed["ticket"]["title"] == "In the query"


BODIES: list[tuple[bytes, str]] = [
    (b"{", "not_json"),
    (b"[]", "not_json"),
    (b'"title"', "not_json"),
    (b"null", "not_json"),
    (b"\xff\xfe\xfd", "not_json"),
    (b"[" * 100_000, "not_json"),
    (b'{"title": ' + b"9" * 5_000 + b"}", "not_json"),
    (b"title=A+ticket", "not_json"),
    (b'{"title": "x", "titel": "y"}', "unknown_argument"),
    (b'{"title": "x", "\\ud800": "y"}', "unknown_argument"),
    (b'{"title": "x", "priority": "\\ud800"}', "invalid_arguments"),
    (b'{"title": "\\ud800"}', "invalid_arguments"),
    (b'{"title": "\\u0000"}', "invalid_arguments"),
    (b'{"title": 1}', "invalid_arguments"),
    (b'{"title": "x", "tags": NaN}', "invalid_arguments"),
    (b'{"title": "x", "workflow_id": "nowhere"}', "workflow_not_found"),
]


async def test_a_body_that_is_wrong_is_refused_as_a_tool_would(rest: httpx.AsyncClient) -> None:
    for body, code in BODIES:
        told = refusal(await rest.post("/tickets/create", content=body))
        assert told == (404 if code.endswith("not_found") else 422, code), body[:60]


async def test_a_refusal_is_told_in_the_words_of_the_tool(web: Web) -> None:
    wrong: list[tuple[str, str, Json]] = [
        ("create_ticket", "/tickets/create", {"title": "x", "titel": "y"}),
        ("create_ticket", "/tickets/create", {"priority": "urgent"}),
        ("change_status", "/tickets/change-status", {"ticket_id": "ticket-9", "new_status": "x"}),
        ("add_comment", "/tickets/comment", {"ticket_id": "ticket-9", "comment_text": ""}),
        ("hybrid_search", "/tickets/search", {"query_text": " "}),
        ("record_change", "/tickets/record-change", {"ticket_id": "x", "metadata": {"a": "\x00"}}),
    ]
    query = "?toolsets=core,admin"
    async with web.rest() as rest, web.mcp(query=query) as client:
        for tool, path, arguments in wrong:
            told = (await rest.post(path, json=arguments)).json()
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            [content] = result.content
            assert json.loads(content.model_dump_json())["text"] == (
                f"{told['code']}: {told['detail']}"
            )


async def test_methods_and_paths_that_are_not_there_are_refused_as_problems(
    rest: httpx.AsyncClient,
) -> None:
    assert refusal(await rest.get("/nowhere")) == (404, "no_such_route")
    assert refusal(await rest.get("/tickets/ticket-1/nothing")) == (404, "no_such_route")
    for method, path in [
        ("PUT", "/tickets/create"), ("DELETE", "/tickets/ticket-1"), ("OPTIONS", "/workflows"),
        ("POST", "/tickets/get"), ("POST", "/sse"), ("PATCH", "/healthz"),
    ]:  # fmt: skip
        answer = await rest.request(method, path)
        assert refusal(answer) == (405, "method_not_allowed"), path
        assert answer.headers["allow"], path
    head = await rest.head("/workflows")
    assert (head.status_code, head.content) == (200, b"")
    assert (await rest.head("/tickets/create")).status_code == 404  # as a ticket of that name
    assert (await rest.head("/sse")).status_code == 405
