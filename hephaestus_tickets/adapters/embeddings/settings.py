"""What the environment says of embeddings."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from hephaestus_tickets.adapters.embeddings.minilm import LOCAL_SPACE
from hephaestus_tickets.adapters.embeddings.space import Space
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import quotable

# What OpenAI's own models make unless they are asked for less.
DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
_DEFAULT_MODEL = "text-embedding-3-small"
# Servers of one's own ask for none, but a client sends one.
_NO_KEY = "no-key"


class EmbeddingSettings(BaseSettings):
    """`EMBEDDING_…` and `OPENAI_API_KEY`; texts leave only where the provider is `openai`."""

    model_config = SettingsConfigDict(
        env_prefix="EMBEDDING_",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    provider: Literal["local", "openai", "none"] = Field(
        default="local",
        description=(
            "Who embeds texts: `local` (the bundled model), `openai` (OpenAI or any compatible "
            "server; alone sends texts anywhere), `none` (no semantic search)"
        ),
    )
    model: str = Field(
        default="",
        description=(
            f"The model; empty: `{LOCAL_SPACE.model}`, the only one of `local`, or "
            f"`{_DEFAULT_MODEL}` of `openai`"
        ),
    )
    dim: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="How long its vectors are; needed for models that are not OpenAI's",
    )
    base_url: str = Field(
        default="",
        description="Where the `openai` provider is, such as `http://127.0.0.1:8400/v1`; "
        "empty: OpenAI itself",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="OPENAI_API_KEY",
        description="The `openai` provider's key; a server of your own may need none",
    )

    def space(self) -> Space | None:
        """The space these settings ask for; None for no embeddings. Raises SetupError."""
        if self.provider == "none":
            return None
        return self._local_space() if self.provider == "local" else self._openai_space()

    def reaches(self, space: Space) -> bool:
        """Whether texts may go, with this key, to the server that made the vectors of a space."""
        # The key belongs to the present server: it is not for the one of another time.
        return (
            self.provider == space.provider == "openai"
            and self._address() == space.base_url
            and bool(space.base_url or self._secret())
        )

    def key(self) -> str:
        """What is sent as the key. Raises SetupError."""
        secret = self._secret()
        if not (secret.isascii() and secret.isprintable()):
            raise SetupError(
                "OPENAI_API_KEY contains characters that cannot be sent: set it to the key alone."
            )
        return secret or _NO_KEY

    def _local_space(self) -> Space:
        if self.model not in {"", LOCAL_SPACE.model}:
            raise SetupError(
                f"EMBEDDING_MODEL is '{quotable(self.model)}', but the only model of the provider "
                f"'local' is {LOCAL_SPACE.model}: leave EMBEDDING_MODEL empty, or set "
                "EMBEDDING_PROVIDER to 'openai' for a server that has it."
            )
        if self.dim not in {None, LOCAL_SPACE.dimension}:
            raise SetupError(
                f"EMBEDDING_DIM is {self.dim}, but {LOCAL_SPACE.model} of the provider 'local' "
                f"makes vectors of {LOCAL_SPACE.dimension}: leave EMBEDDING_DIM empty."
            )
        return LOCAL_SPACE

    def _openai_space(self) -> Space:
        address = self._address()
        if not address and not self._secret():
            raise SetupError(
                "EMBEDDING_PROVIDER is 'openai', but OPENAI_API_KEY is empty: set it, or set "
                "EMBEDDING_BASE_URL to a server that needs none."
            )
        model = self.model or _DEFAULT_MODEL
        dimension = self.dim or DIMENSIONS.get(model)
        if dimension is None:
            raise SetupError(
                f"EMBEDDING_DIM is empty, and nobody knows how long the vectors of "
                f"'{quotable(model)}' are: set EMBEDDING_DIM."
            )
        return Space(provider="openai", model=model, dimension=dimension, base_url=address)

    def _secret(self) -> str:
        return self.api_key.get_secret_value().strip()

    def _address(self) -> str:
        address = self.base_url.strip().rstrip("/")
        if address and not _is_plain(address):
            raise SetupError(
                "EMBEDDING_BASE_URL must be an address like http://127.0.0.1:8400/v1, without a "
                "user's name, password or query in it; a key goes into OPENAI_API_KEY."
            )
        return address


def _is_plain(address: str) -> bool:
    try:
        parts = urlsplit(address)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not parts.query
        and not parts.fragment
        and address.isprintable()
        and " " not in address
    )
