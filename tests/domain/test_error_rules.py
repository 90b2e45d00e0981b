from __future__ import annotations

import pytest

from hephaestus_tickets.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    SetupError,
    TicketError,
    Unavailable,
)
from hephaestus_tickets.domain.lifecycle import CommentRequired, TicketBlocked, WipLimitReached


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(NotFound, 404, "not_found", id="not-found"),
        pytest.param(Invalid, 422, "invalid", id="invalid"),
        pytest.param(Conflict, 409, "conflict", id="conflict"),
        pytest.param(Forbidden, 403, "forbidden", id="forbidden"),
        pytest.param(Unavailable, 503, "unavailable", id="unavailable"),
        pytest.param(CommentRequired, 422, "comment_required", id="a-leaf-has-its-familys-status"),
        pytest.param(TicketBlocked, 409, "ticket_blocked", id="a-leaf-has-its-own-code"),
        pytest.param(WipLimitReached, 409, "wip_limit_reached", id="three-words"),
    ],
)
def test_an_error_has_the_status_of_its_family_and_a_code_from_its_name(
    error: type[TicketError], status: int, code: str
) -> None:
    assert (error.status, error.code) == (status, code)


def test_an_error_without_a_family_is_our_own_fault() -> None:
    assert (TicketError.status, TicketError.code) == (500, "ticket_error")


def test_the_text_of_an_error_is_its_sentence() -> None:
    assert str(NotFound("There is no ticket-12.")) == "There is no ticket-12."


def test_an_operators_error_is_not_shown_to_callers() -> None:
    assert not issubclass(SetupError, TicketError)
