"""The dependencies of a beads issue: blockers, one parent, links."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.domain.vocabulary import LinkKind
from hephaestus_tickets.exchange import beads_words as words
from hephaestus_tickets.exchange.beads_fields import IssueFields
from hephaestus_tickets.exchange.cleaning import AGENT_AT_MOST, clean_line
from hephaestus_tickets.exchange.records import BlockerRecord, LinkRecord


@dataclass(slots=True)
class Edges:
    parent: str | None = None
    blockers: list[BlockerRecord] = field(default_factory=list[BlockerRecord])
    links: list[LinkRecord] = field(default_factory=list[LinkRecord])


@dataclass(frozen=True, slots=True)
class _Dependency:
    """`issue` depends on `target`."""

    kind: str
    target: str
    created_by: str
    created_at: datetime


def edges_of(issue: IssueFields, identity: str, author: str, created_at: datetime) -> Edges:
    edges = Edges()
    for entry in issue.objects("dependencies"):
        dependency = _parsed(entry, identity, author, created_at)
        if dependency is not None:
            _place(issue, edges, dependency)
    parent = issue.values.get("parent")
    if edges.parent is None and isinstance(parent, str) and _is_other(parent, identity):
        edges.parent = parent
    return edges


def _parsed(
    entry: IssueFields, identity: str, author: str, created_at: datetime
) -> _Dependency | None:
    target = entry.values.get("depends_on_id")
    if not isinstance(target, str) or not target:
        entry.note("dropped", "dependency that names no issue")
        return None
    if target == identity:
        entry.note("dropped", "dependency of an issue on itself")
        return None
    if entry.values.get("issue_id", identity) != identity:
        entry.note("dropped", "dependency that belongs to another issue")
        return None
    if not _is_other(target, identity):
        entry.note("dropped", "dependency on an id that cannot be one")
        return None
    return _Dependency(
        kind=one_line(entry.text("type"), 40),
        target=target,
        created_by=entry.agent("created_by") or author,
        created_at=entry.moment("created_at") or created_at,
    )


def _is_other(target: str, identity: str) -> bool:
    return target not in ("", identity) and clean_line(target, AGENT_AT_MOST) == target


def _place(issue: IssueFields, edges: Edges, dependency: _Dependency) -> None:
    kind = dependency.kind
    if kind in words.BLOCKING:
        if kind != "blocks":
            issue.note("mapped", f"dependency '{kind}' → blocker")
        _add_blocker(issue, edges, dependency)
    elif kind in words.PARENTS:
        _add_parent(issue, edges, dependency)
    elif kind in words.LINKS:
        _add_link(issue, edges, dependency, words.LINKS[kind])
    else:
        issue.note("mapped", f"dependency '{kind}', which blocks nothing → relates_to")
        _add_link(issue, edges, dependency, LinkKind.RELATES_TO)


def _add_blocker(issue: IssueFields, edges: Edges, dependency: _Dependency) -> None:
    if any(edge.blocker == dependency.target for edge in edges.blockers):
        issue.note("dropped", "the same dependency again")
        return
    edges.blockers.append(
        BlockerRecord(
            blocker=dependency.target,
            created_by=dependency.created_by,
            created_at=dependency.created_at,
        )
    )


def _add_parent(issue: IssueFields, edges: Edges, dependency: _Dependency) -> None:
    if edges.parent is None:
        edges.parent = dependency.target
    elif edges.parent != dependency.target:
        issue.note("mapped", "a second parent → relates_to")
        _add_link(issue, edges, dependency, LinkKind.RELATES_TO)


def _add_link(issue: IssueFields, edges: Edges, dependency: _Dependency, kind: LinkKind) -> None:
    if any(link.target == dependency.target and link.kind is kind for link in edges.links):
        issue.note("dropped", "the same dependency again")
        return
    edges.links.append(
        LinkRecord(
            target=dependency.target,
            kind=kind,
            created_by=dependency.created_by,
            created_at=dependency.created_at,
        )
    )
