"""Who is calling, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass

from hephaestus_tickets.domain.errors import Forbidden, Invalid, NotFound
from hephaestus_tickets.domain.text import comma_list


class AgentMismatch(Forbidden):
    def __init__(self, bound_to: str, named: str) -> None:
        self.bound_to = bound_to
        super().__init__(
            f"This session belongs to the agent '{bound_to}' and cannot act as '{named}'. "
            "Leave agent_id out."
        )


class WorkflowRequired(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "This session has no default workflow: name one in workflow_id "
            "(list_workflows shows them)."
        )


class WorkflowNotFound(NotFound):
    def __init__(self, workflow_id: str, known: list[str]) -> None:
        self.workflow_id = workflow_id
        self.known = tuple(known)
        ways = f"Known workflows: {comma_list(known)}." if known else "There is none yet."
        super().__init__(f"There is no workflow '{workflow_id}'. {ways}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The agent behind a call; `workflows` is None where all of them are visible.

    `session` tells one conversation of an agent from its others; empty where that is not known.
    """

    agent_id: str
    session: str = ""
    is_bound: bool = False
    default_workflow: str = "default"
    workflows: frozenset[str] | None = None
    principal: str = ""  # whose idempotency keys; empty: the acting agent's

    def actor(self, named: str | None) -> str:
        """The agent who acts: the one named, or the session's own."""
        if not named:
            return self.agent_id
        if self.is_bound and named != self.agent_id:
            raise AgentMismatch(self.agent_id, named)
        return named

    def workflow(self, named: str | None) -> str:
        """The workflow meant: the one named, or the session's default."""
        chosen = named or self.default_workflow
        if not chosen:
            raise WorkflowRequired
        return chosen
