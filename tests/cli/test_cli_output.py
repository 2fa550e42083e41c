"""What is printed: nothing commands a terminal, lists are the same everywhere but on a terminal,
tables fit it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.commands.events import DELIVERY_COLUMNS, EVENT_COLUMNS
from bridge.cli.commands.flow_runs import RUN_COLUMNS
from bridge.cli.commands.flows import FLOW_COLUMNS
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column

HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b2J\x7f\r\n\t\u202egnp.exe\u2066\u200b\u2028\ud800\x00é ✓"
HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]"
)


def run_with_output(stdout: int, *arguments: str) -> tuple[int, str]:
    """Run a command in a process of its own; return its exit code and stderr."""
    command = [sys.executable, "-m", "bridge", *arguments]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("events", "--help"), ("providers",)]
)
def test_an_output_that_takes_no_more_ends_any_command_alike(arguments: tuple[str, ...]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        assert run_with_output(writes, *arguments) == (0, "")
    finally:
        os.close(writes)
    with Path("/dev/full").open("wb") as full:
        found = run_with_output(full.fileno(), *arguments)
    assert found == (1, "Error: cannot write: No space left on device\n")


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_standard_file_is_replaced_by_an_empty_one(number: int) -> None:
    program = (
        f"import os, sys; os.close({number});"
        " os.execv(sys.executable, [sys.executable, '-m', 'bridge', 'providers'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr


def test_clean_leaves_nothing_to_obey_and_one_line() -> None:
    text = output.clean(HOSTILE)
    assert not HARMFUL.search(text) and "\n" not in text
    assert text.startswith(
        "\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\x7f\\r\\n\\t\\u202egnp"
    ) and text.endswith("é ✓")
    assert (output.clean(None), output.clean(7), output.clean("a b")) == ("", "7", "a b")
    assert output.clean("a\u00a0b") == "a b"


def test_clean_lines_keeps_lines_and_nothing_else() -> None:
    assert output.clean_lines("a\r\nb\tc\x1bd\ne") == "a\nb    c\\x1bd\ne"


def test_a_line_holds_no_harmful_character_in_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The name may come from a server: that of the command of an operation."""
    output.line("re\x1b]0;owned\x07try\u202e", "a\x1b[2J")
    assert capsys.readouterr().out.split() == ["re\\x1b]0;owned\\x07try\\u202ea\\x1b[2J"]


def test_json_holds_no_harmful_character_and_says_the_same() -> None:
    value = {"a": HOSTILE.replace("\ud800", "")}
    text = output.json_text(value)
    assert not HARMFUL.search(text)
    assert json.loads(text) == value


def test_json_holds_no_invisible_character_of_unicode() -> None:
    """Such as U+E0041, a tag: text that a person does not see and a program reads."""
    kinds = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
    everything = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    value = {"a": "".join(everything)}
    for is_indented in (False, True):
        text = output.json_text(value, is_indented=is_indented)
        unseen = {char for char in text if unicodedata.category(char) in kinds} - {"\n"}
        assert unseen == set()
        assert json.loads(text) == value
    assert output.json_text("a\u00a0é✓😀\U000e0041") == '"a\u00a0é✓😀\\udb40\\udc41"'


def test_one_is_one() -> None:
    said = [output.number(count, "file") for count in (0, 1, 2)] + [
        output.number(count, "delivery", "deliveries") for count in (1, 2)
    ]
    assert said == ["0 files", "1 file", "2 files", "1 delivery", "2 deliveries"]
    assert (
        output.rows_of({"event": 1, "delivery": 0, "attempt": 2})
        == "1 row of event, 2 rows of attempt"
    )


def test_a_status_has_the_colour_of_its_worst_word() -> None:
    assert [
        output.find_colour(text)
        for text in ("delivered, done", "delivered, failed", "delivered, running", "queued", "?")
    ] == [
        "green",
        "red",
        "cyan",
        "cyan",
        None,
    ]


