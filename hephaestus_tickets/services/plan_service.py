"""Many tickets in one call: a plan is laid out, changed or resolved whole, or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.lifecycle import check_comment, plan_resolution
from hephaestus_tickets.domain.vocabulary import Category, CommentType
from hephaestus_tickets.schemas.parameters import Actor, Resolution, ShaToLink
from hephaestus_tickets.schemas.plans import DryRun, PlannedTickets, TicketPatches, TicketsNamed
from hephaestus_tickets.schemas.replies import (
    TicketChanged,
    TicketsCreated,
    TicketsResolved,
    TicketsUpdated,
    TicketUpdated,
)
from hephaestus_tickets.schemas.types import WorkflowId
from hephaestus_tickets.services.commit_links import given_commit
from hephaestus_tickets.services.lookup import Located, workflow_for_write
from hephaestus_tickets.services.moves import Moved, MoveOrder, move_ticket
from hephaestus_tickets.services.moving import hold_proved
from hephaestus_tickets.services.plan_views import plan_reply, resolved_reply
from hephaestus_tickets.services.planning import drafted, insert_plan, lay_out
from hephaestus_tickets.services.together import (
    all_or_none,
    hold_targets,
    lock_in_order,
    lock_targets,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.services.updating import Patch, patch_ticket


class PlanService:
    """Each method is one operation of the catalogue; its docstring is what an agent reads."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def create_tickets(
        self,
        *,
        tickets: PlannedTickets,
        workflow_id: WorkflowId | None = None,
        agent_id: Actor = None,
        dry_run: DryRun = False,
    ) -> TicketsCreated:
        """File a whole plan: up to 200 tickets with their parents and blockers, all or none.

        First look for existing ones with hybrid_search. Give a ticket a `ref` to name it in
        another's `parent` or `blocked_by`, in any order. Refused with every fault at once:
        unknown names, cycles, too many in a limited column, what create_ticket refuses.
        """
        drafts = await drafted(tickets, self._work.caller.actor(agent_id))
        chosen = self._work.caller.workflow(workflow_id)
        workflow = await workflow_for_write(self._work, chosen)
        starts = await lay_out(self._work, workflow, drafts)
        rows = [] if dry_run else await insert_plan(self._work, workflow, drafts, starts)
        return plan_reply(drafts, starts, rows)

    async def update_tickets(
        self,
        *,
        updates: TicketPatches,
        agent_id: Actor = None,
        dry_run: DryRun = False,
    ) -> TicketsUpdated:
        """Change fields of up to 200 tickets of one workflow in the order given, all or none.

        Each entry is what update_ticket takes, and refused as there; the error tells every
        ticket that is in the way.
        """
        actor = self._work.caller.actor(agent_id)

        async def patched(place: int, located: Located) -> TicketUpdated:
            wanted = updates[place]
            patch = Patch(
                updates=wanted.updates,
                agent_id=actor,
                comment=wanted.update_comment,
                expected_version=wanted.expected_version,
                claim_token=wanted.claim_token,
            )
            return await patch_ticket(self._work, located, patch)

        targets = await hold_targets(self._work, [wanted.ticket_id for wanted in updates])
        await lock_targets(self._work, targets)
        done = await all_or_none(self._work, targets, [*targets.found], patched, dry_run=dry_run)
        return TicketsUpdated(
            tickets=[
                TicketChanged(ticket_id=each.ticket_id, version=each.version, changed=each.changed)
                for each in done.values()
            ],
            dry_run=dry_run,
        )

    async def resolve_tickets(
        self,
        *,
        ticket_ids: TicketsNamed,
        agent_id: Actor = None,
        resolution_comment: Resolution = "",
        commit_sha: ShaToLink = None,
        allow_unverified: bool = False,
        dry_run: DryRun = False,
    ) -> TicketsResolved:
        """Finish up to 200 tickets of one workflow, blockers first, all or none.

        Comment and commit go to each. unblocked_tickets in the reply are ready to be worked on
        now. Refused while any has an open blocker that is not among them, or is resolved already;
        the error tells every ticket that is in the way.
        """
        actor = self._work.caller.actor(agent_id)
        link = await given_commit(self._work, ticket_ids[0], commit_sha, allow_unverified)
        targets, proofs = await hold_proved(self._work, ticket_ids, link)
        board = targets.workflow.board
        check_comment(board, resolution_comment, changes_status=True)
        order = MoveOrder(
            target=board.first(Category.DONE),
            decide=partial(plan_resolution, board=board),
            agent_id=actor,
            comment=resolution_comment,
            comment_type=CommentType.RESOLUTION,
            commit=link,
        )

        async def resolved(_: int, located: Located) -> Moved:
            proved = replace(order, proof=proofs.get(located.id))
            return await move_ticket(self._work, located, proved)

        places = await lock_in_order(self._work, targets)
        done = await all_or_none(self._work, targets, places, resolved, dry_run=dry_run)
        moved = {ticket_id(targets.found[place].id): each for place, each in done.items()}
        return resolved_reply(moved, dry_run=dry_run)
