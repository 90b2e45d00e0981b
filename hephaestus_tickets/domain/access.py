"""What the holder of a token may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hephaestus_tickets.domain.errors import Conflict, Forbidden, NotFound
from hephaestus_tickets.domain.text import comma_list, one_line


class Access(StrEnum):
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, *, reads: bool, is_for_administrators: bool) -> bool:
        """Whoever may administer may write, whoever may write may read."""
        if is_for_administrators:
            return self is Access.ADMIN
        return reads or self is not Access.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that was found to be good: what it is called, and what it opens."""

    token: int
    name: str
    access: Access
    agent_id: str | None
    workflows: frozenset[str] | None


class AccessDenied(Forbidden):
    def __init__(self, operation: str, access: Access) -> None:
        self.operation = operation
        super().__init__(
            f"The token in use may only {access}: it does not allow {operation}. "
            "Use a token with more access (an operator makes one with "
            "`hephaestus-tickets token create`)."
        )


class TokenNotFound(NotFound):
    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        there = f"Use one of: {comma_list(known)}." if known else "Create one first."
        super().__init__(f"There is no token '{one_line(name, 100)}' in use. {there}")


class TokenNameTaken(Conflict):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"A token '{one_line(name, 100)}' is in use already. Choose another name, or revoke "
            "that one first."
        )
