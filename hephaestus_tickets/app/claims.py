"""How long claims hold."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hephaestus_tickets.domain.claims import Leases


class ClaimSettings(BaseSettings):
    """`CLAIM_…`: the time an agent has for a ticket before it is anybody's again."""

    model_config = SettingsConfigDict(env_prefix="CLAIM_", env_ignore_empty=True)

    lease_seconds: int = Field(
        default=900, ge=1, description="How long a claim holds that does not say; writes renew it"
    )
    shortest_seconds: int = Field(
        default=10, ge=1, description="The shortest claim that may be asked for"
    )
    longest_seconds: int = Field(default=86_400, ge=1, le=31_536_000, description="The longest one")

    @model_validator(mode="after")
    def _in_order(self) -> ClaimSettings:
        if not self.shortest_seconds <= self.lease_seconds <= self.longest_seconds:
            raise ValueError("must be SHORTEST_SECONDS <= LEASE_SECONDS <= LONGEST_SECONDS")
        return self

    def leases(self) -> Leases:
        return Leases(
            usual=self.lease_seconds,
            shortest=self.shortest_seconds,
            longest=self.longest_seconds,
        )
