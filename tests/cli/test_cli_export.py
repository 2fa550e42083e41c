"""`flowbridge export`: what people filled in, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from command_line import lines, run
from records import make_event

from bridge.store.db.database import Database
from bridge.store.inbound import events

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
TALLY = {"data": {"fields": [{"label": "Name", "value": "Zoë"}, {"label": "Plots", "value": 2}]}}


def put_in(
    store: Database, source: str, provider: str, headers: dict[str, str], body: bytes
) -> None:
    events.add(
        store,
        replace(make_event(body=body), source=source, provider=provider, headers=headers),
        [],
        lambda *_: [],
    )


@pytest.fixture
def kept(store: Database) -> Database:
    """Two forms, a Tally response and an event of GitHub, in that order."""
    put_in(store, "contact", "form", FORM, b"name=Ada&message=two%0Alines%2C+%22quoted%22")
    put_in(store, "contact", "form", FORM, b"name=%3DSUM(A1)&email=b%40example.com&tag=x&tag=y")
    put_in(store, "survey", "tally", JSON, orjson.dumps(TALLY))
    put_in(store, "github", "github", JSON, b"{}")
    return store


def test_csv_has_a_column_for_each_field(kept: Database) -> None:
    done = run("export")
    assert done.stderr == "3 submissions written; 1 other event left out\n"
    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert list(rows[0]) == [
        "received_at",
        "id",
        "source",
        "name",
        "message",
        "email",
        "tag",
        "Name",
        "Plots",
    ]
    assert [row["source"] for row in rows] == ["contact", "contact", "survey"]
    assert rows[0]["message"] == 'two\nlines, "quoted"'
    assert rows[1]["name"] == "'=SUM(A1)"  # a spreadsheet runs nothing
    assert (rows[1]["tag"], rows[2]["Name"], rows[2]["Plots"]) == ('["x","y"]', "Zoë", "2")


def test_json_has_the_fields_as_they_are(kept: Database) -> None:
    found = lines(run("export", "--as", "jsonl", "--source", "contact"))
    assert [one["fields"] for one in found] == [
        {"name": "Ada", "message": 'two\nlines, "quoted"'},
        {"name": "=SUM(A1)", "email": "b@example.com", "tag": ["x", "y"]},
    ]
    assert list(found[0]) == ["received_at", "id", "source", "type", "fields"]


def test_the_filters_are_those_of_events(kept: Database) -> None:
    assert len(lines(run("export", "--as", "jsonl", "--limit", "1"))) == 0  # the newest is GitHub's
    assert len(lines(run("export", "--as", "jsonl", "--body", "Ada"))) == 1
    assert run("export", "--source", "nobody").stdout_bytes == b"received_at,id,source\r\n"


def test_nothing_was_received_yet(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    done = run("export")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing has been received yet" in done.stderr


def test_a_body_that_cannot_be_read_is_left_out(store: Database) -> None:
    put_in(store, "contact", "form", FORM, b"a=%ff")
    assert run("export").stderr == "0 submissions written; 1 other event left out\n"


def export_to(stdout: int) -> tuple[int, str]:
    """Run `flowbridge export` with an output that is buffered; return its exit code and stderr."""
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "bridge", "export"]
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environ, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.usefixtures("new_processes")
@pytest.mark.usefixtures("kept")
def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        assert export_to(writes) == (0, "")
    finally:
        os.close(writes)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.usefixtures("kept")
def test_an_output_on_a_full_disk_is_an_error_in_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        found = export_to(full.fileno())
    assert found == (1, "Error: cannot write: No space left on device\n")