COLUMNS = (
    Column("time", whole=True),
    Column("id", whole=True),
    Column("route"),
    Column("flow", spare=True),
    Column("reason", spare=True),
)


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (200, [8, 30, 20, 20, 50]),
        (136, [8, 30, 20, 20, 50]),
        (112, [8, 30, 20, 20, 26]),
        (100, [8, 30, 20, 20, 0]),
        (80, [8, 30, 20, 0, 0]),
        (60, [8, 30, 18, 0, 0]),
    ],
)
def test_what_is_too_wide_is_shortened_or_goes_below_its_row(room: int, widths: list[int]) -> None:
    assert tables.fit_columns(COLUMNS, [8, 30, 20, 20, 50], room) == widths


def test_what_must_be_whole_is_whole_however_narrow_it_gets() -> None:
    assert tables.fit_columns(COLUMNS, [8, 30, 20, 20, 50], 20) == [8, 30, 10, 0, 0]


def test_plain_text_is_aligned_and_comes_in_chunks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 2)
    assert (
        tables.print_table(
            (Column("id"), Column("what")), iter([("1", None), ("22222", "b\x1b"), ("3", "c")])
        )
        == 3
    )
    assert capsys.readouterr().out == "ID     WHAT\n1      -\n22222  b\\x1b\n3      c\n"
    assert tables.print_table((Column("id"),), []) == 0
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_table_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    columns = (
        Column("id", whole=True),
        Column("status", style=output.find_colour),
        Column("reason", spare=True),
    )
    rows = [
        ("x" * 20, "dead", "[red]a very long reason that does not fit[/red]"),
        ("y", "queued", None),
    ]
    for width, shown in (
        (
            "34",
            [
                "id                    status",
                "  reason",
                f"{'x' * 20}  dead",
                "  [red]a very long reason that",
                "  does not fit[/red]",
                "y                     queued",
            ],
        ),
        (
            "40",
            [
                "id                    status  reason",
                f"{'x' * 20}  dead",
                "  [red]a very long reason that does not",
                "  fit[/red]",
                "y                     queued",
            ],
        ),
        (
            "60",
            [
                "id                    status  reason",
                f"{'x' * 20}  dead    [red]a very long reason that",
                f"{'':30}does not fit[/red]",
                "y                     queued  -",
            ],
        ),
    ):
        monkeypatch.setenv("COLUMNS", width)
        tables.print_table(columns, rows)
        lines = [
            line.rstrip()
            for line in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
        ]
        assert lines == shown  # markup is text


EVENT = "evt_01kbc3vmg0q8ehn2dvk2m9abcd"
DELIVERY = "dlv_01kbc3vmg0q8ehn2dvk2m9abcdw3x4y5z6"


