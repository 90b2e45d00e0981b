"""Tickets: create, find, change, move, assign, comment, link, resolve."""

from __future__ import annotations

from functools import partial

from hephaestus_tickets.domain.ids import public_id
from hephaestus_tickets.domain.lifecycle import plan_move, plan_resolution
from hephaestus_tickets.domain.vocabulary import Category, CommentType, Priority
from hephaestus_tickets.queries import tickets
from hephaestus_tickets.schemas.arguments import SortBy, SortOrder, TicketFilters, TicketUpdates
from hephaestus_tickets.schemas.parameters import (
    Actor,
    Assignee,
    Attached,
    Blockers,
    BoardDefault,
    ClaimToken,
    DescriptionFrom,
    ExpectedVersion,
    Filters,
    Mentioned,
    NewStatus,
    NextCursor,
    OnDuplicate,
    Ref,
    RelatedFrom,
    Resolution,
    Sha,
    ShaToLink,
)
from hephaestus_tickets.schemas.replies import (
    CommentAdded,
    CommitLinked,
    StatusChanged,
    TicketAssigned,
    TicketCreated,
    TicketDetails,
    TicketList,
    TicketResolved,
    TicketUpdated,
)
from hephaestus_tickets.schemas.types import (
    AgentId,
    CommentText,
    CommitMessage,
    Description,
    Limit,
    Offset,
    OptionalComment,
    Tags,
    TaskIds,
    TicketRef,
    Title,
    WorkflowId,
)
from hephaestus_tickets.services import ticket_views
from hephaestus_tickets.services.commit_links import commit_to_link
from hephaestus_tickets.services.creation import NewTicket, insert_ticket
from hephaestus_tickets.services.duplicates import hold_title, near_in_meaning
from hephaestus_tickets.services.listing import Page, list_tickets
from hephaestus_tickets.services.lookup import (
    ticket_for_write,
    ticket_with_surroundings,
    workflow_for_read,
    workflow_for_write,
)
from hephaestus_tickets.services.moving import Wanted, carry_out
from hephaestus_tickets.services.remarks import add_commit, add_remark
from hephaestus_tickets.services.unit_of_work import UnitOfWork
from hephaestus_tickets.services.updating import Patch, patch_ticket


