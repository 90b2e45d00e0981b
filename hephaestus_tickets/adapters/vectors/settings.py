"""Where a Qdrant of one's own is."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class QdrantSettings(BaseSettings):
    """`QDRANT_…`: a Qdrant server of your own; without QDRANT_URL the embedded engine is used."""

    model_config = SettingsConfigDict(
        env_prefix="QDRANT_", env_ignore_empty=True, hide_input_in_errors=True
    )

    url: str = Field(
        default="",
        description=(
            "A Qdrant server of your own, such as `http://127.0.0.1:6333` (which is the port if "
            "none is said); empty: the embedded one, or none where DB_HOST is set"
        ),
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="Its API key, if it asks for one")

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        parts = urlsplit(url.strip())
        if url and not (parts.scheme in {"http", "https"} and parts.hostname and _port(url)):
            raise ValueError("it must be an address like http://127.0.0.1:6333")
        if parts.username or parts.password or parts.query:
            raise ValueError("it must hold no name, password or query; QDRANT_API_KEY is for a key")
        return url.strip().rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr) -> SecretStr:
        secret = key.get_secret_value().strip()
        if not (secret.isascii() and secret.isprintable()):
            raise ValueError("it has characters that cannot be sent: set it to the key alone")
        return SecretStr(secret)


def _port(url: str) -> int:
    """Raises ValueError where what stands for it is no port."""
    return urlsplit(url).port or 6333