def lines_at(
    width: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: Any,
    rows: Any,
) -> list[str]:
    """What a terminal of a width shows of a table."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    tables.print_table(columns, rows)
    return [
        line.rstrip()
        for line in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    ]


def test_an_id_is_short_where_the_row_does_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("08:26:25Z", EVENT, "github", "issues.opened", "delivered, done")
    wide = lines_at(120, capsys, monkeypatch, EVENT_COLUMNS, [row])
    assert wide[1] == "  ".join(row)
    narrow = lines_at(80, capsys, monkeypatch, EVENT_COLUMNS, [row])
    assert narrow[1] == "  ".join((row[0], "evt_…k2m9abcd", *row[2:]))
    assert len(narrow) == 2


def test_the_outcome_of_an_event_is_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    type_ = "customer.subscription.updated"
    outcomes = "dead, config · delivered, done", "delivered, done"
    rows = [("08:26:25Z", EVENT, "stripe", type_, outcome) for outcome in outcomes]
    shown = lines_at(80, capsys, monkeypatch, EVENT_COLUMNS, rows)
    assert max(map(len, shown)) <= 80 and " customer.subscripti…  dead, config ·" in shown[1]
    assert [shown[2].strip(), len(shown)] == ["delivered, done", 4]
    rows = [(row[0], EVENT, row[2], "issues.opened", row[4]) for row in rows]
    shown = lines_at(80, capsys, monkeypatch, EVENT_COLUMNS, rows)
    assert len(shown) == 3 and shown[1].endswith(f"issues.opened  {outcomes[0]}")


def test_a_run_takes_one_line_of_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = "SoiL6yWR5wB5bvAtAQf7P6"
    rows = [
        ("running", "20:47:04Z", "0.01 s…", run_id, "triage-opened-issues", DELIVERY),
        ("done", "20:47:03Z", "0.01 s", run_id, "no delivery", "-"),
    ]
    shown = lines_at(80, capsys, monkeypatch, RUN_COLUMNS, rows)
    assert shown[1].split() == [*" ".join(rows[0][:4]).split(), "triage-ope…", DELIVERY[-14:]]
    assert shown[2].split() == " ".join(rows[1]).split()
    assert max(map(len, shown)) <= 80


def test_a_delivery_takes_one_line_of_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = (
        "08:26:25Z",
        DELIVERY,
        "triage-opened-issues",
        "delivered, done",
        "local/triage",
        "run 01m8e1p5v5w8ehn2dvk2m9abcd",
    )
    dead = (
        "08:26:26Z",
        DELIVERY,
        "triage-opened-issues",
        "dead, platform",
        "local/triage",
        "HTTP 401: the key is not accepted any more",
    )
    shown = lines_at(80, capsys, monkeypatch, DELIVERY_COLUMNS, [done])
    assert len(shown) == 2
    assert f"dlv_…{DELIVERY[-14:]}" in shown[1] and "flow" not in shown[0]
    shown = lines_at(80, capsys, monkeypatch, DELIVERY_COLUMNS, [done, dead])
    assert [line.strip() for line in shown][-1] == dead[-1], "why it is dead is never left out"
    assert max(map(len, shown)) <= 80
    assert DELIVERY in lines_at(180, capsys, monkeypatch, DELIVERY_COLUMNS, [done])[1]


def test_a_route_is_cut_before_the_flow_that_tells_its_deliveries_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    routes = (
        "triage-opened-issues → gumloop/q3dasHQBidkNeXvAZo6Dby",
        "triage-opened-issues → local/echo",
        "paid",
    )
    rows = [("08:26:25Z", DELIVERY, route, "delivered, done", "-", "run 1") for route in routes]
    shown = lines_at(80, capsys, monkeypatch, DELIVERY_COLUMNS, rows)
    assert max(map(len, shown)) <= 80 and len(shown) == 4
    assert (
        "  gumloop/q3dasHQBidkNeXvAZo6Dby " in shown[1]
        and "  triage-opened-iss… → local/echo " in shown[2]
        and "  paid " in shown[3]
    )
    assert (
        tables.cut_route(routes[0], 20) == "…asHQBidkNeXvAZo6Dby"
        and tables.cut_route("x" * 30, 20) == "x" * 30
    )


def test_a_column_that_says_nothing_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = lines_at(
        80,
        capsys,
        monkeypatch,
        FLOW_COLUMNS,
        [("local", "echo", "", "Return the inputs."), ("local", "triage", "", "")],
    )
    assert shown == [
        "platform  flow    description",
        "local     echo    Return the inputs.",
        "local     triage  -",
    ]


@pytest.mark.parametrize(
    "text", [EVENT, DELIVERY, "rej_01kbc3vmg0q8ehn2dvk2m9abcd", "act_01kbc3vmg0q8ehn2dvk2m9abcd"]
)
def test_a_short_id_has_both_ends(text: str) -> None:
    head, _, tail = output.short_id(text).partition("…")
    assert (
        text.startswith(head) and text.endswith(tail) and len(tail) == (14 if head == "dlv_" else 8)
    )
    for other in ("-", "", "evt_short", "x" * 40):
        assert output.short_id(other) == other


def test_text_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    text = (
        "1000 events were sent and acknowledged, 23 of them did start twice (http-url/of-one-piece)"
    )
    lines = ("x" * 16 + output.wrap_text(text, 16)).splitlines()
    assert max(map(len, lines)) <= 40 and all(line.startswith(" " * 16) for line in lines[1:])
    assert " ".join(line[16:] for line in lines) == text
