from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_tickets.domain.claims import (
    Claim,
    ClaimHeld,
    ClaimLost,
    LeaseOutOfBounds,
    Leases,
    Standing,
    Writer,
    column_after,
    standing_of,
)
from hephaestus_tickets.domain.errors import TicketError
from tests.domain.boards import board

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def claim(*, seconds_left: float = 60, from_status: str = "backlog") -> Claim:
    return Claim(
        holder="ada",
        session="first",
        token=7,
        ends_at=NOW + timedelta(seconds=seconds_left),
        lease_seconds=900,
        from_status=from_status,
    )


HOLDER = Writer(agent_id="ada", session="first")


@pytest.mark.parametrize(
    ("writer", "holds"),
    [
        pytest.param(HOLDER, True, id="agent and session"),
        pytest.param(Writer(agent_id="ada", session="second"), False, id="another session"),
        pytest.param(Writer(agent_id="bob", session="first"), False, id="another agent in it"),
        pytest.param(Writer(agent_id="ada"), False, id="no session"),
        pytest.param(Writer(agent_id="bob", token=7), True, id="the token, by whomever"),
        pytest.param(Writer(agent_id="ada", session="first", token=6), False, id="an old token"),
    ],
)
def test_a_claim_is_held_by_its_token_or_by_its_session(writer: Writer, *, holds: bool) -> None:
    assert writer.holds(claim()) is holds


def test_no_session_holds_a_claim_that_was_taken_without_one() -> None:
    taken = Claim(
        holder="ada", session="", token=7, ends_at=NOW, lease_seconds=1, from_status="backlog"
    )
    assert not Writer(agent_id="ada").holds(taken)


@pytest.mark.parametrize(
    ("there", "writer", "expected"),
    [
        pytest.param(None, HOLDER, Standing.FREE, id="nobody's"),
        pytest.param(claim(), HOLDER, Standing.HELD, id="the holder"),
        pytest.param(claim(), Writer(agent_id="bob"), ClaimHeld, id="another agent"),
        pytest.param(
            claim(), Writer(agent_id="ada", session="x"), ClaimHeld, id="oneself elsewhere"
        ),
        pytest.param(claim(seconds_left=0), HOLDER, Standing.LAPSED, id="just over"),
        pytest.param(
            claim(seconds_left=-1), Writer(agent_id="bob"), Standing.LAPSED, id="over for others"
        ),
        pytest.param(
            claim(seconds_left=-1), Writer(agent_id="ada", token=7), ClaimLost, id="over, by token"
        ),
        pytest.param(None, Writer(agent_id="ada", token=7), ClaimLost, id="a token of none"),
        pytest.param(claim(), Writer(agent_id="ada", token=6), ClaimLost, id="an old token"),
    ],
)
def test_who_may_write(
    there: Claim | None, writer: Writer, expected: Standing | type[TicketError]
) -> None:
    if isinstance(expected, Standing):
        assert standing_of("ticket-1", there, writer, NOW) is expected
        return
    with pytest.raises(expected):
        standing_of("ticket-1", there, writer, NOW)


def test_who_is_refused_is_told_who_holds_it_until_when_and_what_to_call_instead() -> None:
    with pytest.raises(ClaimHeld) as refused:
        standing_of("ticket-1", claim(seconds_left=90), Writer(agent_id="bob"), NOW)
    assert str(refused.value) == (
        "ticket-1 is claimed by 'ada' until 2026-11-25T12:01:30Z (90 seconds from now). Do not "
        "retry before then: claim_ticket without ticket_id gives you other work. add_comment and "
        "link_commit are always allowed."
    )


def test_an_agent_in_another_session_is_told_how_to_go_on() -> None:
    with pytest.raises(ClaimHeld, match=r"claim_ticket\(resume=true\)"):
        standing_of("ticket-1", claim(), Writer(agent_id="ada", session="second"), NOW)


@pytest.mark.parametrize(
    ("seconds_left", "expected"),
    [
        pytest.param(60, 900, id="renewed"),
        pytest.param(5_000, 5_000, id="never shortened"),
        pytest.param(-5, 900, id="from now on"),
    ],
)
def test_a_renewal_holds_for_the_lease_from_now(seconds_left: float, expected: float) -> None:
    renewed = claim(seconds_left=seconds_left).renewed_until(NOW)
    assert renewed == NOW + timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("status", "from_status", "expected"),
    [
        pytest.param("in_progress", "backlog", "backlog", id="back where it was taken"),
        pytest.param("review", "backlog", "backlog", id="from wherever it went on to"),
        pytest.param("review", "review", "review", id="a review that was taken as one"),
        pytest.param("backlog", "backlog", "backlog", id="never moved"),
        pytest.param("in_progress", "gone", "backlog", id="the column is no more"),
    ],
)
def test_where_a_ticket_stands_after_its_claim(
    status: str, from_status: str, expected: str
) -> None:
    assert column_after(claim(from_status=from_status), board(), status) == expected


@pytest.mark.parametrize(("asked", "chosen"), [(None, 900), (10, 10), (86_400, 86_400), (900, 900)])
def test_a_lease_within_the_bounds_is_granted(asked: int | None, chosen: int) -> None:
    assert Leases().chosen(asked) == chosen


@pytest.mark.parametrize("asked", [1, 9, 86_401])
def test_a_lease_out_of_the_bounds_is_refused_with_the_bounds(asked: int) -> None:
    with pytest.raises(LeaseOutOfBounds, match="from 10 to 86400"):
        Leases().chosen(asked)
