from __future__ import annotations

from pathlib import Path

import pytest

from hephaestus_tickets.server.calls import Calls
from tests.exchange.trackers import broken_rules, contents, exported, import_beads, import_own
from tests.services.actors import Sql

TRACKERS = Path(__file__).parents[3] / "shared" / "data" / "dev" / "beads"
FILES = sorted(TRACKERS.glob("*.jsonl.gz"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
async def test_a_real_tracker_comes_in_whole_and_only_once(
    calls: Calls, sql: Sql, tmp_path: Path, path: Path
) -> None:
    first = await import_beads(calls, path)
    refused = sum(tally.count for tally in first.notes["refused"].values())
    assert first.tickets == sql.one("SELECT count(*) FROM tickets") == first.lines - refused
    assert broken_rules(sql) == []
    before = contents(sql)
    second = await import_beads(calls, path)
    assert (second.tickets, second.already_there) == (0, first.tickets)
    assert contents(sql) == before

    copy = tmp_path / "export.jsonl"
    copy.write_bytes(await exported(calls, "imported"))
    await import_own(calls, copy, "copy")
    assert (await exported(calls, "copy")).splitlines()[1:] == copy.read_bytes().splitlines()[1:]
    assert broken_rules(sql) == []
