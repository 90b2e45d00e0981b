from __future__ import annotations

import time

import pytest

from hephaestus_tickets.domain.mentions import Mention, mentions, pattern_faults

# Refs that are only mentioned, and those that are closed.
Read = tuple[list[str], list[str]]


def read(message: str, *patterns: str, known: set[str] | None = None) -> Read:
    found = mentions(message, patterns, known)
    assert len({each.ref for each in found}) == len(found)
    return (
        [each.ref for each in found if not each.closes],
        [each.ref for each in found if each.closes],
    )


def row(name: str, message: str, mentioned: str = "", closed: str = "") -> object:
    return pytest.param(message, mentioned.split(), closed.split(), id=name)


@pytest.mark.parametrize(
    ("message", "mentioned", "closed"),
    [
        row("alone", "ticket-42", "ticket-42"),
        row("in-a-sentence", "Work on ticket-42.", "ticket-42"),
        row("however-it-is-written", "Ticket-042 and TICKET-7", "ticket-42 ticket-7"),
        row("each-once-in-order", "ticket-9, ticket-1, ticket-9", "ticket-9 ticket-1"),
        row(
            "brackets-and-quotes", "(ticket-1) [ticket-2] `ticket-3`", "ticket-1 ticket-2 ticket-3"
        ),
        row("a-subject", "ticket-1: a login page", "ticket-1"),
        row("a-trailer", "A page\n\nTicket: ticket-1\nRefs: HADOOP-2", "ticket-1 HADOOP-2"),
        row("a-comment-line", "A page\n# ticket-1", "ticket-1"),
        row("a-genitive", "ticket-1's end", "ticket-1"),
        row("a-number-sign", "see #ticket-1", "ticket-1"),
        row("amidst-chinese", "修复ticket-1的问题", "ticket-1"),
        row("a-markdown-link", "[ticket-1](https://a.example/ticket-2)", "ticket-1"),
        row("a-longer-number", "ticket-4x", "ticket-4x"),
        row("before-a-hyphen", "ticket-4-fix", "ticket-4-fix"),
        row("after-a-hyphen", "my-ticket-4", "my-ticket-4"),
        row("a-longer-word", "stickets ticket42", "ticket42"),
        row("a-letter-beyond-ascii", "éticket-4 ticket-4é"),
        row("a-path", "src/ticket-1 ticket-2/a.py C:\\ticket-3 ./ticket-4"),
        row("a-branch", "Merge branch 'feature/ticket-1'"),
        row("an-address", "see https://a.example/ticket-1?b=ticket-2,ticket-3#ticket-4"),
        row("an-address-without-scheme", "a.example/b?c=ticket-1"),
        row("a-mail-address", "ticket-1@a.example"),
        row("an-option", "--ticket-1"),
        row("a-file", "ticket-1.txt", "ticket-1.txt"),
        row("no-number", "ticket- ticket"),
        row("nothing", ""),
    ],
)
def test_a_tickets_id_is_a_mention_as_a_word(
    message: str, mentioned: list[str], closed: list[str]
) -> None:
    assert read(message) == (mentioned, closed)


@pytest.mark.parametrize(
    ("message", "mentioned", "closed"),
    [
        row("an-issue-key", "HADOOP-1234 is slow", "HADOOP-1234"),
        row("a-hash", "bd-a1b2, bd-kqz", "bd-a1b2 bd-kqz"),
        row("a-part-of-one", "bd-a1b2.3.", "bd-a1b2.3"),
        row("an-underscore", "proj_12 my_project-x7", "proj_12 my_project-x7"),
        row("as-it-is-written", "hadoop-1 Hadoop-1", "hadoop-1 Hadoop-1"),
        row("plain-words-and-numbers", "fix 42 plain words, 2026-01-02 3.14 e.g. this"),
        row("a-path", "src/proj_12 proj_12/"),
    ],
)
def test_a_word_may_be_an_original_id(
    message: str, mentioned: list[str], closed: list[str]
) -> None:
    assert read(message) == (mentioned, closed)


