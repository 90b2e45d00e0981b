"""What an agent may do next, in a story that Hypothesis makes up."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from hephaestus_tickets.domain.vocabulary import Priority
from tests.services.claim_model import BOARD, Writer

# An agent and one of its sessions.
Session = tuple[str, str]
# Three agents, of whom one has two sessions.
SESSIONS = [("ann", "a"), ("ann", "another"), ("bob", "b"), ("cyd", "c")]
# How often each is done beside the others.
WEIGHTS = {
    "create": 1,
    "claim": 4,
    "claim_best": 5,
    "renew": 1,
    "release": 2,
    "force_release": 1,
    "resolve": 1,
    "change_status": 3,
    "update": 1,
    "set_blocker": 3,
    "assign": 1,
    "comment": 1,
    "lapse": 4,
    "draw_near": 1,
    "expire": 1,
    "look": 3,
}
TICKETS = 6


@dataclass(frozen=True)
class Step:
    """Who does something, and with what, as far as it takes it."""

    by: Session
    place: int
    other: int
    to: Session
    status: str
    priority: Priority
    shows: str  # which of the tokens that were ever given for the ticket, if any
    resumes: bool
    moves: bool

    @property
    def writer(self) -> Writer:
        return writer_of(self.by)


def writer_of(by: Session, token: int | None = None) -> Writer:
    return Writer(agent_id=by[0], session=by[1], token=token)


acts = st.sampled_from([act for act, weight in WEIGHTS.items() for _ in range(weight)])
steps = st.builds(
    Step,
    by=st.sampled_from(SESSIONS),
    place=st.integers(0, TICKETS - 1),
    other=st.integers(0, TICKETS - 1),
    to=st.sampled_from(SESSIONS),
    status=st.sampled_from([*BOARD, "next", "in_progress"]),
    priority=st.sampled_from(Priority),
    shows=st.sampled_from(["", "", "", "latest", "first"]),
    resumes=st.booleans(),
    moves=st.booleans(),
)
