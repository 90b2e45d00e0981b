from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr, ValidationError

from hephaestus_tickets.adapters.embeddings import (
    Embedder,
    EmbeddingSettings,
    EmbeddingUnavailable,
    Space,
    open_embedder,
)
from hephaestus_tickets.domain.errors import SetupError

LOCAL = Space(provider="local", model="all-MiniLM-L6-v2", dimension=384)
SMALL = Space(provider="openai", model="text-embedding-3-small", dimension=1536)
THERE = Space(provider="openai", model="m", dimension=8, base_url="http://127.0.0.1:1/v1")
SECRET = "sk-not-to-be-told"  # noqa: S105 - the tests look for it in the messages
VARIABLES = [*(f"EMBEDDING_{name}" for name in ("PROVIDER", "MODEL", "DIM", "BASE_URL"))]


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> EmbeddingSettings:
    """As an environment with nothing else says."""
    for name in (*VARIABLES, "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return EmbeddingSettings()


def openai(monkeypatch: pytest.MonkeyPatch, **environment: str) -> EmbeddingSettings:
    return settings(monkeypatch, EMBEDDING_PROVIDER="openai", **environment)


def space_of(embedder: Embedder | None) -> Space | None:
    return embedder.space if embedder else None


def test_without_settings_the_bundled_model_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert space_of(open_embedder(settings(monkeypatch))) == LOCAL


def test_empty_variables_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = settings(monkeypatch, **dict.fromkeys(VARIABLES, ""))
    assert space_of(open_embedder(empty)) == LOCAL


def test_a_key_and_an_address_alone_send_no_text_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = settings(
        monkeypatch,
        OPENAI_API_KEY=SECRET,
        EMBEDDING_BASE_URL=THERE.base_url,
        OPENAI_BASE_URL=THERE.base_url,
    )
    assert space_of(open_embedder(keyed)) == LOCAL
    assert open_embedder(keyed, SMALL) is None
    assert open_embedder(keyed, THERE) is None


def test_none_embeds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    none = settings(monkeypatch, EMBEDDING_PROVIDER="none", OPENAI_API_KEY=SECRET)
    assert open_embedder(none) is None
    assert open_embedder(none, LOCAL) is None


@pytest.mark.parametrize(
    ("model", "dimension"),
    [("", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)],
)
def test_the_dimension_of_openais_models_is_known(
    monkeypatch: pytest.MonkeyPatch, model: str, dimension: int
) -> None:
    opened = open_embedder(openai(monkeypatch, OPENAI_API_KEY=SECRET, EMBEDDING_MODEL=model))
    space = space_of(opened)
    assert space == Space(
        provider="openai", model=model or "text-embedding-3-small", dimension=dimension
    )


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    own = openai(
        monkeypatch,
        EMBEDDING_BASE_URL=f"{THERE.base_url}/",
        EMBEDDING_MODEL="m",
        EMBEDDING_DIM="8",
    )
    assert space_of(open_embedder(own)) == THERE


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "no key": ({}, "OPENAI_API_KEY is empty: set it"),
    "no dimension": (
        {"EMBEDDING_MODEL": "bge-m3", "OPENAI_API_KEY": SECRET},
        "nobody knows how long the vectors of 'bge-m3' are: set EMBEDDING_DIM.",
    ),
    "password": ({"EMBEDDING_BASE_URL": f"http://me:{SECRET}@host/v1"}, "EMBEDDING_BASE_URL must"),
    "query": ({"EMBEDDING_BASE_URL": "http://host/v1?key=1"}, "EMBEDDING_BASE_URL must be"),
    "no scheme": ({"EMBEDDING_BASE_URL": "host:8400/v1"}, "EMBEDDING_BASE_URL must be"),
    "port": ({"EMBEDDING_BASE_URL": "http://host:port/v1"}, "EMBEDDING_BASE_URL must be"),
    "odd key": ({"OPENAI_API_KEY": f"{SECRET}…"}, "OPENAI_API_KEY contains characters"),
    "local model": (
        {"EMBEDDING_PROVIDER": "local", "EMBEDDING_MODEL": "text-embedding-3-small"},
        "leave EMBEDDING_MODEL empty, or set EMBEDDING_PROVIDER to 'openai'",
    ),
    "local dimension": (
        {"EMBEDDING_PROVIDER": "local", "EMBEDDING_DIM": "1536"},
        "EMBEDDING_DIM is 1536, but all-MiniLM-L6-v2 of the provider 'local' makes vectors of 384",
    ),
}


@pytest.mark.parametrize(("environment", "sentence"), REFUSED.values(), ids=REFUSED)
def test_settings_that_contradict_themselves_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    chosen = settings(monkeypatch, **{"EMBEDDING_PROVIDER": "openai", **environment})
    with pytest.raises(SetupError) as refused:
        open_embedder(chosen)
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_setting_of_the_wrong_kind_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(monkeypatch, EMBEDDING_DIM=SECRET)
    assert SECRET not in str(refused.value)


def test_a_stored_space_goes_on_while_its_server_is_the_one_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = openai(monkeypatch, EMBEDDING_BASE_URL=THERE.base_url, EMBEDDING_MODEL="new")
    assert space_of(open_embedder(own, THERE)) == THERE
    assert space_of(open_embedder(own, LOCAL)) == LOCAL


def test_a_key_is_never_sent_to_the_server_of_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keyed = openai(monkeypatch, OPENAI_API_KEY=SECRET)
    assert open_embedder(keyed, THERE) is None
    assert space_of(open_embedder(keyed, SMALL)) == SMALL


def test_a_stored_space_without_its_key_or_its_model_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = openai(monkeypatch, EMBEDDING_BASE_URL=THERE.base_url, EMBEDDING_MODEL="m")
    assert open_embedder(own, SMALL) is None
    other = Space(provider="local", model="another", dimension=256)
    assert open_embedder(own, other) is None


def test_nothing_heavy_is_loaded_before_the_first_text() -> None:
    program = (
        "import sys; from hephaestus_tickets.adapters.embeddings import *; "
        "open_embedder(EmbeddingSettings(provider='local')); "
        "print({'openai', 'onnxruntime', 'tokenizers', 'numpy'} & sys.modules.keys())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout == b"set()\n"


def test_settings_are_made_by_name_too() -> None:
    made = EmbeddingSettings(provider="openai", api_key=SecretStr(f" {SECRET}\n"))
    assert made.key() == SECRET
    assert SECRET not in repr(made)


def test_spaces_differ_in_name_and_key_by_each_of_their_parts() -> None:
    spaces = [
        LOCAL,
        SMALL,
        THERE,
        Space(provider="openai", model="text-embedding-3-small", dimension=512),
        Space(provider="openai", model="m", dimension=8, base_url="http://127.0.0.1:2/v1"),
    ]
    assert len({space.name for space in spaces}) == len({space.key for space in spaces}) == 5
    assert LOCAL.name == "local/all-MiniLM-L6-v2/384"
    # Collections bear it: it may never change.
    assert LOCAL.key == "b2b816458a77"


def test_a_refusal_says_how_long_to_wait() -> None:
    assert str(EmbeddingUnavailable("it rests", retry_after=1.2)) == (
        "Texts cannot be embedded: it rests. Wait 2 seconds and try again."
    )
