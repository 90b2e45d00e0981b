"""Every refusal: what it says is kept, safe to show, and tells the caller what to do."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import hephaestus_tickets
from hephaestus_tickets.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TicketError,
    Unavailable,
)
from tests.contract.conftest import Keeps
from tests.contract.error_examples import EXAMPLES

FAMILIES = {NotFound: 404, Invalid: 422, Conflict: 409, Forbidden: 403, Unavailable: 503}
INTERNAL = re.compile(
    r"Traceback|\bSELECT\b|\bINSERT\b|\bUPDATE\b|psycopg|sqlalchemy|pydantic|\.py\b|/\w+/"
    r"|(?:ck|fk|pk|uq)_[a-z]|None|<class|0x[0-9a-f]+"
)
# What a sentence has in it that tells a caller how to go on, or that there is nothing to do.
WAYS_ON = re.compile(
    r"\b(Use|Resolve|Read|Find|Name|Leave|Move|Choose|Pass|Put|Start|Create|Reopen|Fields|Set"
    r"|Known|Its arguments|try again|reopen|retry|say why|can move to|are the most|name one"
    r"|set it active|give 7 to 64|use up to|needs text|Nothing was changed"
    r"|must stay|stay within|lists them|give more digits|Push or fetch|administrator can"
    r"|Merge the work|works without it)\b"
)
examples = pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.code)


def leaves() -> Iterator[type[TicketError]]:
    """The refusals of the whole package; a family is none."""
    for module in pkgutil.walk_packages(hephaestus_tickets.__path__, "hephaestus_tickets."):
        if not module.name.startswith(("hephaestus_tickets.migrations.", "hephaestus_tickets.__")):
            importlib.import_module(module.name)
    waiting: list[type[TicketError]] = list(FAMILIES)
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        yield from (each for each in below if not each.__subclasses__())


def test_every_refusal_has_an_example() -> None:
    shown = [type(example) for example in EXAMPLES]
    assert sorted(each.code for each in leaves()) == sorted(each.code for each in shown)


def test_every_text_is_what_the_snapshot_says(keeps: Keeps) -> None:
    texts = [f"{example.status} {example.code}: {example}\n" for example in EXAMPLES]
    keeps("errors.txt", "".join(sorted(texts, key=lambda text: text[4:])))


@examples
def test_a_refusal_belongs_to_a_family_with_a_status(example: TicketError) -> None:
    [family] = [each for each in FAMILIES if isinstance(example, each)]
    assert example.status == FAMILIES[family]


@examples
def test_a_text_shows_nothing_of_the_inside(example: TicketError) -> None:
    assert not INTERNAL.search(str(example))
    assert "\n" not in str(example)


@examples
def test_a_text_says_what_to_do(example: TicketError) -> None:
    assert WAYS_ON.search(str(example))
    assert str(example).endswith(".")


def test_a_text_stays_short_however_much_is_wrong() -> None:
    assert max(len(str(example)) for example in EXAMPLES) < 1_500
