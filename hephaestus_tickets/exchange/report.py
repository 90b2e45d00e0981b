"""What an import did, counted per reason, with examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from hephaestus_tickets.domain.text import comma_list, one_line

Verdict = Literal["mapped", "repaired", "dropped", "refused"]
EXAMPLES = 3
REASONS = 200
HEADINGS: dict[Verdict, str] = {
    "mapped": "Mapped to the nearest thing there is",
    "repaired": "Repaired",
    "dropped": "Dropped",
    "refused": "Lines that are not tickets",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that did not go over as it was."""

    verdict: Verdict
    reason: str
    example: str


@dataclass(slots=True)
class Tally:
    count: int = 0
    examples: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Report:
    """Grows while an import runs."""

    workflow_id: str
    created_workflow: bool = False
    new_types: list[str] = field(default_factory=list[str])
    lines: int = 0
    tickets: int = 0
    already_there: int = 0
    newer_in_file: int = 0
    blockers: int = 0
    parents: int = 0
    links: int = 0
    comments: int = 0
    notes: dict[Verdict, dict[str, Tally]] = field(
        default_factory=lambda: {verdict: {} for verdict in HEADINGS}
    )

    @property
    def holds_none(self) -> bool:
        """Whether the file held no ticket at all."""
        return self.tickets == 0 and self.already_there == 0

    def add(self, notes: Iterable[Note]) -> None:
        for note in notes:
            reasons = self.notes[note.verdict]
            reason = one_line(note.reason, 200)
            if reason not in reasons and len(reasons) >= REASONS:
                reason = "other"
            tally = reasons.setdefault(reason, Tally())
            tally.count += 1
            if len(tally.examples) < EXAMPLES:
                tally.examples.append(one_line(note.example, 80))

    def lines_of_text(self) -> list[str]:
        """The report as a person reads it."""
        text = [*self._summary()]
        for verdict, heading in HEADINGS.items():
            reasons = self.notes[verdict]
            if not reasons:
                continue
            text += ["", f"{heading}:"]
            ranked = sorted(reasons.items(), key=lambda item: -item[1].count)
            text += [_line(reason, tally) for reason, tally in ranked]
        return text

    def _summary(self) -> Iterable[str]:
        new = " (new)" if self.created_workflow else ""
        yield f"Workflow '{self.workflow_id}'{new}: {self.tickets:,} tickets imported."
        if self.already_there:
            newer = f"; {self.newer_in_file:,} of them are newer in the file"
            yield (
                f"{self.already_there:,} were already there and were left as they are"
                f"{newer if self.newer_in_file else ''}."
            )
        if self.new_types:
            yield f"The board learned the types {comma_list(self.new_types)}."
        if not self.tickets:
            return
        yield (
            f"With {self.blockers:,} blockers, {self.parents:,} parents, {self.links:,} links "
            f"and {self.comments:,} comments, from {self.lines:,} lines."
        )


def _line(reason: str, tally: Tally) -> str:
    more = ", …" if tally.count > len(tally.examples) else ""
    return f"  {tally.count:>7,}  {reason} ({', '.join(tally.examples)}{more})"
