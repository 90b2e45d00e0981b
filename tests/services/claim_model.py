"""The rules of claims in small, as a model to check the tracker against: one call at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

# In its order; the first is where a ticket begins.
BOARD = {
    "backlog": "todo",
    "next": "todo",
    "in_progress": "doing",
    "review": "doing",
    "done": "done",
    "cancelled": "done",
}


class Refused(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, kw_only=True)
class Writer:
    agent_id: str
    session: str
    token: int | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """It lapses when its time is set back; one of little time has it set near its end."""

    holder: str
    session: str
    token: int
    from_status: str
    is_lapsed: bool = False
    has_little_time: bool = False

    def is_of(self, writer: Writer) -> bool:
        if writer.token is not None:
            return writer.token == self.token
        return (writer.agent_id, writer.session) == (self.holder, self.session)


@dataclass(frozen=True, kw_only=True)
class Ticket:
    ticket_id: str
    number: int
    priority: int
    status: str = "backlog"
    assignee: str | None = None
    blockers: frozenset[str] = frozenset()
    claim: Claim | None = None

    @property
    def is_resolved(self) -> bool:
        return BOARD[self.status] == "done"

    @property
    def is_held(self) -> bool:
        return self.claim is not None and not self.claim.is_lapsed

    @property
    def rank(self) -> tuple[int, int]:
        """The lowest is the best."""
        return -self.priority, self.number

    def given_back(self) -> Ticket:
        """Where it came from, if it is under way; nobody's."""
        status = self.status
        if self.claim is not None and BOARD[status] == "doing":
            status = self.claim.from_status
        return replace(self, status=status, assignee=None, claim=None)

    def renewed(self) -> Ticket:
        assert self.claim is not None
        return replace(self, claim=replace(self.claim, has_little_time=False))

    def held_by(self, writer: Writer, token: int, from_status: str) -> Ticket:
        claim = Claim(
            holder=writer.agent_id,
            session=writer.session,
            token=token,
            from_status=from_status,
        )
        return replace(self, assignee=writer.agent_id, claim=claim)


