"""Workflows, their boards, and the agents seen."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    PrimaryKeyConstraint,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from hephaestus_tickets.models.declarative import CLOCK, Base


class WorkflowRow(Base):
    __tablename__ = "workflows"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_workflows"),
        UniqueConstraint("workflow_id", name="uq_workflows_workflow_id"),
        CheckConstraint(
            "status IN ('active', 'paused', 'completed', 'archived')", name="ck_workflows_status"
        ),
        CheckConstraint(
            "char_length(workflow_id) BETWEEN 1 AND 100", name="ck_workflows_workflow_id"
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    workflow_id: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class BoardRow(Base):
    __tablename__ = "board_configs"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="pk_board_configs"),
        UniqueConstraint("workflow_id", name="uq_board_configs_workflow_id"),
        ForeignKeyConstraint(
            ["workflow_id"], ["workflows.workflow_id"], name="fk_board_configs_workflow_id"
        ),
    )
    id: Mapped[int] = mapped_column(Identity(always=True))
    workflow_id: Mapped[str]
    name: Mapped[str]
    columns: Mapped[list[dict[str, Any]]]  # Any: JSON
    ticket_types: Mapped[list[str]]
    default_ticket_type: Mapped[str]
    initial_status: Mapped[str]
    settings: Mapped[dict[str, Any]]  # Any: JSON
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    updated_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


class AgentRow(Base):
    __tablename__ = "agents"
    __table_args__ = (PrimaryKeyConstraint("agent_id", name="pk_agents"),)
    agent_id: Mapped[str]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    last_seen_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
