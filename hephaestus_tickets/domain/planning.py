"""A plan: many new tickets whose edges name each other, judged as one, every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hephaestus_tickets.domain.blockers import arrows
from hephaestus_tickets.domain.board import Board, Column
from hephaestus_tickets.domain.changes import BLOCKERS_AT_MOST, TAGS_AT_MOST, check_count
from hephaestus_tickets.domain.errors import Invalid, TicketError
from hephaestus_tickets.domain.ids import parse_id
from hephaestus_tickets.domain.lifecycle import plan_start
from hephaestus_tickets.domain.text import comma_list, one_line

# So many faults, each of so many characters, fit a reply in any script.
FAULTS_TOLD = 40
FAULT_CHARACTERS = 300
_NAMES_TOLD = 5

# A fault with the place in the call of the ticket that it is about.
Fault = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the rules need of one planned ticket; its edges are names as they were given."""

    ref: str = ""
    ticket_type: str = ""
    initial_status: str = ""
    parent: str | None = None
    blocked_by: Sequence[str] = ()
    tags: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.blocked_by, *([self.parent] if self.parent else [])]))


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What a name means: an existing ticket's number, or a new one's place in the call."""

    number: int
    is_new: bool = False
    is_resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a plan is laid on: the board, the existing tickets it names, the tickets in the way.

    `standing` counts those in each wanted column that has a limit.
    """

    board: Board
    known: Mapping[str, End]
    foreign: frozenset[str]
    standing: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How one ticket of a plan begins."""

    column: Column
    parent: End | None
    blockers: Sequence[End]

    @property
    def open_blockers(self) -> int:
        return sum(not blocker.is_resolved for blocker in self.blockers)


class InvalidPlan(Invalid):
    def __init__(self, faults: Sequence[str], count: int) -> None:
        self.faults = tuple(faults)
        told = (one_line(fault, FAULT_CHARACTERS) for fault in self.faults)
        super().__init__(
            f"This plan of {count} tickets cannot stand (faults: {len(self.faults)}). "
            f"{comma_list(told, FAULTS_TOLD, '; ')}. Nothing was created. "
            "Put that right and send the whole plan again."
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The entries with what each of their names means."""

    entries: Sequence[Entry]
    ground: Ground
    ends: Mapping[str, End]

    @classmethod
    def of(cls, entries: Sequence[Entry], ground: Ground) -> _Plan:
        """A ref of the call goes before an original id; of two alike the first is meant."""
        places = reversed(list(enumerate(entries)))
        refs = {entry.ref: End(number=place, is_new=True) for place, entry in places if entry.ref}
        return cls(entries, ground, {**ground.known, **refs})

    def blockers(self, entry: Entry) -> list[End]:
        ends = (self.ends[name] for name in entry.blocked_by if name in self.ends)
        return list(dict.fromkeys(ends))

    def parent(self, entry: Entry) -> End | None:
        return self.ends.get(entry.parent or "")

    def start(self, entry: Entry) -> Start:
        blockers = self.blockers(entry)
        is_blocked = not all(blocker.is_resolved for blocker in blockers)
        column = plan_start(self.ground.board, entry.initial_status, is_blocked=is_blocked)
        return Start(column=column, parent=self.parent(entry), blockers=blockers)

    def label(self, place: int) -> str:
        ref = self.entries[place].ref
        return f"tickets[{place}] '{ref}'" if ref else f"tickets[{place}]"


def laid_out(entries: Sequence[Entry], ground: Ground) -> list[Start]:
    """How each ticket begins, in the order given. Raises InvalidPlan with every fault."""
    plan = _Plan.of(entries, ground)
    faults = [
        *_ref_faults(plan),
        *_name_faults(plan),
        *_self_faults(plan),
        *_cycle_faults(plan),
        *_entry_faults(plan),
        *_room_faults(plan),
    ]
    if faults:
        faults.sort(key=lambda fault: fault[0])
        told = [f"{plan.label(place)}: {text}" for place, text in faults]
        raise InvalidPlan(told, len(entries))
    return [plan.start(entry) for entry in entries]


def _ref_faults(plan: _Plan) -> Iterator[Fault]:
    for place, entry in enumerate(plan.entries):
        if not entry.ref:
            continue
        if parse_id("ticket", entry.ref) is not None:
            yield place, "this ref reads like a ticket id: give it a name with a letter in it"
        first = plan.ends[entry.ref].number
        if first != place:
            yield place, f"tickets[{first}] has this ref already"


