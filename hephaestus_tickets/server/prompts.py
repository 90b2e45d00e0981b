"""Prompts: what a person picks from a client's menu to set an agent to work."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from hephaestus_tickets.server.calls import Session

TicketRef = Annotated[str, Field(description="The ticket's id, for example ticket-12")]
Report = Annotated[str, Field(description="What goes wrong, in any words")]
Goal = Annotated[str, Field(description="What the feature should do")]


def add_prompts(server: MCPServer[Session]) -> None:
    server.prompt(title="Work on a ticket", description="Take a ticket and see it through.")(
        work_on_ticket
    )
    server.prompt(title="File a bug", description="Turn a report into one good bug ticket.")(
        file_bug
    )
    server.prompt(
        title="Plan a feature", description="Break a feature into tickets with blockers."
    )(plan_feature)


def work_on_ticket(ticket_id: TicketRef) -> str:
    return f"""\
Work on {ticket_id}.
1. Take it with claim_ticket. If that is refused, explain_ticket says why: tell it and stop.
2. Read what the claim answers: how its blockers were resolved, and what whoever had it before left.
3. Do the work. Leave what others need to know with add_comment as you find it, and link each \
commit with link_commit.
4. When it is done, call resolve_ticket and say in resolution_comment what was done and how it \
was checked. Name the tickets it unblocked. If you cannot finish it, call release_claim with a \
hand_over."""


def file_bug(report: Report) -> str:
    return f"""\
File a bug for this report:

{report}

First look for an existing ticket with hybrid_search; if there is one, add what is new to it with \
add_comment instead. Otherwise call create_ticket with ticket_type 'bug', a title that names the \
symptom, and a description with the steps, what was expected, what happened, and where."""


def plan_feature(goal: Goal) -> str:
    return f"""\
Plan this feature as tickets:

{goal}

Read the board with get_board_config and the open tickets with get_tickets. Create one parent \
ticket for the feature, then sub-tickets (parent_ticket_id) that one agent can finish in one \
sitting (create_tickets, if you have it, takes all of them at once). Where one needs another \
first, name that one in blocked_by_ticket_ids, so that what can \
be started is what is not blocked. End with the list of tickets in the order of work."""