@dataclass
class Model:
    """Every method either changes what it must or raises Refused and changes nothing."""

    tickets: dict[str, Ticket] = field(default_factory=dict[str, Ticket])

    def is_blocked(self, ticket: Ticket) -> bool:
        return any(not self.tickets[blocker].is_resolved for blocker in ticket.blockers)

    def blocked(self) -> set[str]:
        """Of those to be done."""
        open_ones = [each for each in self.tickets.values() if not each.is_resolved]
        return {each.ticket_id for each in open_ones if self.is_blocked(each)}

    def create(self, ticket_id: str, priority: int, blockers: Iterable[str]) -> None:
        number = len(self.tickets)
        self._put(
            Ticket(
                ticket_id=ticket_id, number=number, priority=priority, blockers=frozenset(blockers)
            )
        )

    def claim(
        self, ticket_id: str, writer: Writer, token: int, *, resumes: bool, moves: bool = True
    ) -> None:
        """`token` is the one that was given; a claim that is only renewed keeps its own."""
        ticket = self.tickets[ticket_id]
        if ticket.claim is not None and ticket.is_held:
            self._put(self._gone_on(ticket, ticket.claim, writer, token, resumes=resumes))
            return
        ticket = ticket.given_back() if ticket.claim else ticket
        self._refuse_unstartable(ticket)
        is_moved = moves and BOARD[ticket.status] == "todo"
        taken = ticket.held_by(writer, token, ticket.status)
        self._put(replace(taken, status="in_progress") if is_moved else taken)

    def _gone_on(
        self, ticket: Ticket, claim: Claim, writer: Writer, token: int, *, resumes: bool
    ) -> Ticket:
        if claim.is_of(writer):
            return ticket.renewed()
        if claim.holder == writer.agent_id and resumes:
            return ticket.held_by(writer, token, claim.from_status)
        raise Refused("claim_held")

    def _refuse_unstartable(self, ticket: Ticket) -> None:
        if ticket.is_resolved:
            raise Refused("already_resolved")
        if self.is_blocked(ticket):
            raise Refused("ticket_blocked")

    def best_for(self, writer: Writer, *, resumes: bool) -> list[str | None]:
        """What claim_ticket gives where none is named; None: nothing is ready."""
        own = self._claims_of(writer) if resumes else []
        if own:
            return [own[0]]
        for each in sorted(self.ready(), key=lambda each: each.rank):
            if each.claim or each.assignee in (None, writer.agent_id):
                return [each.ticket_id]
        return [None]

    def _claims_of(self, writer: Writer) -> list[str]:
        tokens = {
            each.claim.token: each.ticket_id
            for each in self.tickets.values()
            if each.claim and each.is_held and each.claim.holder == writer.agent_id
        }
        return [tokens[token] for token in sorted(tokens)]

    def ready(self) -> Iterator[Ticket]:
        """A claim whose time is over is none."""
        for ticket in self.tickets.values():
            stands = ticket.given_back() if ticket.claim else ticket
            if (
                not ticket.is_held
                and BOARD[stands.status] == "todo"
                and not self.is_blocked(stands)
            ):
                yield ticket

    def renew(self, ticket_id: str, writer: Writer) -> None:
        self._put(self._held(ticket_id, writer))

    def release(self, ticket_id: str, writer: Writer) -> None:
        self._put(self._held(ticket_id, writer).given_back())

    def force_release(self, ticket_id: str) -> None:
        if self.tickets[ticket_id].claim is None:
            raise Refused("not_claimed")
        self._put(self.tickets[ticket_id].given_back())

    def resolve(self, ticket_id: str, writer: Writer) -> None:
        ticket = self._admitted(ticket_id, writer)
        self._refuse_unstartable(ticket)
        self._put(replace(ticket, status="done", claim=None))

    def change_status(self, ticket_id: str, writer: Writer, status: str) -> None:
        ticket = self._admitted(ticket_id, writer)
        if status not in (ticket.status, "backlog") and self.is_blocked(ticket):
            raise Refused("ticket_blocked")
        moved = replace(ticket, status=status)
        self._put(replace(moved, claim=None) if moved.is_resolved else moved)

    def update(self, ticket_id: str, writer: Writer) -> None:
        self._put(self._admitted(ticket_id, writer))

    def assign(self, ticket_id: str, writer: Writer, assignee: str) -> None:
        ticket = replace(self._admitted(ticket_id, writer), assignee=assignee)
        is_handed_on = ticket.claim is not None and ticket.claim.holder != assignee
        self._put(replace(ticket, claim=None) if is_handed_on else ticket)

    def comment(self, ticket_id: str, writer: Writer) -> None:
        ticket = self.tickets[ticket_id]
        if ticket.claim and ticket.is_held and ticket.claim.is_of(writer):
            self._put(ticket.renewed())

    def block(self, ticket_id: str, writer: Writer, blocker: str) -> None:
        ticket = self._admitted(ticket_id, writer)
        if blocker not in ticket.blockers:
            self._refuse_edge(ticket, blocker)
        self._put(replace(ticket, blockers=ticket.blockers | {blocker}))

    def _refuse_edge(self, ticket: Ticket, blocker: str) -> None:
        if blocker == ticket.ticket_id:
            raise Refused("self_reference")
        if ticket.ticket_id in self._upstream(blocker):
            raise Refused("blocker_cycle")
        if ticket.is_resolved and not self.tickets[blocker].is_resolved:
            raise Refused("resolved_cannot_be_blocked")

    def _upstream(self, ticket_id: str) -> set[str]:
        found: set[str] = set()
        waiting = {ticket_id}
        while waiting:
            found |= waiting
            waiting = {each for name in waiting for each in self.tickets[name].blockers} - found
        return found

    def unblock(self, ticket_id: str, writer: Writer, blocker: str) -> None:
        ticket = self._admitted(ticket_id, writer)
        self._put(replace(ticket, blockers=ticket.blockers - {blocker}))

    def lapse(self, ticket_id: str) -> None:
        self._time(ticket_id, is_lapsed=True)

    def draw_near_to_the_end(self, ticket_id: str) -> None:
        self._time(ticket_id, is_lapsed=False)

    def _time(self, ticket_id: str, *, is_lapsed: bool) -> None:
        ticket = self.tickets[ticket_id]
        if ticket.claim and ticket.is_held:
            claim = replace(ticket.claim, is_lapsed=is_lapsed, has_little_time=True)
            self._put(replace(ticket, claim=claim))

    def expire(self) -> None:
        for ticket in list(self.tickets.values()):
            if ticket.claim and ticket.claim.is_lapsed:
                self._put(ticket.given_back())

    def _held(self, ticket_id: str, writer: Writer) -> Ticket:
        ticket = self._admitted(ticket_id, writer)
        if ticket.claim is None:
            raise Refused("not_claimed")
        return ticket

    def _admitted(self, ticket_id: str, writer: Writer) -> Ticket:
        """As it is for who may write: with the claim renewed, or without one."""
        ticket = self.tickets[ticket_id]
        if ticket.claim and ticket.is_held and ticket.claim.is_of(writer):
            return ticket.renewed()
        if writer.token is not None:
            raise Refused("claim_lost")
        if ticket.is_held:
            raise Refused("claim_held")
        return ticket.given_back() if ticket.claim else ticket

    def _put(self, ticket: Ticket) -> None:
        self.tickets[ticket.ticket_id] = ticket
