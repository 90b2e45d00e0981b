"""What writers were told, write by write, and what the database holds of it."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tests.services.actors import Sql
from tests.services.invariants import violations

# Arguments of a call, as JSON.
Arguments = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Where a write's own text goes, and the rows that one transaction makes of it."""

    arguments: Callable[[str], Arguments]
    rows: list[str]


TOOLS = {
    "create_ticket": Tool(arguments=lambda text: {"title": text}, rows=["created"]),
    "change_status": Tool(arguments=lambda text: {"comment": text}, rows=["comment", "status"]),
    "add_comment": Tool(arguments=lambda text: {"comment_text": text}, rows=["comment"]),
    "update_ticket": Tool(
        arguments=lambda text: {
            "updates": {"description": text, "tags": [text]},
            "update_comment": text,
        },
        rows=["comment", "description", "tags"],
    ),
}

_ROWS = """
    SELECT h.xid::text AS xid, h.ticket_id, coalesce(h.field_name, h.change_type) AS row,
           (h.metadata ->> 'version')::bigint AS version,
           CASE WHEN h.change_type = 'created' THEN t.title
                WHEN h.field_name = 'description' THEN h.new_value #>> '{}' END AS said
    FROM ticket_history h JOIN tickets t ON t.id = h.ticket_id
    UNION ALL
    SELECT xmin::text, ticket_id, 'comment', NULL, comment_text FROM ticket_comments
"""
_TRANSACTIONS = f"""
    SELECT max(said), array_agg(row ORDER BY row), array_agg(DISTINCT 'ticket-' || ticket_id),
           max(version)
    FROM ({_ROWS}) rows GROUP BY xid
"""
_WRITTEN_APART = f"""
    SELECT t.id FROM tickets t LEFT JOIN index_jobs j ON j.ticket_id = t.id AND j.xmin = t.xmin
    WHERE j.ticket_id IS NULL
       OR NOT EXISTS (SELECT FROM ({_ROWS}) rows WHERE ticket_id = t.id AND xid = t.xmin::text)
"""


class Outcome(Enum):
    """What a writer knows of a write."""

    OPEN = auto()  # whole or not at all
    ACKNOWLEDGED = auto()
    REFUSED = auto()  # not at all


@dataclass(kw_only=True)
class Write:
    tool: str
    text: str
    began: float
    outcome: Outcome = Outcome.OPEN
    ticket_id: str = ""
    version: int = 0
    refusal: str = ""

    @property
    def refusal_code(self) -> str:
        return self.refusal.partition(":")[0]


@dataclass
class Acknowledgements:
    """Every write of a home, from before it was sent. Used by many threads."""

    writes: dict[str, Write] = field(default_factory=dict[str, Write])
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, tool: str) -> Write:
        text = f"write-{next(self._numbers)}"
        self.writes[text] = Write(tool=tool, text=text, began=time.monotonic())
        return self.writes[text]

    def answered(self, write: Write, result: Any) -> None:  # Any: JSON
        if result["isError"]:
            write.refusal = result["content"][0]["text"]
            if "Nothing was changed" in write.refusal:
                write.outcome = Outcome.REFUSED
        else:
            write.ticket_id = result["structuredContent"]["ticket_id"]
            write.version = result["structuredContent"]["version"]
            write.outcome = Outcome.ACKNOWLEDGED

    def outcomes(self) -> Counter[Outcome]:
        return Counter(write.outcome for write in self.writes.values())

    def faults(self, sql: Sql) -> list[str]:
        """What the database lacks, has twice, has in part, or was never asked for."""
        kept: defaultdict[str, list[_Transaction]] = defaultdict(list)
        for row in sql.rows(_TRANSACTIONS):
            kept[row[0] or "a transaction"].append(_Transaction(*row))
        strange = [f"{text} came from nobody" for text in kept.keys() - self.writes.keys()]
        apart = [f"ticket-{row[0]} was written apart" for row in sql.rows(_WRITTEN_APART)]
        faults = [_fault(write, kept[write.text]) for write in self.writes.values()]
        return [*filter(None, faults), *strange, *apart, *violations(sql, "default")]


@dataclass(frozen=True)
class _Transaction:
    text: str
    rows: list[str]
    tickets: list[str]
    version: int | None


def _fault(write: Write, kept: list[_Transaction]) -> str:
    """Empty where all is as the writer was told."""
    if len(kept) > 1:
        return f"{write} was done {len(kept)} times"
    if not kept:
        return f"{write} is gone" if write.outcome is Outcome.ACKNOWLEDGED else ""
    if write.outcome is Outcome.REFUSED:
        return f"{write} was done all the same"
    if kept[0].rows != TOOLS[write.tool].rows:
        return f"{write} left only {kept[0].rows}"
    return _difference(write, kept[0]) if write.outcome is Outcome.ACKNOWLEDGED else ""


def _difference(write: Write, kept: _Transaction) -> str:
    """A remark alone has no version of its own."""
    told = ([write.ticket_id], write.version if kept.version else None)
    return "" if told == (kept.tickets, kept.version) else f"{write} was kept as {kept}"