class TicketService:
    """Each method is one operation of the catalogue; its docstring is what an agent reads."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def create_ticket(
        self,
        *,
        title: Title,
        description: Description = "",
        workflow_id: WorkflowId | None = None,
        agent_id: Actor = None,
        ticket_type: BoardDefault = None,
        priority: Priority = Priority.MEDIUM,
        initial_status: BoardDefault = None,
        assigned_agent_id: AgentId | None = None,
        parent_ticket_id: TicketRef | None = None,
        blocked_by_ticket_ids: Blockers = [],  # noqa: B006 - pydantic copies defaults; the schema shows this one
        tags: Tags = [],  # noqa: B006 - as above
        related_task_ids: TaskIds = [],  # noqa: B006 - as above
        on_duplicate: OnDuplicate = "warn",
    ) -> TicketCreated:
        """File a ticket. First look for an existing one with hybrid_search.

        Refused: unknown type or status, a blocker or parent of another workflow, a blocked
        ticket that would start outside a 'todo' column.
        """
        new = NewTicket(
            title=title,
            description=description,
            ticket_type=ticket_type or "",
            priority=priority,
            initial_status=initial_status or "",
            created_by=self._work.caller.actor(agent_id),
            assigned_agent_id=assigned_agent_id or None,
            parent=parent_ticket_id,
            blocked_by=blocked_by_ticket_ids,
            tags=tags,
            related_task_ids=related_task_ids,
        )
        chosen = self._work.caller.workflow(workflow_id)
        near = await near_in_meaning(self._work, chosen, new.text)
        workflow = await workflow_for_write(self._work, chosen)
        await hold_title(self._work, workflow, title, refuses=on_duplicate == "refuse")
        return await insert_ticket(self._work, workflow, new, near)

    async def update_ticket(
        self,
        *,
        ticket_id: Ref,
        updates: TicketUpdates,
        agent_id: Actor = None,
        update_comment: OptionalComment = "",
        expected_version: ExpectedVersion = None,
        claim_token: ClaimToken = None,
    ) -> TicketUpdated:
        """Change fields. In `updates`, an absent field keeps its value and null clears it.

        tags, blocked_by_ticket_ids and links replace the whole list; add_… and remove_… change
        single entries and cannot undo another agent's. Not for status: use change_status.
        """
        located = await ticket_for_write(self._work, ticket_id)
        patch = Patch(
            updates=updates,
            agent_id=self._work.caller.actor(agent_id),
            comment=update_comment,
            expected_version=expected_version,
            claim_token=claim_token,
        )
        return await patch_ticket(self._work, located, patch)

    async def change_status(
        self,
        *,
        ticket_id: Ref,
        new_status: NewStatus,
        agent_id: Actor = None,
        comment: OptionalComment = "",
        commit_sha: ShaToLink = None,
        allow_unverified: bool = False,
        expected_version: ExpectedVersion = None,
        claim_token: ClaimToken = None,
    ) -> StatusChanged:
        """Move a ticket to another column of its board.

        A blocked ticket stays where it is (the error names its open blockers). A 'done' column
        resolves the ticket and unblocks others; leaving one reopens it.
        """
        wanted = Wanted(
            ticket_id=ticket_id,
            target=lambda board: board.column(new_status),
            decide=lambda board: partial(plan_move, board=board, new_status=new_status),
            agent_id=self._work.caller.actor(agent_id),
            comment=comment,
            comment_type=CommentType.STATUS_CHANGE,
            commit_sha=commit_sha,
            allow_unverified=allow_unverified,
            expected_version=expected_version,
            claim_token=claim_token,
        )
        moved = await carry_out(self._work, wanted)
        return StatusChanged(
            from_status=moved.move.from_status,
            status=moved.move.to_status,
            blocked_tickets=moved.blocked,
            **moved.told,
        )

    async def add_comment(
        self,
        *,
        ticket_id: Ref,
        comment_text: CommentText,
        agent_id: Actor = None,
        comment_type: CommentType = CommentType.GENERAL,
        mentions: Mentioned = [],  # noqa: B006 - as above
        attachments: Attached = [],  # noqa: B006 - as above
    ) -> CommentAdded:
        """Leave a remark on a ticket for other agents and people: findings, questions, hand-over.

        Allowed on resolved and blocked tickets too.
        """
        located = await ticket_for_write(self._work, ticket_id)
        ticket, number = await add_remark(
            self._work,
            located,
            self._work.caller.actor(agent_id),
            text=comment_text,
            kind=comment_type,
            mentions=mentions,
            attachments=attachments,
        )
        return CommentAdded(
            ticket_id=public_id("ticket", ticket.id),
            version=ticket.version,
            comment_id=public_id("comment", number),
        )

    async def get_ticket(
        self,
        *,
        ticket_id: Ref,
        description_from: DescriptionFrom = 0,
        related_from: RelatedFrom = None,
    ) -> TicketDetails:
        """Read one ticket whole: fields, blockers, what it blocks, sub-tickets, links.

        With the latest comments, commits and changes; get_ticket_history has all of them.
        """
        limits = {
            "related": ticket_views.RELATED,
            "related_from": related_from or 0,
            "recent": ticket_views.RECENT if related_from is None else 0,
            "characters": ticket_views.COMMENT_BYTES,
        }
        ticket, around = await ticket_with_surroundings(self._work, ticket_id, limits)
        if related_from is not None:
            return ticket_views.related(ticket, around, related_from)
        return ticket_views.details(ticket, around, description_from)

    async def get_tickets(
        self,
        *,
        workflow_id: WorkflowId | None = None,
        filters: Filters = None,
        limit: Limit = 20,
        offset: Offset = 0,
        cursor: NextCursor = "",
        include_completed: bool = False,
        sort_by: SortBy = "created_at",
        sort_order: SortOrder = "desc",
    ) -> TicketList:
        """List the tickets of a workflow as short summaries; get_ticket has one whole.

        Resolved tickets are left out unless include_completed, or a status or is_resolved filter,
        asks for them.
        """
        workflow = await workflow_for_read(self._work, self._work.caller.workflow(workflow_id))
        page = Page(
            limit=limit,
            offset=offset,
            cursor=cursor,
            sort_by=sort_by,
            sort_order=sort_order,
            include_completed=include_completed,
        )
        return await list_tickets(self._work, workflow, filters or TicketFilters(), page)

    async def assign_ticket(
        self,
        *,
        ticket_id: Ref,
        agent_id: Actor = None,
        assigned_agent_id: Assignee = "",
        expected_version: ExpectedVersion = None,
        claim_token: ClaimToken = None,
    ) -> TicketAssigned:
        """Give a ticket to an agent, or take it yourself. The column stays as it is.

        To unassign, set assigned_agent_id to null with update_ticket.
        """
        located = await ticket_for_write(self._work, ticket_id)
        actor = self._work.caller.actor(agent_id)
        assignee = assigned_agent_id or actor
        before = (await self._work.session.scalars(tickets.lock_ticket(located.id))).one()
        previous = before.assigned_agent_id
        patch = Patch(
            updates=TicketUpdates(assigned_agent_id=assignee),
            agent_id=actor,
            expected_version=expected_version,
            claim_token=claim_token,
        )
        updated = await patch_ticket(self._work, located, patch)
        return TicketAssigned(
            ticket_id=updated.ticket_id,
            version=updated.version,
            assigned_agent_id=assignee,
            previous_agent_id=previous if previous != assignee else None,
        )

    async def link_commit(
        self,
        *,
        ticket_id: Ref,
        commit_sha: Sha,
        agent_id: Actor = None,
        commit_message: CommitMessage = "",
        allow_unverified: bool = False,
    ) -> CommitLinked:
        """Tie a commit to a ticket. Linking it again changes nothing.

        Refused if the repository lacks it, unless allow_unverified.
        """
        actor = self._work.caller.actor(agent_id)
        link = await commit_to_link(
            self._work,
            ticket_id,
            commit_sha,
            message=commit_message,
            allow_unverified=allow_unverified,
        )
        return await add_commit(self._work, ticket_id, actor, link)

    async def resolve_ticket(
        self,
        *,
        ticket_id: Ref,
        agent_id: Actor = None,
        resolution_comment: Resolution = "",
        commit_sha: ShaToLink = None,
        allow_unverified: bool = False,
        expected_version: ExpectedVersion = None,
        claim_token: ClaimToken = None,
    ) -> TicketResolved:
        """Finish a ticket: moves it to the board's first 'done' column.

        unblocked_tickets in the reply are ready to be worked on now. Refused while a blocker is
        open, and when it is already resolved.
        """
        wanted = Wanted(
            ticket_id=ticket_id,
            target=lambda board: board.first(Category.DONE),
            decide=lambda board: partial(plan_resolution, board=board),
            agent_id=self._work.caller.actor(agent_id),
            comment=resolution_comment,
            comment_type=CommentType.RESOLUTION,
            commit_sha=commit_sha,
            allow_unverified=allow_unverified,
            expected_version=expected_version,
            claim_token=claim_token,
        )
        moved = await carry_out(self._work, wanted)
        return TicketResolved(
            status=moved.move.to_status,
            **moved.told,
        )
