"""Ready-made flows for tests, and those that write files, against real files."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ready import QUICK, done, failed, run

from bridge.core.local_runs import LocalState
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.flows.ready.csv_file import MAX_COLUMNS
from bridge.flows.ready.csv_format import BOM


def test_echo_fail_and_sleep(tmp_path: Path) -> None:
    assert run(READY_FLOWS["echo"], tmp_path, a=1, b=None).outputs == {"a": 1, "b": None}
    assert run(READY_FLOWS["fail"], tmp_path, message="boom", other=1).log == ("boom",)
    assert run(READY_FLOWS["fail"], tmp_path).state is LocalState.FAILED
    assert run(READY_FLOWS["sleep"], tmp_path, seconds="0.01").outputs == {"seconds": 0.01}
    for wrong in (-1, 3601, "nan", "soon", None, [1]):
        result = run(READY_FLOWS["sleep"], tmp_path, seconds=wrong)
        assert result.state is LocalState.FAILED and result.log[-1].startswith("seconds: ")


def test_append_jsonl_adds_one_line_with_its_time(tmp_path: Path) -> None:
    for number in range(2):
        assert (
            run(
                READY_FLOWS["append_jsonl"],
                tmp_path,
                file="orders/new.jsonl",
                id=number,
                note="ü\n",
            ).state
            is LocalState.DONE
        )
    lines = (tmp_path / "files/orders/new.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", json.loads(lines[0])["received_at"]
    )


def test_append_jsonl_mixes_no_lines_however_many_write(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(
            pool.map(
                lambda n: run(READY_FLOWS["append_jsonl"], tmp_path, n=n, text="x" * 20_000).state,
                range(40),
            )
        )
    assert set(states) == {LocalState.DONE}
    assert sorted(
        json.loads(line)["n"] for line in (tmp_path / "files/events.jsonl").read_text().splitlines()
    ) == list(range(40))


def test_a_line_torn_by_a_crash_swallows_none(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/events.jsonl").write_bytes(b'{"torn": ')
    run(READY_FLOWS["append_jsonl"], tmp_path, n=1)
    assert json.loads((tmp_path / "files/events.jsonl").read_text().splitlines()[1])["n"] == 1


@pytest.mark.parametrize(
    "file",
    [
        "../x",
        "/etc/x",
        "a/../../x",
        "",
        ".",
        "a/",
        "a\0b",
        "..",
        "a\\..\\b",
        7,
        None,
        ["x"],
        "x" * 300,
    ],
)
def test_append_jsonl_stays_in_its_folder(tmp_path: Path, file: Any) -> None:
    result = run(READY_FLOWS["append_jsonl"], tmp_path / "data", file=file, n=1)
    assert result.state is LocalState.FAILED and result.log[-1].startswith("file: ")
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_append_jsonl_follows_no_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "data/files").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "data/files/link").symlink_to(tmp_path / "outside")
    (tmp_path / "data/files/direct.jsonl").symlink_to(tmp_path / "outside/x.jsonl")
    for file in ("link/x.jsonl", "direct.jsonl"):
        assert (
            run(READY_FLOWS["append_jsonl"], tmp_path / "data", file=file, n=1).state
            is LocalState.FAILED
        )
    assert list((tmp_path / "outside").iterdir()) == []


# -- append_csv
# --------------------------------------------------------------------------------------------------

PAST = "2025-01-02 03:04:05"  # given as an input, so that a row is the same each time


def rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, delimiter=delimiter, strict=True))


def test_append_csv_makes_the_header_of_the_first_record(tmp_path: Path) -> None:
    outputs = done(
        "append_csv",
        tmp_path,
        file="orders/new.csv",
        name='Ü, "x"',
        tags=["a", 1],
        paid=True,
        note=None,
        total=-5,
    )
    path = tmp_path / "files/orders/new.csv"
    assert outputs == {
        "file": "orders/new.csv",
        "new_columns": ["received_at", "name", "tags", "paid", "note", "total"],
        "size": path.stat().st_size,
    }
    done(
        "append_csv",
        tmp_path,
        file="orders/new.csv",
        total="-5,30",
        name="two\r\nlines",
        tags={"b": "ü"},
    )
    header, first, second = rows(path)
    assert header == ["received_at", "name", "tags", "paid", "note", "total"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", first[0])
    assert first[1:] == ['Ü, "x"', '["a",1]', "true", "", "-5"]
    assert second[1:] == ["two\nlines", '{"b":"ü"}', "", "", "-5,30"]
    data = path.read_bytes()
    assert (
        data.startswith(BOM)
        and data.count(b"\r\n") == 3
        and data.endswith(b"\r\n")
        and b'"two\nlines"' in data
    )


@pytest.mark.parametrize("bom", [False, "false", "no", None, 0])
def test_append_csv_writes_no_mark_where_none_is_wanted(tmp_path: Path, bom: Any) -> None:
    done("append_csv", tmp_path, bom=bom, n=1)
    assert (tmp_path / "files/events.csv").read_bytes().startswith(b"received_at,n\r\n")
    assert (
        failed("append_csv", tmp_path, bom="maybe")
        == "bom: 'maybe' is not allowed; use true or false"
    )


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "=",
    "-",
    "-5%",
    "--5",
    "- 5",
    "-5=1+1",
    "-٥",
    "＝1+1",
    "＠x",
    "+49 170 1",
    '=HYPERLINK("http://x","y")',
    "-2+3+cmd|' /C calc'!D2",
    "-1\n=2",
    "+5",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_append_csv_escapes_formulas(tmp_path: Path, text: str) -> None:
    done("append_csv", tmp_path, received_at=PAST, **{text: text})
    shown = "'" + text.replace("\r", "\n")
    assert rows(tmp_path / "files/events.csv") == [["received_at", shown], [PAST, shown]]
    assert done("append_csv", tmp_path, received_at=PAST, **{text: 1})["new_columns"] == [], (
        "the column is known by the same name"
    )


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "-0.5",
        "-5,25",
        "-1e9",
        "-1.5E-7",
        -5,
        -1.5,
        0,
        "5",
        "a=b",
        "x@y.example",
        "'x",
        "",
        " x ",
    ],
)
def test_append_csv_keeps_numbers_and_plain_texts(tmp_path: Path, value: Any) -> None:
    done("append_csv", tmp_path, a=value)
    assert rows(tmp_path / "files/events.csv")[1][1] == str(value)


NAMES = st.text(max_size=20)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=40),
    st.lists(st.text(max_size=5), max_size=3),
)


def read_back(value: Any) -> str:
    """What a cell is to say: the value, and whatever else may be, no formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return (
            value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
    text = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode()


@QUICK
@given(
    st.lists(
        st.dictionaries(
            NAMES.filter(lambda name: name not in ("file", "bom", "received_at")),
            VALUES,
            max_size=5,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_append_csv_writes_a_readable_file(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    kept = []
    for record in records:
        result = run(READY_FLOWS["append_csv"], folder, received_at=PAST, **record)
        if result.state is LocalState.DONE:
            kept.append(record)
        else:  # two names that are one when written
            assert "two inputs have the column" in result.log[-1]
    if not kept:
        return
    header, *found = rows(folder / "files/events.csv")
    assert len(found) == len(kept) and {len(row) for row in found} == {len(header)}
    for record, row in zip(kept, found, strict=True):
        cells = dict(zip(header, row, strict=True))
        for name, value in record.items():
            text = next(
                cells[one] for one in (read_back(name), "'" + read_back(name)) if one in cells
            )
            assert text in (read_back(value), "'" + read_back(value))
            assert not (isinstance(value, str) and text[:1] in tuple("=+@\t\r\n")), (
                "no text begins as a formula does"
            )


def test_append_csv_gives_a_new_input_a_column_and_changes_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "files/events.csv"
    path.parent.mkdir()
    hand_made = 'received_at,"a, ""b"""\nx,5" pipe\ny,"two\nlines"\n\nz'
    path.write_bytes(hand_made.encode())
    path.chmod(0o640)
    outputs = done("append_csv", tmp_path, received_at=PAST, c=1, d=2)
    assert outputs["new_columns"] == ["c", "d"]
    assert (
        path.read_bytes()
        == f'received_at,"a, ""b""",c,d\nx,5" pipe,,\ny,"two\nlines",,\n\nz,,\r\n{PAST},,1,2\r\n'.encode()
    )
    assert path.stat().st_mode & 0o777 == 0o640 and [one.name for one in path.parent.iterdir()] == [
        "events.csv"
    ]
    assert done("append_csv", tmp_path, received_at=PAST, d=3)["new_columns"] == []
    assert rows(path)[-1] == [PAST, "", "", "3"]


def test_append_csv_writes_semicolons_into_a_file_that_has_them(tmp_path: Path) -> None:
    path = tmp_path / "files/events.csv"
    path.parent.mkdir()
    path.write_text('received_at;"name, whole"\r\n', "utf-8")
    done("append_csv", tmp_path, received_at=PAST, **{"name, whole": "a;b,c", "more": 1})
    assert rows(path, ";") == [["received_at", "name, whole", "more"], [PAST, "a;b,c", "1"]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", [["received_at", "a"]]),
        (BOM, [["received_at", "a"]]),
        (b"a,received_at", [["a", "received_at"]]),
        (b"received_at,a\r\nx,1", [["received_at", "a"], ["x", "1"]]),
        (b'received_at,a\r\nx,"torn in a quo', [["received_at", "a"], ["x", "torn in a quo"]]),
        (b'received_at,a\r\nx,"torn\r\nand\n', [["received_at", "a"], ["x", "torn\r\nand\n"]]),
        (b'received_at,a\r\nx,"5"""', [["received_at", "a"], ["x", '5"']]),
        (b"received_at,a\nx,1\n", [["received_at", "a"], ["x", "1"]]),
    ],
)
def test_a_row_torn_by_a_crash_or_an_editor_swallows_none(
    tmp_path: Path, before: bytes, after: list[list[str]]
) -> None:
    path = tmp_path / "files/events.csv"
    path.parent.mkdir()
    for more in ({}, {"new": "2"}):
        path.write_bytes(before)
        done("append_csv", tmp_path, bom=False, received_at=PAST, a="9", **more)
        found = rows(path)
        assert len(found) == len(after) + 1
        assert [row[: len(old)] for row, old in zip(found, after, strict=False)] == after
        last = dict(zip(found[0], found[-1], strict=True))
        assert last == {"received_at": PAST, "a": "9", **more}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"gr\xfc\xdfe,a\r\n", "is not UTF-8"),
        (b'a,"b\r\nno end', "without its end"),
        (b"a" * 2**21, "is it a CSV file"),
        (b"a\rb\r\n", "is not valid CSV"),
    ],
)
def test_append_csv_leaves_an_unsuitable_file_unchanged(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "files/events.csv"
    path.parent.mkdir()
    path.write_bytes(content)
    assert words in failed("append_csv", tmp_path, a=1)
    assert path.read_bytes() == content


def test_append_csv_has_bounded_columns(tmp_path: Path) -> None:
    """A form that hands on whatever fields it is sent must not make columns without end."""
    done("append_csv", tmp_path, **{f"c{n}": n for n in range(MAX_COLUMNS - 1)})
    assert "at most 500" in failed("append_csv", tmp_path, one_more=1)
    assert done("append_csv", tmp_path, c7="still")["new_columns"] == []
    assert "at most 200" in failed("append_csv", tmp_path, **{"x" * 201: 1})
    assert "two inputs have the column 'a\\nb'" in failed(
        "append_csv", tmp_path, **{"a\rb": 1, "a\nb": 2}
    )


def test_append_csv_mixes_no_rows_however_many_write_and_widen(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        states = list(
            pool.map(
                lambda n: (
                    run(
                        READY_FLOWS["append_csv"], tmp_path, n=n, **{f"c{n % 10}": "x\n" * 5000}
                    ).state
                ),
                range(40),
            )
        )
    assert set(states) == {LocalState.DONE}
    header, *found = rows(tmp_path / "files/events.csv")
    assert sorted(int(row[1]) for row in found) == list(range(40)) and {
        len(row) for row in found
    } == {12}
    assert sorted(header) == sorted(["received_at", "n", *(f"c{n}" for n in range(10))])


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.flows.ready import files

    path = tmp_path / "files/events.csv"
    done("append_csv", tmp_path, a="1")
    before = path.read_bytes()
    real = files.os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 3:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:2])

    monkeypatch.setattr(files.os, "write", full)
    assert (
        failed("append_csv", tmp_path, a="2")
        == "the file cannot be written: No space left on device"
    )
    assert (
        failed("append_csv", tmp_path, b="2")
        == "the file cannot be written: No space left on device"
    )
    assert failed("append_jsonl", tmp_path, file="events.csv", b="2").endswith(
        "No space left on device"
    )
    assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == [
        "events.csv"
    ]


@pytest.mark.parametrize(
    "file", ["../x", "/etc/x", "a/../../x", "", "a/", "a\0b", "a\\b", 7, None, "x" * 300, "\ud800"]
)
def test_append_csv_stays_in_its_folder(tmp_path: Path, file: Any) -> None:
    assert failed("append_csv", tmp_path / "data", file=file, n=1).startswith("file: ")
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_append_csv_writes_to_ordinary_files_only(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    os.mkfifo(tmp_path / "files/pipe.csv")
    (tmp_path / "outside.csv").write_bytes(b"a\r\n")
    (tmp_path / "files/link.csv").symlink_to(tmp_path / "outside.csv")
    assert "not a regular file" in failed("append_csv", tmp_path, file="pipe.csv", n=1)
    assert failed("append_csv", tmp_path, file="link.csv", n=1).startswith("file: ")
    assert (tmp_path / "outside.csv").read_bytes() == b"a\r\n"


def test_append_csv_makes_columns_of_the_fields_of_a_form(tmp_path: Path) -> None:
    """They cannot choose the file, and take no column that the route gives."""
    fields = {"file": "../x", "bom": "maybe", "=cmd": "=1"}
    assert (
        done("append_csv", tmp_path, id=5, fields=fields, received_at=PAST)["file"] == "events.csv"
    )
    assert rows(tmp_path / "files/events.csv") == [
        ["received_at", "id", "file", "bom", "'=cmd"],
        [PAST, "5", "../x", "maybe", "'=1"],
    ]
    assert "two inputs have the column 'id'" in failed(
        "append_csv", tmp_path, id=5, fields={"id": 6}
    )
    assert done("append_csv", tmp_path, fields="a text")["new_columns"] == ["fields"]
    assert (
        done("append_csv", tmp_path, fields=None)["new_columns"]
        == done("append_csv", tmp_path, fields={})["new_columns"]
        == []
    )


# -- all of them
# --------------------------------------------------------------------------------------------------


def test_each_flow_describes_itself_and_its_inputs() -> None:
    assert list(READY_FLOWS) == [
        "echo",
        "fail",
        "sleep",
        "append_jsonl",
        "append_csv",
        "send_email",
        "http_request",
        "slack_message",
    ]
    for name, one in READY_FLOWS.items():
        first = one.description.splitlines()[0]
        assert first.endswith(".") and len(first) <= 140, name
        assert all(each.type for each in one.inputs), name


@pytest.mark.usefixtures("new_processes")
def test_knowing_them_costs_nothing() -> None:
    """What reaches the world is loaded by the run that needs it."""
    heavy = {"smtplib", "requests", "urllib3", "email.message", "bridge.system.http_client"}
    code = f"import sys, bridge.flows.ready; print(*({heavy} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "\n"
    )