@pytest.mark.parametrize(
    "word",
    [
        "close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved",
        "Fixes", "FIXES",
    ],
)  # fmt: skip
def test_a_closing_word_closes_what_follows_it(word: str) -> None:
    assert read(f"{word} ticket-1") == ([], ["ticket-1"])
    assert read(f"A page\n\nThat {word}: HADOOP-1") == ([], ["HADOOP-1"])


@pytest.mark.parametrize(
    ("message", "mentioned", "closed"),
    [
        row(
            "a-list",
            "Fixes ticket-1, ticket-2 and HADOOP-3",
            "",
            "ticket-1 ticket-2 HADOOP-3",
        ),
        row(
            "a-list-with-both",
            "fix ticket-1, and ticket-2 & ticket-3",
            "",
            "ticket-1 ticket-2 ticket-3",
        ),
        row("a-list-on-two-lines", "closes ticket-1,\nticket-2", "", "ticket-1 ticket-2"),
        row("each-with-a-word", "fixes ticket-1, closes ticket-2", "", "ticket-1 ticket-2"),
        row("a-list-that-ends", "fixes ticket-1, see ticket-2", "ticket-2", "ticket-1"),
        row("the-next-sentence", "fixes ticket-1. ticket-2 waits", "ticket-2", "ticket-1"),
        row("beside-it", "fixes ticket-1 (see ticket-2)", "ticket-2", "ticket-1"),
        row("conventional", "fix: ticket-1 had no page", "", "ticket-1"),
        row("conventional-with-a-scope", "fix(page): ticket-1", "ticket-1"),
        row("a-wrapped-line", "that fixes\nticket-1", "", "ticket-1"),
        row("another-paragraph", "A fix\n\nticket-1", "ticket-1"),
        row(
            "a-noun-between",
            "Fixes issue ticket-1, closes bugs A-2 and A-3",
            "",
            "ticket-1 A-2 A-3",
        ),
        row(
            "quoted", "Fixes `ticket-1`, `ticket-2` and #ticket-3", "", "ticket-1 ticket-2 ticket-3"
        ),
        row("closes-wins", "ticket-1: a page\n\nFixes ticket-1", "", "ticket-1"),
        row("denied", "does not fix ticket-1", "ticket-1"),
        row("denied-shortly", "doesn't yet close ticket-1, ticket-2", "ticket-1 ticket-2"),
        row("denied-with-a-curl", "won\N{RIGHT SINGLE QUOTATION MARK}t fix ticket-1", "ticket-1"),
        row("denied-before", "That was not it. Fixes ticket-1", "", "ticket-1"),
        row("denied-then-said", "does not fix ticket-1 but fixes ticket-2", "ticket-1", "ticket-2"),
        row("a-longer-word", "prefix ticket-1", "ticket-1"),
        row("a-hyphen", "hot-fix ticket-1", "hot-fix ticket-1"),
        row("a-form-nobody-documents", "fixing ticket-1, closer ticket-2", "ticket-1 ticket-2"),
        row("words-between", "fixes the bug in ticket-1", "ticket-1"),
        row("after-it", "ticket-1 fixes it", "ticket-1"),
        row("fix-and-fix", "fix fix ticket-1", "", "ticket-1"),
        row("another-closing-word-in-an-id", "fix fix-1 ticket-1", "ticket-1", "fix-1"),
        row("a-revert", 'Revert "Fixes ticket-1"', "ticket-1"),
        row(
            "a-reverts-body",
            "Fixes ticket-1\n\nThis reverts commit 1234567.",
            "ticket-1",
        ),
        row("a-conventional-revert", "revert: fixes ticket-1", "ticket-1"),
        row(
            "what-reverts-is-told-of",
            "Revert ticket-1 by hand\n\nfixes ticket-2",
            "ticket-1",
            "ticket-2",
        ),
    ],
)
def test_what_a_message_closes(message: str, mentioned: list[str], closed: list[str]) -> None:
    assert read(message) == (mentioned, closed)


