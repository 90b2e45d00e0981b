"""Snapshots: what is advertised and said is kept in files, and changes only on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).with_name("snapshots")
Keeps = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="Write the snapshots anew.")


@pytest.fixture
def keeps(request: pytest.FixtureRequest) -> Keeps:
    """Fails where a text differs from its snapshot; with --accept the snapshot is written."""
    # Without this folder on the command line pytest meets the option too late to know it.
    accept = bool(request.config.getoption("--accept", default=False))

    def keeps(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if accept:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        kept = path.read_text() if path.exists() else ""
        assert text == kept, (
            f"{name} differs from its snapshot. If that is what you want: "
            "uv run pytest tests/contract --accept"
        )

    return keeps
