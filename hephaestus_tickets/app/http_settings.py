"""HTTP as the environment has it: where it listens, and who may come."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hephaestus_tickets.domain.errors import SetupError

_LOCAL = ("localhost", "127.0.0.1", "[::1]")

Names = Annotated[tuple[str, ...], NoDecode]


class HttpSettings(BaseSettings):
    """`HTTP_…`: the doors for clients that speak HTTP."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", description="The address to listen on")
    port: int = Field(
        default=0, ge=0, le=65535,
        description="The port; 0: none in embedded mode, 8420 in server mode",
    )  # fmt: skip
    hosts: Names = Field(
        default=(), description="Names under which clients reach it, beside its own address"
    )
    origins: Names = Field(default=(), description="Origins of web pages that may call it")
    stateful: bool = Field(
        default=False,
        description="Keep an MCP session between requests, answer as event streams; needs affinity",
    )
    session_idle_seconds: float = Field(
        default=1_800, ge=1, description="When an MCP session that nobody uses is ended"
    )
    streams: int = Field(
        default=100, ge=1, description="How many event streams may be open at once"
    )
    tls_cert: Path | None = Field(default=None, description="Its certificate chain, PEM")
    tls_key: Path | None = Field(
        default=None, validate_default=True, description="The key of the certificate, PEM"
    )
    behind_proxy: bool = Field(
        default=False, description="A proxy in front of it speaks TLS and passes Host on"
    )

    @field_validator("hosts", "origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())

    @field_validator("tls_key")
    @classmethod
    def _with_its_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert") is None):
            raise ValueError("goes with HTTP_TLS_CERT: set both or none")
        return value

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def refuse_open(self, *, has_tokens: bool) -> None:
        """Raises SetupError where anybody on the network could come in, or listen."""
        if self.is_loopback:
            return
        if not has_tokens:
            raise SetupError(
                f"HTTP on {self.host} would be open to everybody who reaches it: make a token "
                "first (`hephaestus-tickets token create`), or listen on 127.0.0.1."
            )
        if self.tls_cert is None and not self.behind_proxy:
            raise SetupError(
                f"HTTP on {self.host} would send tokens in clear: set HTTP_TLS_CERT and "
                "HTTP_TLS_KEY, or HTTP_BEHIND_PROXY=true where a proxy speaks TLS."
            )

    def known_hosts(self) -> tuple[str, ...]:
        own = f"[{self.host}]" if ":" in self.host else self.host
        return tuple(_with_ports({*_LOCAL, own, *self.hosts}))

    def known_origins(self) -> tuple[str, ...]:
        local = [f"{scheme}://{name}" for scheme in ("http", "https") for name in _LOCAL]
        return tuple(_with_ports({*local, *self.origins}))


def _with_ports(names: Iterable[str]) -> Iterable[str]:
    for name in sorted(names):
        yield name
        yield f"{name}:*"
