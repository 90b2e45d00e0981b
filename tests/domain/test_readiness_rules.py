from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hephaestus_tickets.domain.board import BoardSettings
from hephaestus_tickets.domain.claims import Claim
from hephaestus_tickets.domain.readiness import Readiness
from tests.domain.boards import board

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIVE = Claim(
    holder="ada",
    session="s",
    token=1,
    ends_at=NOW + timedelta(seconds=60),
    lease_seconds=60,
    from_status="backlog",
)
OVER = replace(LIVE, ends_at=NOW)
FREE = Readiness(
    ticket_id="ticket-1",
    status="backlog",
    board=board(),
    is_resolved=False,
    open_blockers=0,
    startable=[],
    claim=None,
    in_doing=0,
    now=NOW,
)


@pytest.mark.parametrize(
    ("readiness", "is_ready"),
    [
        pytest.param(FREE, True, id="open, unblocked, unclaimed"),
        pytest.param(replace(FREE, status="ready"), True, id="in any todo column"),
        pytest.param(replace(FREE, is_resolved=True, status="done"), False, id="resolved"),
        pytest.param(replace(FREE, open_blockers=1), False, id="blocked"),
        pytest.param(replace(FREE, status="review"), False, id="under way"),
        pytest.param(replace(FREE, status="in_progress", claim=LIVE), False, id="claimed"),
        pytest.param(replace(FREE, claim=LIVE), False, id="claimed where it stood"),
        pytest.param(replace(FREE, status="in_progress", claim=OVER), True, id="its claim is over"),
        pytest.param(
            replace(FREE, status="review", claim=replace(OVER, from_status="review")),
            False,
            id="a review whose claim is over",
        ),
    ],
)
def test_what_can_be_started(readiness: Readiness, *, is_ready: bool) -> None:
    assert readiness.is_ready is is_ready


@pytest.mark.parametrize(
    ("readiness", "reasons"),
    [
        pytest.param(
            FREE, ["nothing is in the way: claim_ticket(ticket_id='ticket-1')"], id="nothing"
        ),
        pytest.param(
            replace(FREE, is_resolved=True, status="done"),
            ["it is resolved (status 'done'); change_status reopens it"],
            id="resolved",
        ),
        pytest.param(
            replace(FREE, open_blockers=2, startable=["ticket-7", "ticket-9"]),
            ["it waits for open blockers (2 of its own): begin with ticket-7, ticket-9"],
            id="blocked",
        ),
        pytest.param(
            replace(FREE, open_blockers=1),
            ["it waits for open blockers (1 of its own): those are being worked on"],
            id="blocked by what others work on",
        ),
        pytest.param(
            replace(FREE, status="in_progress", claim=LIVE),
            ["'ada' claimed it until 2026-11-25T12:01:00+00:00: claim_ticket gives other work"],
            id="claimed",
        ),
        pytest.param(
            replace(FREE, status="review"),
            [
                (
                    "it is under way in 'review', though nobody claims it: "
                    "claim_ticket(ticket_id='ticket-1') takes it as it stands"
                )
            ],
            id="under way",
        ),
        pytest.param(
            replace(FREE, in_doing=2),
            [
                (
                    "the column 'in_progress' is full (2 of 2): move one out of it, "
                    "or claim_ticket with move=false"
                )
            ],
            id="no room",
        ),
        pytest.param(
            replace(FREE, board=board(settings=BoardSettings(transitions={"backlog": ("ready",)}))),
            [
                (
                    "this board does not let it move from 'backlog' to 'in_progress', only to "
                    "ready: claim_ticket with move=false"
                )
            ],
            id="no transition",
        ),
    ],
)
def test_why_one_cannot(readiness: Readiness, reasons: list[str]) -> None:
    assert readiness.reasons() == reasons


def test_everything_that_is_in_the_way_is_told() -> None:
    told = replace(FREE, open_blockers=1, in_doing=5).reasons()
    assert len(told) == 2
