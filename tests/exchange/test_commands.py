from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL

from hephaestus_tickets.cli.exchange import (
    export_command,
    import_command,
    workflow_named_after,
)
from hephaestus_tickets.domain.caller import WorkflowNotFound
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.exchange.reading import Format, detect_format
from tests.exchange.trackers import closed, issue, needs, written


@pytest.fixture(autouse=True)
def server(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own database, named as an operator names a server."""
    settings = {
        "DB_HOST": database_url.host,
        "DB_PORT": str(database_url.port or 5432),
        "DB_NAME": database_url.database,
        "DB_USER": database_url.username,
        "DB_SSLMODE": "disable",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value or "")


def test_import_says_what_became_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_command(
        written(
            tmp_path / "shop.jsonl",
            issue("x-1", issue_type="epic", dependencies=[needs("gone")]),
            closed("x-2", status="tombstone"),
            "{",
        )
    )
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "Workflow 'shop' (new): 2 tickets imported.",
        "The board learned the types epic.",
        "With 0 blockers, 0 parents, 0 links and 0 comments, from 3 lines.",
        "",
        "Mapped to the nearest thing there is:",
        "        1  deleted issue (tombstone) → cancelled, the reason as its resolution (x-2)",
        "",
        "Dropped:",
        "        1  blocker that is neither in the file nor in the workflow (x-1 → gone)",
        "",
        "Lines that are not tickets:",
        "        1  not a JSON object (line 3)",
    ]
    assert told.err == ""


def test_what_is_exported_can_be_imported_under_another_name(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    import_command(written(tmp_path / "shop.jsonl", issue("x-1", title="Ünïcode")))
    packed = tmp_path / "out" / "shop.jsonl.gz"
    packed.parent.mkdir()
    export_command("shop", packed)
    import_command(packed, workflow="copy")
    capsysbinary.readouterr()
    export_command("copy")
    lines = capsysbinary.readouterr().out.splitlines()
    assert lines[1:] == gzip.decompress(packed.read_bytes()).splitlines()[1:]
    assert json.loads(lines[1])["title"] == "Ünïcode"
    assert [path.name for path in packed.parent.iterdir()] == ["shop.jsonl.gz"]


def test_an_existing_file_is_overwritten_only_by_force(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("mine")
    with pytest.raises(SetupError, match="exists already"):
        export_command("default", output)
    assert output.read_text() == "mine"
    export_command("default", output, force=True)
    assert json.loads(output.read_text())["ticket_count"] == 0


def test_a_device_is_written_to_and_stays_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        export_command("default", pipe, force=True)
        assert json.loads(read.result(10))["workflow_id"] == "default"
    assert pipe.is_fifo()
    with pytest.raises(SetupError, match=r"Cannot write /dev/full: No space left on device\."):
        export_command("default", Path("/dev/full"))


def test_a_refused_export_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(WorkflowNotFound):
        export_command("nowhere", tmp_path / "out.jsonl")
    with pytest.raises(SetupError, match="Cannot write"):
        export_command("default", tmp_path / "no" / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_ticket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no ticket"):
        import_command(written(tmp_path / "t.jsonl", "{}", "{}"), Format.BEADS)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([issue("x-1")], Format.BEADS),
        (["nonsense", issue("x-1")], Format.BEADS),
        ([{"format": "hephaestus-tickets"}], Format.HEPHAESTUS),
    ],
)
def test_the_first_lines_tell_the_format(tmp_path: Path, lines: list[str], found: Format) -> None:
    assert detect_format(written(tmp_path / "t", *lines)) is found


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'{"a": 1}\n'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(SetupError, match="neither a beads export nor one of ours"):
        import_command(path)


def test_a_file_that_cannot_be_read_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"Cannot read .*: No such file"):
        import_command(tmp_path / "absent.jsonl")
    with pytest.raises(SetupError, match=r"Cannot read .*: Is a directory"):
        import_command(tmp_path)


@pytest.mark.parametrize(
    ("path", "workflow"),
    [
        ("/a/tracker.jsonl.gz", "tracker"),
        ("/a/shop/.beads/issues.jsonl", "shop"),
        ("/a/two words!.jsonl", "two-words"),
        ("/a/.jsonl", "imported"),
        ("/a/Ü.jsonl", "imported"),
    ],
)
def test_a_workflow_is_named_after_the_file(path: str, workflow: str) -> None:
    assert workflow_named_after(Path(path)) == workflow
