"""Work that can be started, and who has taken it."""

from __future__ import annotations

from hephaestus_tickets.domain.claims import Claim, NotClaimed, Standing
from hephaestus_tickets.domain.ids import public_id
from hephaestus_tickets.domain.readiness import Readiness
from hephaestus_tickets.domain.vocabulary import Category
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import claim_facts, claims, tickets
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.schemas.claim_replies import (
    ClaimReleased,
    ClaimRenewed,
    ReadyTickets,
    TicketClaimed,
    TicketExplained,
)
from hephaestus_tickets.schemas.parameters import (
    Actor,
    AnyReady,
    ClaimToken,
    Handed,
    LeaseSeconds,
    Moves,
    Reason,
    Ref,
    Resume,
    SearchFilters,
    WaitSeconds,
)
from hephaestus_tickets.schemas.types import Limit, WorkflowId
from hephaestus_tickets.services import claim_views
from hephaestus_tickets.services.claiming import (
    ClaimOrder,
    claim_best,
    claim_named,
    columns_of,
    conditions_of,
)
from hephaestus_tickets.services.claims import admit_writer, claim_of
from hephaestus_tickets.services.hand_over import hand_back
from hephaestus_tickets.services.lookup import (
    Located,
    ticket_for_read,
    ticket_for_write,
    workflow_for_read,
    workflow_for_write,
)
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.ticket_views import live_claim
from hephaestus_tickets.services.unit_of_work import UnitOfWork