def _name_faults(plan: _Plan) -> Iterator[Fault]:
    for place, entry in enumerate(plan.entries):
        strange = [name for name in entry.names if name not in plan.ends]
        foreign = [name for name in strange if name in plan.ground.foreign]
        unknown = [name for name in strange if name not in plan.ground.foreign]
        if foreign:
            yield place, f"names of another workflow: {_quoted(foreign)}"
        if unknown:
            yield place, f"names of neither a ref here nor a ticket: {_quoted(unknown)}"


def _quoted(names: Sequence[str]) -> str:
    return comma_list((f"'{one_line(name, 40)}'" for name in names), _NAMES_TOLD)


def _self_faults(plan: _Plan) -> Iterator[Fault]:
    for place, entry in enumerate(plan.entries):
        itself = End(number=place, is_new=True)
        if itself in plan.blockers(entry):
            yield place, "it cannot be its own blocker"
        if itself == plan.parent(entry):
            yield place, "it cannot be its own parent"


def _cycle_faults(plan: _Plan) -> Iterator[Fault]:
    """Only new tickets can wait for new ones: an existing one closes no cycle."""
    waits = {place: plan.blockers(entry) for place, entry in enumerate(plan.entries)}
    yield from _told(plan, waits, "blockers close a cycle", "each waits for the next")
    above = {
        place: [parent] if (parent := plan.parent(entry)) else []
        for place, entry in enumerate(plan.entries)
    }
    yield from _told(plan, above, "parents close a cycle", "each is a sub-ticket of the next")


def _told(
    plan: _Plan, ends: Mapping[int, Sequence[End]], what: str, meaning: str
) -> Iterator[Fault]:
    onward = {
        place: [end.number for end in targets if end.is_new and end.number != place]
        for place, targets in ends.items()
    }
    for path in cycles(onward):
        refs = [plan.entries[place].ref for place in path]
        yield path[-2], f"{what}: {arrows(refs)}, where {meaning}"


def _entry_faults(plan: _Plan) -> Iterator[Fault]:
    for place, entry in enumerate(plan.entries):
        checks: list[Callable[[], object]] = [
            lambda entry=entry: plan.ground.board.ticket_type(entry.ticket_type),
            lambda entry=entry: plan.start(entry),
            lambda entry=entry: check_count("tags", set(entry.tags), TAGS_AT_MOST),
            lambda entry=entry: check_count("blocked_by", plan.blockers(entry), BLOCKERS_AT_MOST),
        ]
        yield from ((place, text) for check in checks if (text := _refusal(check)))


def _refusal(check: Callable[[], object]) -> str:
    """What a rule says that also holds for one ticket; empty where it lets it pass."""
    try:
        check()
    except TicketError as refusal:
        return str(refusal).removesuffix(".")
    return ""


def _room_faults(plan: _Plan) -> Iterator[Fault]:
    """For each column that overflows, the first ticket with no room in it."""
    initial = plan.ground.board.initial_status
    wanted = [entry.initial_status or initial for entry in plan.entries]
    for column in plan.ground.board.columns:
        places = [place for place, status in enumerate(wanted) if status == column.id]
        standing = plan.ground.standing.get(column.id, 0)
        if column.wip_limit is None or not places or standing + len(places) <= column.wip_limit:
            continue
        told = f"the column '{column.id}' takes {column.wip_limit} tickets; {standing} stand in it"
        yield places[max(column.wip_limit - standing, 0)], f"{told} and {len(places)} would come"


def cycles(onward: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """A path a → … → a for each edge that closes a cycle; without those edges there is none."""
    finished: set[int] = set()
    found: list[list[int]] = []
    for start in onward:
        if start not in finished:
            found += _cycles_from(start, onward, finished)
    return found


def _cycles_from(
    start: int, onward: Mapping[int, Sequence[int]], finished: set[int]
) -> Iterator[list[int]]:
    path = {start: iter(onward[start])}
    while path:
        node, targets = next(reversed(path.items()))
        target = next(targets, None)
        if target is None:
            del path[node]
            finished.add(node)
        elif target in path:
            nodes = list(path)
            yield [*nodes[nodes.index(target) :], target]
        elif target not in finished:
            path[target] = iter(onward[target])
