"""Doctor looks at the repositories that are to be read."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from tests.local.commands import lead_to, say


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("GIT_ROOTS=/nowhere/at/all", "a root is not there"),
        ("GIT_REPOSITORY=/etc", "it is not a git repository"),
    ],
)
def test_it_says_which_repositories_cannot_be_read(
    database_url: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    told: str,
) -> None:
    lead_to(database_url, monkeypatch)
    monkeypatch.setenv(*setting.split("="))
    status, out, _ = say(capsys, "doctor")
    assert status == 1
    assert f"FAIL git: {told}\n     mend: " in out


def test_it_says_nothing_of_repositories_where_none_are_read(
    database_url: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_to(database_url, monkeypatch)
    for name in ("GIT_ROOTS", "GIT_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    status, out, _ = say(capsys, "doctor")
    assert status == 0
    assert " git: " not in out
