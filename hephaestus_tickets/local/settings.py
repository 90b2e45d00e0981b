"""What the environment says of the embedded mode."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hephaestus_tickets.local.endpoint import absolute, default_home


def environment() -> dict[str, str]:
    return dict(os.environ)


def _default_home() -> Path:
    return Path(default_home(environment()))


class HomeSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="HEPHAESTUS_", env_ignore_empty=True)

    home: Path = Field(
        default_factory=_default_home,
        description=(
            "Where the embedded PostgreSQL lives; else the platform's directory for user data, "
            "as root `/var/lib/hephaestus-tickets`"
        ),
    )

    @field_validator("home")
    @classmethod
    def _whole(cls, home: Path) -> Path:
        return Path(absolute(str(home)))


class LocalServerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="HEPHAESTUS_", env_ignore_empty=True)

    idle_seconds: float = Field(
        default=900,
        gt=0,
        allow_inf_nan=False,
        description="How long a local server that started by itself stays without a connection",
    )
