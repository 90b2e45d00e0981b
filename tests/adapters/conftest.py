from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all other tests are told of embeddings is not for those that are about them."""
    monkeypatch.delenv("EMBEDDING_PROVIDER", raising=False)
