"""The texts of a beads issue: title, description, labels, and what has no place of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TypeGuard

from pydantic import JsonValue

from hephaestus_tickets.domain.text import clip, json_size
from hephaestus_tickets.exchange import beads_words as words
from hephaestus_tickets.exchange.beads_fields import IssueFields
from hephaestus_tickets.exchange.cleaning import (
    COMMENT_AT_MOST,
    DESCRIPTION_AT_MOST,
    NAME_AT_MOST,
    TAG_AT_MOST,
    TITLE_AT_MOST,
    clean_line,
    clean_tag,
    clean_text,
    clean_title,
    pieces,
)

TAGS_AT_MOST = 30
LEFTOVER_BYTES = 3_500


@dataclass(frozen=True, slots=True)
class Description:
    """A description, and what of it is too long and goes into comments."""

    text: str
    overflow: list[str]


def title_of(issue: IssueFields, identity: str) -> str:
    """One line of at most 500 characters; an issue without a title is called by its id."""
    written = issue.text("title")
    title = clean_title(written)
    if not title:
        issue.note("repaired", "without a title: its id stands for it")
        return identity
    if title != written.strip():
        issue.note("repaired", "title made one line")
    if len(title) > TITLE_AT_MOST:
        issue.note("repaired", f"title cut at {TITLE_AT_MOST}; the whole heads the description")
    return clip(title, TITLE_AT_MOST)


def description_of(issue: IssueFields, title: str) -> Description:
    """The description with its sections below it; what is too long goes on in comments."""
    whole = clean_title(issue.text("title")) if len(title) == TITLE_AT_MOST else title
    parts = [whole] if len(whole) > TITLE_AT_MOST else []
    parts += [issue.text("description")]
    for name, heading in words.SECTIONS.items():
        section = issue.text(name)
        if section.strip():
            parts.append(f"## {heading}\n\n{section}")
            issue.note("mapped", f"'{name}' → a section of the description")
    text = "\n\n".join(part for part in parts if part)
    if len(text) <= DESCRIPTION_AT_MOST:
        return Description(text, [])
    issue.note("repaired", "over-long description: the rest of it in comments")
    head = pieces(text, DESCRIPTION_AT_MOST)[0]
    return Description(head, pieces(text[len(head) :], COMMENT_AT_MOST))


def tags_of(issue: IssueFields) -> list[str]:
    tags: dict[str, None] = {}
    for label in issue.sequence("labels"):
        if not isinstance(label, str):
            issue.note("dropped", "a label that is not text")
            continue
        tag = clean_tag(label)
        if len(label.strip()) > TAG_AT_MOST:
            issue.note("repaired", f"label cut at {TAG_AT_MOST} characters")
        if tag:
            tags[tag] = None
    if len(tags) > TAGS_AT_MOST:
        issue.note("dropped", f"labels past the {TAGS_AT_MOST} a ticket can carry")
    return list(tags)[:TAGS_AT_MOST]


def related_of(issue: IssueFields) -> list[str]:
    """The issue's id in a third tracker: where it is no name of ours, the history keeps it."""
    reference = issue.text("external_ref")
    cleaned = clean_line(reference, NAME_AT_MOST)
    if not cleaned or cleaned != reference:
        return []
    issue.note("mapped", "external_ref → related_task_ids")
    return [reference]


def leftovers_of(issue: IssueFields, kept: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`kept` with every other plain value of the issue that fits beside it."""
    left = dict(kept)
    for name, value in issue.values.items():
        if name in words.PLACED_FIELDS and not (name == "external_ref" and _is_odd(value)):
            continue
        if value is None or value in ("", [], {}, False):
            continue
        _keep(issue, left, clean_line(name, NAME_AT_MOST), value)
    return left


def _is_odd(reference: object) -> bool:
    return isinstance(reference, str) and clean_line(reference, NAME_AT_MOST) != reference


def _keep(issue: IssueFields, left: dict[str, JsonValue], name: str, value: object) -> None:
    plain = clean_text(value) if isinstance(value, str) else value
    if not _is_plain(plain) or json_size({**left, name: plain}) > LEFTOVER_BYTES:
        issue.note("dropped", f"'{name}' has no place in a ticket")
        return
    left[name] = plain
    issue.note("mapped", f"'{name}' → metadata of the creation in the history")


def _is_plain(value: object) -> TypeGuard[str | bool | float]:
    return isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value))
