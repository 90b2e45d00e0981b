from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route

from hephaestus_tickets.http import Serving, build_app
from hephaestus_tickets.http.identity import Terms
from hephaestus_tickets.http.openapi import document
from hephaestus_tickets.operations import OPERATIONS
from tests.http.web import Json, Web, refusal, reply

# MCP has a protocol of its own, which OpenAPI has no words for.
DOORS = {"/mcp", "/sse", "/messages"}
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()


async def test_every_route_is_described_and_every_description_has_a_route(web: Web) -> None:
    app = build_app(web.calls, Serving(terms=Terms(needs_token=True), hosts=(), origins=()))
    served: set[tuple[str, str]] = set()
    for route in app.routes:
        assert isinstance(route, Route | Mount)
        if isinstance(route, Route) and route.path not in DOORS:
            served |= {(route.path, verb) for verb in (route.methods or set()) - {"HEAD"}}
        else:
            assert route.path in DOORS
    described = {
        (path, verb.upper()) for path, verbs in document()["paths"].items() for verb in verbs
    }
    assert described == served
    assert len(described) == len(OPERATIONS) + 5


async def test_the_document_is_served_and_so_is_a_page_that_needs_no_network(web: Web) -> None:
    async with web.rest() as rest:
        assert reply(await rest.get("/openapi.json")) == document()
        page = await rest.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert [each.name for each in OPERATIONS if f"<section id={each.name}>" not in page.text] == []


def test_arguments_stand_where_they_are_read() -> None:
    paths = document()["paths"]
    listing = {each["name"]: each for each in paths["/tickets/get"]["get"]["parameters"]}
    assert listing["limit"]["schema"]["type"] == "integer"
    assert "application/json" in listing["filters"]["content"]
    one = {each["name"]: each["in"] for each in paths["/tickets/{ticket_id}"]["get"]["parameters"]}
    assert one["ticket_id"] == "path"
    update = paths["/tickets/update"]["post"]
    assert {"If-Match", "Idempotency-Key"} <= {each["name"] for each in update["parameters"]}
    assert "412" in update["responses"]
    assert "201" in paths["/tickets/create"]["post"]["responses"]


async def test_a_search_by_meaning_that_is_off_is_refused_as_described(web: Web) -> None:
    async with web.rest() as rest:
        answer = await rest.post("/tickets/search/semantic", json={"query_text": "x"})
    assert refusal(answer) == (503, "search_unavailable")
    assert answer.headers["retry-after"]


async def test_no_request_finds_a_fault_or_an_answer_that_is_not_described(
    web: Web, tmp_path: Path
) -> None:
    """Schemathesis makes them from the document: good ones, wrong ones, and their limits."""
    async with web.rest() as rest:
        for number in range(3):
            made: Json = await rest.post("/tickets/create", json={"title": f"Ticket {number}"})
            assert made.status_code == 201
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{web.address}/openapi.json",
        "--seed", "7", "--phases", "coverage,fuzzing", "--max-examples", "5", "--no-shrink",
        "--max-time", "20", "--continue-on-failure", "--warnings", "off", "--checks", CHECKS,
        "--exclude-operation-id", "semantic_search",  # it is off here, which is a 503
        # There is no repository here, another 503.
        "--exclude-operation-id", "scan_commits", "--exclude-operation-id", "get_commit_diff",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    told, _ = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, told.decode()[-8_000:]
