"""The catalogue as REST routes: path, query and body are one call's arguments."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hephaestus_tickets.domain.changes import VersionConflict
from hephaestus_tickets.domain.errors import Invalid, TicketError
from hephaestus_tickets.domain.text import quotable
from hephaestus_tickets.http.identity import SESSION
from hephaestus_tickets.http.problems import BodyTooLarge, HttpRefusal, faulty, refused
from hephaestus_tickets.operations import KEY, OPERATIONS, Operation
from hephaestus_tickets.schemas.replies import Reply
from hephaestus_tickets.server.calls import Calls, asked, compact_text

logger = logging.getLogger("hephaestus_tickets.http")

VERSION = "expected_version"
_CREATED = {"create_ticket", "create_tickets"}
# Arguments of how a client speaks, not of what it asks.
_OURS = frozenset({"toolsets"})


class NotJson(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "The body is not a JSON object. Put the arguments into one, in UTF-8, with "
            "'Content-Type: application/json'."
        )


class InvalidIfMatch(Invalid):
    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(
            f"If-Match is '{quotable(value)}'. Pass the ETag of the ticket as it was read, such "
            'as "3".'
        )


def routes(calls: Calls, *, body_bytes: int) -> list[Route]:
    """Literal paths first: `/tickets/get` is no ticket."""
    ordered = sorted(OPERATIONS, key=lambda operation: "{" in operation.path)
    return [
        Route(
            operation.path,
            _endpoint(calls, operation, body_bytes),
            methods=[operation.verb],
            name=operation.name,
        )
        for operation in ordered
    ]


def _endpoint(calls: Calls, operation: Operation, body_bytes: int) -> Any:  # Any: as Route takes it
    async def answer(request: Request) -> Response:
        try:
            raw = await _arguments(request, operation, body_bytes)
            return _answer(operation, await calls.run_for(request.scope[SESSION], operation, raw))
        except (TicketError, HttpRefusal) as refusal:
            by_precondition = isinstance(refusal, VersionConflict) and "if-match" in request.headers
            return refused(refusal, by_precondition=by_precondition)
        except Exception:  # the edge: of a fault of ours nothing may reach the caller
            logger.exception("%s failed (request %s)", operation.name, _number())
            return faulty()

    return answer


def _number() -> str:
    request = asked.get()
    return "" if request is None else request.number


async def _arguments(
    request: Request, operation: Operation, body_bytes: int
) -> dict[str, Any]:  # Any: JSON
    raw: dict[str, Any] = {}
    if operation.verb == "POST":
        raw |= _parsed(await _body(request, body_bytes))
    asked = {name: value for name, value in request.query_params.items() if name not in _OURS}
    raw |= asked | request.path_params
    taken = operation.arguments.model_fields
    if "idempotency-key" in request.headers and KEY in taken:
        raw[KEY] = request.headers["idempotency-key"]
    if "if-match" in request.headers and VERSION in taken:
        raw[VERSION] = _version(request.headers["if-match"])
    return raw


async def _body(request: Request, limit: int) -> bytes:
    """Raises BodyTooLarge before it is read whole, or at all where its length is told."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise BodyTooLarge(limit)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise BodyTooLarge(limit)
    return bytes(content)


def _parsed(content: bytes) -> Mapping[str, Any]:  # Any: JSON
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotJson from error
    if not isinstance(body, dict):
        raise NotJson
    return body  # pyright: ignore[reportUnknownVariableType] - JSON


def _version(value: str) -> int:
    plain = value.strip().removeprefix("W/").strip('"')
    if not (plain.isascii() and plain.isdecimal()) or len(plain) > _LONGEST:
        raise InvalidIfMatch(value)
    return int(plain)


_LONGEST = 18


def _answer(operation: Operation, reply: Reply) -> Response:
    shown = reply.model_dump(mode="json")
    ticket: Mapping[str, Any] = shown.get("ticket", {})
    version = shown.get("version") or ticket.get("version")
    headers = {} if version is None else {"ETag": f'"{version}"'}
    is_new = operation.name in _CREATED and not (shown.get("replayed") or shown.get("dry_run"))
    if is_new and "ticket_id" in shown:
        headers["Location"] = f"/tickets/{shown['ticket_id']}"
    return Response(
        compact_text(shown), 201 if is_new else 200, headers, media_type="application/json"
    )
