"""What a session says of itself, in the environment or in its hello."""

from __future__ import annotations

import secrets
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.operations import Toolset
from hephaestus_tickets.schemas.types import AgentId, WorkflowId
from hephaestus_tickets.server.calls import Session


class SessionChoice(BaseModel):
    """`AGENT_ID`, `WORKFLOW_ID`, `TOOLSETS`: who a session is and which tools it sees."""

    agent_id: AgentId = Field(
        default="", description="Who this session is; empty: an agent with a name of its own"
    )
    workflow_id: WorkflowId = Field(
        default="default", description="Where a call goes that names none"
    )
    toolsets: Annotated[frozenset[Toolset], NoDecode] = Field(
        default=frozenset({"core"}), description="Which tools are shown: `core`, `plan`, `admin`"
    )

    @field_validator("toolsets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return frozenset(word.strip() for word in value.split(",") if word.strip())

    def session(self) -> Session:
        """A session bound to AGENT_ID, or one with a name of its own."""
        caller = Caller(
            agent_id=self.agent_id or f"agent-{secrets.token_hex(4)}",
            is_bound=bool(self.agent_id),
            default_workflow=self.workflow_id,
        )
        return Session(caller, self.toolsets)


class SessionSettings(SessionChoice, BaseSettings):
    """This process's own."""


def session_of(chosen: dict[str, str]) -> Session:
    """The session that another process's environment describes. Raises SetupError."""
    try:
        return SessionChoice.model_validate(
            {name.lower(): value for name, value in chosen.items()}
        ).session()
    except ValidationError as error:
        raise SetupError(setting_fault(error)) from error


def setting_fault(error: ValidationError, prefix: str = "") -> str:
    faults = [
        f"{_variable(str(detail['loc'][0]), prefix)} ({detail['msg'].lower()})"
        for detail in error.errors()
    ]
    return f"A setting in the environment is not valid: {'; '.join(dict.fromkeys(faults))}."


def _variable(name: str, prefix: str) -> str:
    """A field that has a variable's name of its own is reported by that."""
    return name if name.isupper() else f"{prefix}{name}".upper()