class ClaimService:
    """Each method is one operation of the catalogue; its docstring is what an agent reads."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get_ready_tickets(
        self,
        *,
        workflow_id: WorkflowId | None = None,
        filters: SearchFilters = None,
        limit: Limit = 20,
    ) -> ReadyTickets:
        """List what can be started now, the most urgent first: open, unblocked, unclaimed tickets
        in a 'todo' column. To take one, call claim_ticket.
        """  # noqa: D205 - one sentence
        workflow = await workflow_for_read(self._work, self._work.caller.workflow(workflow_id))
        conditions = await conditions_of(self._work, workflow, filters or TicketFilters())
        columns = columns_of(workflow.board)
        statement = claims.ready(workflow.workflow_id, columns, conditions, limit + 1)
        rows = (await self._work.session.execute(statement)).all()
        shown = [claim_views.ready_ticket(*row) for row in rows[:limit]]
        return ReadyTickets(tickets=shown, returned=len(shown), more=len(rows) > limit)

    async def explain_ticket(self, *, ticket_id: Ref) -> TicketExplained:
        """Say why a ticket can or cannot be started: open blockers, claim, limits of the board."""
        ticket = await ticket_for_read(self._work, ticket_id)
        workflow = await workflow_for_read(self._work, ticket.workflow_id)
        doing = workflow.board.statuses_in(Category.DOING)
        limited = next((each for each in doing[:1] if workflow.board.column(each).wip_limit), None)
        session = self._work.session
        now, in_doing = (
            await session.execute(claim_facts.clock_and_standing(ticket.workflow_id, limited))
        ).one()
        rows = (await session.execute(claim_facts.open_chain(ticket.id, claim_views.CHAIN))).all()
        chain = [claim_views.open_blocker(row, now) for row in rows[: claim_views.CHAIN]]
        readiness = Readiness(
            ticket_id=_public(ticket.id),
            status=ticket.status,
            board=workflow.board,
            is_resolved=ticket.is_resolved,
            open_blockers=ticket.open_blockers,
            startable=[each.ticket_id for each in chain if each.can_start],
            claim=claim_of(ticket),
            in_doing=in_doing,
            now=now,
        )
        more = (
            [f"open_blockers: {len(chain)} are shown, there are more"] if rows[len(chain) :] else []
        )
        return TicketExplained(
            ticket_id=readiness.ticket_id,
            is_ready=readiness.is_ready,
            reasons=readiness.reasons(),
            open_blockers=chain,
            claim=live_claim(ticket.claim_holder, ticket.claim_ends_at, now),
            omitted=more,
        )

    async def claim_ticket(
        self,
        *,
        ticket_id: AnyReady = None,
        workflow_id: WorkflowId | None = None,
        filters: SearchFilters = None,
        agent_id: Actor = None,
        lease_seconds: LeaseSeconds = None,
        move: Moves = True,
        resume: Resume = False,
        wait_seconds: WaitSeconds = 0,
    ) -> TicketClaimed:
        """Take a ticket to work on: the one named, or the best ready one. No other agent can.

        Assigns it to you and answers with what you need to start. Your writes to it renew the
        claim; so does renew_claim. End it with resolve_ticket or release_claim.
        """
        _ = wait_seconds  # whoever calls this waits, and calls it again
        order = ClaimOrder(
            agent_id=self._work.caller.actor(agent_id),
            lease_seconds=self._work.leases.chosen(lease_seconds),
            moves=move,
            resumes=resume,
        )
        if ticket_id is not None:
            located = await ticket_for_write(self._work, ticket_id)
            ticket = await claim_named(self._work, located.workflow, located.id, order)
        else:
            chosen = self._work.caller.workflow(workflow_id)
            workflow = await workflow_for_write(self._work, chosen)
            ticket = await claim_best(self._work, workflow, filters, order)
        return await claim_views.claimed(self._work, ticket)

    async def renew_claim(
        self,
        *,
        ticket_id: Ref,
        agent_id: Actor = None,
        claim_token: ClaimToken = None,
        lease_seconds: LeaseSeconds = None,
    ) -> ClaimRenewed:
        """Keep your claim for as long again, while work goes on without a write."""
        located = await ticket_for_write(self._work, ticket_id)
        recorder, ticket, claim = await self._held(located, agent_id, claim_token)
        if lease_seconds is not None:
            ticket.claim_lease_seconds = self._work.leases.chosen(lease_seconds)
            renewed = claim_of(ticket) or claim
            ticket.claim_ends_at = renewed.renewed_until(recorder.now)
        ends_at = ticket.claim_ends_at or claim.ends_at
        return ClaimRenewed(
            ticket_id=_public(ticket.id), version=ticket.version, claim_ends_at=ends_at
        )

    async def release_claim(
        self,
        *,
        ticket_id: Ref,
        hand_over: Handed = None,
        agent_id: Actor = None,
        claim_token: ClaimToken = None,
    ) -> ClaimReleased:
        """Give a ticket back unfinished: it is ready work again, for whoever comes next.

        Say in hand_over what the next agent must know.
        """
        located = await ticket_for_write(self._work, ticket_id)
        recorder, ticket, _ = await self._held(located, agent_id, claim_token)
        return await hand_back(recorder, located.workflow, ticket, hand_over)

    async def force_release(
        self, *, ticket_id: Ref, reason: Reason, agent_id: Actor = None
    ) -> ClaimReleased:
        """End another agent's claim. Its holder's next write is refused."""
        located = await ticket_for_write(self._work, ticket_id)
        recorder, ticket = await self._locked(located, agent_id)
        if claim_of(ticket) is None:
            raise NotClaimed(_public(ticket.id))
        return await hand_back(recorder, located.workflow, ticket, None, reason)

    async def _locked(self, located: Located, agent_id: str | None) -> tuple[Recorder, TicketRow]:
        session = self._work.session
        ticket = (await session.scalars(tickets.lock_ticket(located.id))).one()
        now = (await session.scalars(tickets.database_clock())).one()
        return Recorder(self._work, self._work.caller.actor(agent_id), now), ticket

    async def _held(
        self, located: Located, agent_id: str | None, token: int | None
    ) -> tuple[Recorder, TicketRow, Claim]:
        """The locked ticket, and its claim, which is the writer's."""
        recorder, ticket = await self._locked(located, agent_id)
        standing = admit_writer(recorder, ticket, located.workflow.board, token)
        claim = claim_of(ticket)
        if standing is not Standing.HELD or claim is None:
            raise NotClaimed(_public(ticket.id))
        return recorder, ticket, claim


def _public(number: int) -> str:
    return public_id("ticket", number)
