from __future__ import annotations

import pytest

from hephaestus_tickets.domain.ids import parse_id, public_id, ticket_id


@pytest.mark.parametrize(
    ("kind", "number", "shown"),
    [
        pytest.param("ticket", 1024, "ticket-1024", id="ticket"),
        pytest.param("comment", 88, "comment-88", id="comment"),
    ],
)
def test_a_number_is_shown_with_its_kind(kind: str, number: int, shown: str) -> None:
    assert public_id(kind, number) == shown


def test_a_ticket_id_is_the_public_id_of_a_ticket() -> None:
    assert ticket_id(7) == "ticket-7"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("ticket-12", 12, id="in-full"),
        pytest.param("12", 12, id="the-bare-number"),
        pytest.param("#12", 12, id="the-way-people-write"),
        pytest.param("  Ticket-12\n", 12, id="case-and-blanks-around-it"),
        pytest.param("ticket-0012", 12, id="leading-zeros"),
        pytest.param("0" * 30 + "12", 12, id="many-leading-zeros"),
        pytest.param("ticket-9223372036854775807", 9223372036854775807, id="the-largest-bigint"),
    ],
)
def test_an_id_is_read(text: str, number: int) -> None:
    assert parse_id("ticket", text) == number


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("ticket-", id="no-number"),
        pytest.param("ticket-0", id="zero"),
        pytest.param("000", id="only-zeros"),
        pytest.param("-12", id="negative"),
        pytest.param("ticket--12", id="two-dashes"),
        pytest.param("#ticket-12", id="both-signs"),
        pytest.param("ticket-12 ticket-13", id="two-ids"),
        pytest.param("ticket-12a", id="a-letter-behind"),
        pytest.param("1_2", id="an-underscore"),
        pytest.param("12.0", id="a-fraction"),
        pytest.param("comment-12", id="another-kind"),
        pytest.param("ticket-9223372036854775808", id="past-bigint"),
        pytest.param("99999999999999999999", id="twenty-digits"),
        pytest.param("９", id="a-wide-digit"),  # noqa: RUF001 the wide digit is the case
        pytest.param("ticket-٣", id="an-arabic-digit"),
    ],
)
def test_text_that_is_no_ticket_id_is_none(text: str) -> None:
    assert parse_id("ticket", text) is None


def test_another_kind_reads_its_own_ids() -> None:
    assert parse_id("comment", "comment-88") == 88
    assert parse_id("comment", "ticket-88") is None
