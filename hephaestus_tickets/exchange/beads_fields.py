"""One beads issue, field by field: each read as what it should be, each repair noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from hephaestus_tickets.exchange.cleaning import (
    AGENT_AT_MOST,
    clean_line,
    clean_text,
    parsed_moment,
)
from hephaestus_tickets.exchange.report import Note, Verdict

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class IssueFields:
    """The fields of one JSON object; `example` names the issue in every note."""

    values: Fields
    example: str
    notes: list[Note] = field(default_factory=list[Note])
    _noted: set[str] = field(default_factory=set[str])

    def note(self, verdict: Verdict, reason: str) -> None:
        self.notes.append(Note(verdict, reason, self.example))

    def _note_once(self, verdict: Verdict, reason: str) -> None:
        """A field may be read several times; what is wrong with it counts once."""
        if reason not in self._noted:
            self._noted.add(reason)
            self.note(verdict, reason)

    def text(self, name: str) -> str:
        """The field as storable text; numbers are taken as they are written."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return ""
        if isinstance(value, int | float):
            return str(value)
        if not isinstance(value, str):
            self._note_once("dropped", f"'{name}' is not text")
            return ""
        cleaned = clean_text(value)
        if cleaned != value:
            self._note_once("repaired", f"control characters taken out of '{name}'")
        return cleaned

    def agent(self, name: str) -> str:
        """The field as an agent's id; empty where there is none."""
        written = self.text(name)
        cleaned = clean_line(written, AGENT_AT_MOST)
        if cleaned != written.strip():
            self._note_once("repaired", f"'{name}' made one printable line of {AGENT_AT_MOST}")
        return cleaned

    def moment(self, name: str) -> datetime | None:
        value = self.values.get(name)
        if value in (None, ""):
            return None
        moment = parsed_moment(value)
        if moment is None:
            self._note_once("repaired", f"'{name}' is zero or not a time")
        return moment

    def objects(self, name: str) -> Iterator[IssueFields]:
        """The objects of a list; whatever else is in it is dropped."""
        for value in self.sequence(name):
            if isinstance(value, dict):
                # JSON: names are text, each value is checked where it is read.
                yield IssueFields(cast("Fields", value), self.example, self.notes)
            else:
                self.note("dropped", f"an entry of '{name}' is not an object")

    def sequence(self, name: str) -> list[object]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._note_once("dropped", f"'{name}' is not a list")
            return []
        return cast("list[object]", value)  # JSON: each entry is checked where it is read
