"""The routes as OpenAPI 3.1, made of the same models; and as a page that needs no network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from hephaestus_tickets import __version__
from hephaestus_tickets.http.identity import OPEN_PATHS
from hephaestus_tickets.http.problems import MEDIA_TYPE
from hephaestus_tickets.operations import KEY, OPERATIONS, Operation

# A part of an OpenAPI document.
Json = dict[str, Any]
_JSON = "application/json"
_IN_PATH = re.compile(r"{(\w+)}")
_REFUSALS = {
    "401": "No token, or none that is good",
    "403": "The token or the agent may not do this",
    "404": "What was named does not exist, or not for this caller",
    "409": "The tickets stand against it",
    "412": "The ticket is at another version than If-Match says",
    "413": "The body is too large",
    "421": "The Host is none of this server's",
    "422": "The call itself is wrong",
    "431": "The path, the query and the headers are too long",
    "503": "Something it needs is away; Retry-After says when to try again",
}
_PROBLEM: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "As the tools' errors have it"},
        "detail": {"type": "string", "description": "What is so, and what to do next"},
    },
    "required": ["type", "title", "status", "code", "detail"],
}


def document() -> Json:
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(operation)
    paths |= {path: {"get": _page_operation(path)} for path in _PAGES}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hephaestus Tickets",
            "version": __version__,
            "description": "Tickets for AI agents. The same operations are MCP tools at /mcp.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "responses": {f"Refused{status}": _refusal(told) for status, told in _REFUSALS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


# What else is served: what it is for, and as what it comes. MCP's own doors are no operations.
_PAGES = {
    "/healthz": ("Whether the process answers", "text/plain"),
    "/readyz": ("Whether calls can be answered, and how each thing they need does", _JSON),
    "/metrics": ("Counts and durations of calls, for Prometheus", "text/plain"),
    "/openapi.json": ("This document", _JSON),
    "/docs": ("This document as a page", "text/html"),
}


def _page_operation(path: str) -> Json:
    told, media_type = _PAGES[path]
    shown: Json = {"description": "As it is", "content": {media_type: {}}}
    refusals = {status: _refused(status) for status in ("401", "403", "421", "422", "431", "503")}
    others = {"431": refusals["431"]} if path in OPEN_PATHS else refusals
    if path == "/readyz":
        others["503"] = {**shown, "description": "What is needed most is away"}
    return {
        "operationId": path.strip("/").partition(".")[0],
        "summary": told,
        "description": f"{told}.",
        "tags": ["operating"],
        "parameters": [],
        "responses": {"200": shown, **others},
        **({"security": []} if path in OPEN_PATHS else {}),
    }


def _refused(status: str) -> Json:
    return {"$ref": f"#/components/responses/Refused{status}"}


def _refusal(told: str) -> Json:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": told, "content": {MEDIA_TYPE: {"schema": schema}}}


def _operation(operation: Operation) -> Json:
    in_path = set(_IN_PATH.findall(operation.path))
    schema = operation.input_schema
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.toolset],
        "parameters": [*_parameters(operation, schema, in_path), *_headers(operation)],
        "responses": _responses(operation),
    }
    if operation.verb == "POST":
        body = {_JSON: {"schema": schema}}
        described["requestBody"] = {"required": True, "content": body}
    return described


def _parameters(operation: Operation, schema: Json, in_path: set[str]) -> Iterable[Json]:
    for name, part in schema["properties"].items():
        if operation.verb == "POST" and name not in in_path:
            continue
        place = "path" if name in in_path else "query"
        required = name in in_path or name in schema.get("required", ())
        told: Json = {"name": name, "in": place, "required": required}
        plain = {key: value for key, value in part.items() if key != "description"}
        if "description" in part:
            told["description"] = part["description"]
        if part.get("type") in ("object", "array"):
            told["content"] = {_JSON: {"schema": plain}}  # as JSON text
        else:
            told["schema"] = plain
        yield told


def _headers(operation: Operation) -> Iterable[Json]:
    told = {
        "X-Agent-Id": "Who acts, where agent_id does not say",
        "X-Workflow-Id": "The workflow, where workflow_id does not say",
    }
    if KEY in operation.arguments.model_fields:
        told["Idempotency-Key"] = f"As {KEY}"
    if "expected_version" in operation.arguments.model_fields:
        told["If-Match"] = "The ETag of the ticket as it was read, as expected_version"
    for name, description in told.items():
        schema = {"type": "string"}
        yield {"name": name, "in": "header", "description": description, "schema": schema}


def _responses(operation: Operation) -> Json:
    done = {
        "description": "Done",
        "content": {_JSON: {"schema": operation.output_schema}},
    }
    refusals = {
        status: _refused(status)
        for status in _REFUSALS
        if status != "412" or "expected_version" in operation.arguments.model_fields
    }
    created = {"201": {**done, "description": "Created"}} if "create" in operation.name else {}
    return {"200": done, **created, **refusals}


class Pages:
    """Both are made once: they change with the code alone."""

    def __init__(self) -> None:
        self._document = document()
        self._page = page(self._document)

    def routes(self) -> Sequence[Route]:
        return [
            Route("/openapi.json", self._as_json, methods=["GET"]),
            Route("/docs", self._as_page, methods=["GET"]),
        ]

    async def _as_json(self, _: Request) -> Response:
        return JSONResponse(self._document)

    async def _as_page(self, _: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(self._page, headers={"Content-Security-Policy": policy})


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
summary { cursor: pointer; padding: .4rem 0 } code, pre { font-size: .9rem }
pre { background: #f1f5f9; padding: .8rem; overflow: auto }
.verb { display: inline-block; width: 4rem }
section { border-top: 1px solid #cbd5e1 }
"""


def page(described: Json) -> str:
    info: Mapping[str, Any] = described["info"]
    sections = [
        _section(verb, path, operation)
        for path, verbs in described["paths"].items()
        for verb, operation in verbs.items()
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(info['title'])}"
        f"</title><style>{_STYLE}</style><h1>{html.escape(info['title'])} {info['version']}</h1>"
        f"<p>{html.escape(info['description'])} <a href=/openapi.json>openapi.json</a></p>"
        f"{''.join(sections)}"
    )


def _section(verb: str, path: str, operation: Json) -> str:
    parts = {"Parameters": operation["parameters"], "Answers": operation["responses"]["200"]}
    if "requestBody" in operation:
        parts = {"Body": operation["requestBody"]["content"][_JSON], **parts}
    shown = "".join(
        f"<h4>{name}</h4><pre>{html.escape(json.dumps(part, indent=2))}</pre>"
        for name, part in parts.items()
    )
    return (
        f"<section id={operation['operationId']}><details><summary><b class=verb>{verb.upper()}</b>"
        f"<code>{html.escape(path)}</code> {html.escape(operation['summary'])}</summary>"
        f"<pre>{html.escape(operation['description'])}</pre>{shown}</details></section>"
    )