@pytest.mark.parametrize(
    ("pattern", "message", "mentioned", "closed"),
    [
        pytest.param("bug {id}", "Bug 42 is gone", ["42"], [], id="a-word"),
        pytest.param("bug {id}", "fixes bug 42.", [], ["42"], id="closed"),
        pytest.param("bug {id}", "fixes bug 1, bug 2", [], ["1", "2"], id="a-list-closed"),
        pytest.param("bug {id}", "debug 42", [], [], id="a-longer-word"),
        pytest.param("bug {id}", "bug A-2", ["A-2"], [], id="found-twice"),
        pytest.param("#{id}", "(#42) other#43", ["42"], [], id="a-sign"),
        pytest.param("#{id}", "https://a.example/#42", [], [], id="an-address"),
        pytest.param("#{id}", "#ticket-042", ["ticket-42"], [], id="a-tickets-own-id"),
        pytest.param("#{id}", "修复#42", ["42"], [], id="after-chinese"),
        pytest.param("#{id}", "#42é", [], [], id="a-letter-after-it"),
        pytest.param("[{id}]", "[X]Add [a.b_c-1], a[3]", ["X", "a.b_c-1"], [], id="in-brackets"),
        pytest.param("[{id}]", "fixes [7]", [], ["7"], id="in-brackets-closed"),
        pytest.param("JIRA:{id}", "jira:X1-", ["X1"], [], id="any-case"),
        pytest.param("{id}:", "x7: a page", ["x7"], [], id="at-the-end"),
        pytest.param("T.{id}", "T.1 Tx2", ["1"], [], id="signs-are-literal"),
        pytest.param(
            "https://a.example/{id}",
            "Fixes https://a.example/9, https://b.example/8",
            [],
            ["9"],
            id="an-addresss-own",
        ),
    ],
)
def test_a_pattern_finds_what_stands_in_its_place(
    pattern: str, message: str, mentioned: list[str], closed: list[str]
) -> None:
    found = mentions(message, [pattern])
    refs = [each for each in found if each.ref not in {"T.1", "Tx2"}]  # words anyway
    assert refs == [Mention(ref=ref, closes=ref in closed) for ref in [*mentioned, *closed]]


def test_what_is_no_tickets_id_takes_no_part() -> None:
    message = "Fixes utf-8, ticket-2 needs more"
    assert read(message) == ([], ["utf-8", "ticket-2"])
    assert read(message, known={"ticket-2"}) == (["ticket-2"], [])


@pytest.mark.parametrize(
    ("patterns", "faults"),
    [
        pytest.param(["bug {id}", "#{id}", "[{id}]", "JIRA:{id}"], [], id="good"),
        pytest.param(["bug"], ["must hold {id} once"], id="no-place"),
        pytest.param(["{id} or {id}"], ["must hold {id} once"], id="two-places"),
        pytest.param([" {id} "], ["needs more than {id}"], id="blanks-alone"),
        pytest.param(["{id}" + "x" * 97], ["more than 100 characters"], id="too-long"),
        pytest.param(["#{id}"] * 21, ["21 commit patterns, of at most 20"], id="too-many"),
    ],
)
def test_patterns_are_checked(patterns: list[str], faults: list[str]) -> None:
    told = list(pattern_faults(patterns))
    assert len(told) == len(faults)
    for sentence, fault in zip(told, faults, strict=True):
        assert fault in sentence


LENGTH = 20_000
PATTERNS = [
    "a{id}!", ".{id}!", "{id}.x", "fix {id}", "#{id}#", "-{id}-", "{id}:", "[{id}]",
    "((((a+)+)+){id}$",
]  # fmt: skip


@pytest.mark.parametrize(
    "piece",
    [
        "fix ", "fix fix fix: ", "not ", "n't yet ", "ticket-", "ticket-1, ", "fix ticket-1, ", " ",
        "\n", "fixes ticket-1" + " " * 500, "a", "aA1-", "a.", ".a", "..", "://", "https://a ",
        "[a", "-a-", "fix issue ", "\N{FIRE}", "é", "修", "a!", "#a#", "((((a", "Revert ", "'`",
        "and ",
    ],
)  # fmt: skip
def test_a_hostile_message_is_read_in_time(piece: str) -> None:
    message = (piece * LENGTH)[:LENGTH]
    began = time.process_time()
    mentions(message, PATTERNS)
    assert time.process_time() - began < 1.0
