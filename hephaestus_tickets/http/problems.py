"""Refusals as RFC 9457 problem details, with the codes that the tools use."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from hephaestus_tickets.domain.errors import TicketError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


def problem(status: int, code: str, detail: str, **headers: str) -> Response:
    body: dict[str, Any] = {  # Any: JSON
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


class HttpRefusal(Exception):
    """What HTTP alone refuses; all else has the tools' own errors."""

    status = 400
    code = "bad_request"


class TokenRefused(HttpRefusal):
    """No token, or none that is good: all are refused alike."""

    status = 401
    code = "token_refused"

    def __init__(self) -> None:
        super().__init__(
            "This needs a token that is known and neither expired nor revoked. Pass it as "
            "'Authorization: Bearer …'; an operator makes one with `hephaestus-tickets token "
            "create`."
        )


class BodyTooLarge(HttpRefusal):
    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The body has more than {limit:,} bytes. Put less into one call.")


class HeadTooLarge(HttpRefusal):
    status = 431
    code = "head_too_large"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"The path, the query and the headers have more than {limit:,} bytes. Put less into "
            "them; arguments of a POST may stand in its body."
        )


def refused(refusal: TicketError | HttpRefusal, *, by_precondition: bool = False) -> Response:
    """`by_precondition`: what was refused is the version that If-Match named."""
    status = 412 if by_precondition else refusal.status
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return problem(status, refusal.code, str(refusal), **headers)


def faulty() -> Response:
    """Of a fault of ours nothing may reach the caller."""
    detail = (
        "The call failed inside the tracker. Look at what was saved before you try again; the "
        "log tells more under this answer's X-Request-Id."
    )
    return problem(500, "internal_error", detail)
