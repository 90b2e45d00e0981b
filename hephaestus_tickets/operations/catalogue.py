"""The catalogue: every operation once. MCP tools and REST routes are derived from it."""

from __future__ import annotations

from collections.abc import Collection

from hephaestus_tickets.domain.claims import NothingReady
from hephaestus_tickets.domain.errors import NotFound
from hephaestus_tickets.domain.text import comma_list, quotable
from hephaestus_tickets.operations.operation import Operation, Toolset
from hephaestus_tickets.services.board_service import BoardService
from hephaestus_tickets.services.claim_service import ClaimService
from hephaestus_tickets.services.commit_service import CommitService
from hephaestus_tickets.services.plan_service import PlanService
from hephaestus_tickets.services.ticket_history_service import TicketHistoryService
from hephaestus_tickets.services.ticket_search_service import TicketSearchService
from hephaestus_tickets.services.ticket_service import TicketService


class UnknownTool(NotFound):
    """`choose` says how toolsets are chosen where it was called."""

    def __init__(self, name: str, shown: Collection[str], choose: str = "set TOOLSETS") -> None:
        self.name = name
        hidden = next((each for each in OPERATIONS if each.name == name), None)
        way = (
            f"It belongs to the toolset '{hidden.toolset}': {choose} to show it."
            if hidden
            else f"Use one of: {comma_list(shown)}."
        )
        super().__init__(f"This session has no tool '{quotable(name)}'. {way}")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        service=TicketService,
        method=TicketService.create_ticket,
        verb="POST",
        path="/tickets/create",
        guards_repeats=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.get_ticket,
        verb="GET",
        path="/tickets/{ticket_id}",
        kind="read",
    ),
    Operation(
        service=TicketService,
        method=TicketService.get_tickets,
        verb="GET",
        path="/tickets/get",
        kind="read",
    ),
    Operation(
        service=TicketService,
        method=TicketService.update_ticket,
        verb="POST",
        path="/tickets/update",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.change_status,
        verb="POST",
        path="/tickets/change-status",
        is_destructive=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.assign_ticket,
        verb="POST",
        path="/tickets/assign",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.add_comment,
        verb="POST",
        path="/tickets/comment",
        guards_repeats=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.link_commit,
        verb="POST",
        path="/tickets/link-commit",
        is_idempotent=True,
    ),
    Operation(
        service=TicketService,
        method=TicketService.resolve_ticket,
        verb="POST",
        path="/tickets/resolve",
        is_destructive=True,
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.get_ticket_history,
        verb="GET",
        path="/tickets/{ticket_id}/history",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.get_board_config,
        verb="GET",
        path="/tickets/board-config/{workflow_id}",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.list_workflows,
        verb="GET",
        path="/workflows",
        kind="read",
    ),
    Operation(
        service=BoardService,
        method=BoardService.configure_board,
        verb="POST",
        path="/tickets/board-config",
        toolset="admin",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.record_change,
        verb="POST",
        path="/tickets/record-change",
        toolset="admin",
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.record_status_transition,
        verb="POST",
        path="/tickets/record-status-transition",
        toolset="admin",
    ),
    Operation(
        service=TicketHistoryService,
        method=TicketHistoryService.link_commit,
        verb="POST",
        path="/tickets/record-commit-link",
        toolset="admin",
        is_idempotent=True,
        renamed="record_commit_link",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.hybrid_search,
        verb="POST",
        path="/tickets/search",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.semantic_search,
        verb="POST",
        path="/tickets/search/semantic",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.search_by_keywords,
        verb="POST",
        path="/tickets/search/keywords",
        kind="read",
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.index_ticket,
        verb="POST",
        path="/tickets/index",
        toolset="admin",
        is_idempotent=True,
    ),
    Operation(
        service=TicketSearchService,
        method=TicketSearchService.reindex_ticket,
        verb="POST",
        path="/tickets/reindex",
        toolset="admin",
        is_idempotent=True,
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.get_ready_tickets,
        verb="GET",
        path="/tickets/ready",
        kind="read",
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.explain_ticket,
        verb="GET",
        path="/tickets/{ticket_id}/explain",
        kind="read",
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.claim_ticket,
        verb="POST",
        path="/tickets/claim",
        waits_out=NothingReady,
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.renew_claim,
        verb="POST",
        path="/tickets/renew-claim",
        is_idempotent=True,
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.release_claim,
        verb="POST",
        path="/tickets/release-claim",
        is_destructive=True,
    ),
    Operation(
        service=ClaimService,
        method=ClaimService.force_release,
        verb="POST",
        path="/tickets/force-release",
        toolset="admin",
        is_destructive=True,
    ),
    Operation(
        service=PlanService,
        method=PlanService.create_tickets,
        verb="POST",
        path="/tickets/create-many",
        toolset="plan",
        guards_repeats=True,
    ),
    Operation(
        service=PlanService,
        method=PlanService.update_tickets,
        verb="POST",
        path="/tickets/update-many",
        toolset="plan",
        is_destructive=True,
        is_idempotent=True,
    ),
    Operation(
        service=PlanService,
        method=PlanService.resolve_tickets,
        verb="POST",
        path="/tickets/resolve-many",
        toolset="plan",
        is_destructive=True,
    ),
    Operation(
        service=CommitService,
        method=CommitService.get_commit_diff,
        verb="GET",
        path="/tickets/commit-diff/{commit_sha}",
        kind="read",
    ),
    Operation(
        service=CommitService,
        method=CommitService.scan_commits,
        verb="POST",
        path="/tickets/scan-commits",
        toolset="plan",
        is_destructive=True,
        is_idempotent=True,
    ),
)


def operations_of(toolsets: frozenset[Toolset]) -> list[Operation]:
    return [operation for operation in OPERATIONS if operation.toolset in toolsets]
