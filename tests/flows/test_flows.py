"""Flows of the local platform: inputs, outputs, and a log for each run."""

# ruff: noqa: T201 - flows print
from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bridge.core.local_runs import LocalState
from bridge.flows import File, FlowError, WebhookInput, current, flow, log, run_flow, save_file
from bridge.flows.file_saver import FileSaver
from bridge.flows.ids import ALPHABET, new_run_id
from bridge.flows.loader import load_flows
from bridge.flows.process.log_buffer import MAX_LOG_LINE_CHARACTERS, MAX_RUN_LOG_LINES, LogBuffer
from bridge.store.blobs import SPARE, BlobStore


def run(function: Any, tmp_path: Path, **inputs: Any) -> Any:
    return run_flow(function, inputs, data_dir=tmp_path)


def test_the_signature_describes_the_inputs() -> None:
    @flow
    def greet(name: str, greeting: str = "Hello", count=3) -> dict:
        """Greets someone.

        At length.
        """
        return {"text": f"{greeting}, {name}!"}

    assert (greet.name, greet.description, greet.takes_any) == (
        "greet",
        "Greets someone.\n\nAt length.",
        False,
    )
    assert [(one.name, one.type, one.required, one.default) for one in greet.inputs] == [
        ("name", "str", True, None),
        ("greeting", "str", False, "Hello"),
        ("count", "", False, 3),
    ]
    assert greet("Ada") == {"text": "Hello, Ada!"}, (
        "a flow can still be called as the function it is"
    )
    assert flow(name="send-it")(lambda: None).name == "send-it"


def test_what_cannot_be_a_flow_is_refused_where_it_is_written() -> None:
    async def later() -> None: ...

    def many(*args: object) -> None: ...

    for function, words in [(later, "async"), (many, "args"), (lambda: None, "<lambda>")]:
        with pytest.raises(FlowError, match=words):
            flow(function)  # type: ignore[arg-type]
    with pytest.raises(FlowError, match="positional-only"):
        flow(name="f")(lambda a, /: None)


def test_a_run_gives_outputs_and_leaves_out_inputs_the_flow_has_not(tmp_path: Path) -> None:
    @flow
    def add(a: int, b: int = 2) -> dict[str, int]:
        print("adding", a, end=" ")
        print("and", b)
        log("done", a + b)
        return {"sum": a + b}

    result = run(add, tmp_path, a=1, unheard_of=True)
    assert (result.state, result.outputs, result.log) == (
        LocalState.DONE,
        {"sum": 3},
        ("adding 1 and 2", "done 3"),
    )
    assert run(flow(name="any")(lambda **inputs: inputs), tmp_path, b=1, a=[{}]).outputs == {
        "b": 1,
        "a": [{}],
    }
    assert run(flow(name="none")(lambda: None), tmp_path).outputs == {}


def test_a_missing_input_fails_the_run_and_is_named(tmp_path: Path) -> None:
    result = run(flow(name="f")(lambda a, b, c=1: None), tmp_path, b=1)
    assert (result.state, result.log) == (
        LocalState.FAILED,
        ("flow f: missing required inputs: a (required: a, b)",),
    )


def nested(levels: int) -> Any:
    """A list within lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([1], "returned list"),
        ("x", "returned str"),
        ({"a": object()}, "not JSON"),
        ({1: 2}, "not JSON"),
        ({"a": "x" * 2**20}, "the limit is 1048576"),
        ({"a": nested(250)}, "nest deeper than 250 levels"),
    ],
)
def test_outputs_are_a_json_object_of_at_most_a_mebibyte(
    tmp_path: Path, returned: Any, words: str
) -> None:
    result = run(flow(name="f")(lambda: returned), tmp_path)
    assert result.state is LocalState.FAILED and result.outputs == {} and words in result.log[-1]


def test_outputs_may_nest_250_levels(tmp_path: Path) -> None:
    deep = {"a": nested(249)}
    assert run(flow(name="f")(lambda: deep), tmp_path).outputs == deep


def test_an_exception_fails_the_run_and_only_its_last_line_is_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def breaks() -> None:
        print("so far", end="")
        raise KeyError("nope")

    result = run(breaks, tmp_path)
    assert result.state is LocalState.FAILED
    assert result.log[-1].endswith("KeyError: 'nope'") and "Traceback" not in "".join(result.log)
    assert "Traceback" in "".join(capsys.readouterr()), "the traceback is in our own log"
    assert run(flow(name="f")(lambda: sys.exit(3)), tmp_path).log == ("SystemExit: 3",)


def test_the_log_is_bounded_and_keeps_its_end(tmp_path: Path) -> None:
    @flow
    def chatty() -> None:
        for number in range(5000):
            print(number, "x" * 5000)
        raise ValueError("the end")

    lines = run(chatty, tmp_path).log
    assert (
        len(lines) == MAX_RUN_LOG_LINES
        and lines[-1] == "ValueError: the end"
        and max(map(len, lines)) == MAX_LOG_LINE_CHARACTERS
    )
    assert lines[0] == "(4002 earlier lines were dropped)"
    assert run(flow(name="f")(lambda: print("x" * 10**6, end="")), tmp_path).log == (
        "x" * (MAX_LOG_LINE_CHARACTERS - 1) + "…",
    )


def test_each_run_has_its_own_output_and_others_print_where_they_always_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    barrier = threading.Barrier(4, timeout=60)

    @flow
    def together(n: int) -> None:
        for _ in range(50):
            barrier.wait()
            print("run", n)

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(run, together, tmp_path, n=n) for n in range(3)]
        for _ in range(50):
            barrier.wait()
            print("outside")
        results = [one.result() for one in waiting]
    assert [set(one.log) for one in results] == [{"run 0"}, {"run 1"}, {"run 2"}] and {
        len(one.log) for one in results
    } == {50}
    assert capsys.readouterr().out == "outside\n" * 50


def test_current_is_known_inside_a_run_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(flow(name="f")(lambda: {"dir": str(current().data_dir)}), tmp_path).outputs == {
        "dir": str(tmp_path)
    }
    with pytest.raises(FlowError, match="only inside a run"):
        current()
    log("to", "stderr")
    assert capsys.readouterr().err == "to stderr\n"


# -- flows.py
# --------------------------------------------------------------------------------------------------


def test_flows_are_loaded_from_a_path_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "flows.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import asdict, dataclass\n"
        "from bridge.flows import flow\n"
        "@dataclass\nclass Pair:\n    a: int\n"
        "@flow\ndef one(a: int):\n    'First.'\n    return asdict(Pair(a))\n"
        "@flow(name='two-b')\ndef two(): ...\n"
    )
    before = set(sys.modules)
    flows = load_flows(path)
    assert set(flows) == {"one", "two-b"} and flows["one"].inputs[0].type == "int"
    assert run(flows["one"], tmp_path, a=5).outputs == {"a": 5}
    assert all(name.startswith("_flows_") for name in set(sys.modules) - before) and list(
        tmp_path.iterdir()
    ) == [path]
    path.write_text("from bridge.flows import flow\n@flow\ndef three(): ...\n")
    assert set(load_flows(str(path))) == {"three"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\nx = (\n", r"flows\.py:2: SyntaxError"),
        ("\n\nimport no_such_module_at_all\n", r"flows\.py:3: ModuleNotFoundError: No module"),
        ("def f():\n    return 1 / 0\n\nf()\n", r"flows\.py:2: ZeroDivisionError"),
        ("import sys\nsys.exit(1)\n", r"flows\.py:2: SystemExit"),
        (
            "from bridge.flows import flow\n@flow\ndef f(*a): ...\n",
            r"flows\.py:2: FlowError: flow 'f': \*a",
        ),
        (
            (
                "from bridge.flows import flow\nf = flow(name='a')(lambda: 1)\ng ="
                " flow(name='a')(lambda: 1)\n"
            ),
            "two flows are named 'a'",
        ),
        ("\0", "flows.py:1: "),
    ],
)
def test_a_broken_flows_file_says_where(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "flows.py").write_text(text)
    before = set(sys.modules)
    with pytest.raises(FlowError, match=found):
        load_flows(tmp_path / "flows.py")
    assert (
        not {name for name in set(sys.modules) - before if name.startswith("_flows_")}
        or "two flows" in found
    )


def test_a_missing_flows_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"flows\.py: No such file"):
        load_flows(tmp_path / "flows.py")


# -- ids
# --------------------------------------------------------------------------------------------------


def test_run_ids_have_the_platforms_shape() -> None:
    ids = {new_run_id() for _ in range(2000)}
    assert (
        len(ids) == 2000
        and all(len(one) == 22 and set(one) <= set(ALPHABET) for one in ids)
        and len(ALPHABET) == 57
    )


# -- what is kept of a log
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 4096, 65536, 10**9])
def test_the_tail_is_the_same_however_the_output_is_cut(size: int) -> None:
    written = b"".join(
        [
            b"x" * 9000 + b"\n",
            *(b"%d \xc3\xbc\xff\r\n" % n for n in range(2500)),
            b"\n" * 3,
            b"y" * 20_000,
        ]
    )
    if size == 1:
        written = written[-3000:]
    tail = LogBuffer()
    for at in range(0, len(written), size):
        tail.feed(written[at : at + size])
    whole = written.split(b"\n")
    kept = whole[-999:]
    expected = [line.decode("utf-8", "backslashreplace").rstrip("\r") for line in kept]
    expected = [
        line if len(line) <= MAX_LOG_LINE_CHARACTERS else line[: MAX_LOG_LINE_CHARACTERS - 1] + "…"
        for line in expected
    ]
    dropped = len(whole) - len(kept)
    assert (
        list(tail.lines())
        == ([f"({dropped} earlier lines were dropped)"] if dropped else []) + expected
    )


def test_the_tail_of_one_endless_line_is_its_beginning() -> None:
    tail = LogBuffer()
    for _ in range(1000):
        tail.feed(b"ab" * 50_000)
    assert tail.lines() == ("ab" * 999 + "a…",)
    tail.add("over")
    assert tail.lines()[1:] == ("over",)


# -- limits and special inputs


def test_a_quoted_annotation_is_the_type_in_the_quotes() -> None:
    def order(gift: "bool", note: "File", size: int) -> None:  # noqa: UP037 - the quotes matter
        """Order."""

    described = flow(name="order")(order)
    assert [field.type for field in described.inputs] == ["bool", "File", "int"]
    assert [field.kind for field in described.inputs] == ["text", "file", "text"]


# -----------------------------------------------------------------------------------------


def test_limits_are_numbers_or_amounts_and_are_described() -> None:
    @flow(idempotent=True, time_limit=1.5, memory="256MB")
    def careful(path: Path = Path("/tmp/x")) -> None:
        """Takes care."""

    described = careful.described("flows.py")
    assert (described.id, described.workbook, described.idempotent) == ("careful", "flows.py", True)
    assert (described.time_limit, described.memory) == (1.5, 256_000_000)
    assert described.inputs[0].default == "PosixPath('/tmp/x')", (
        "a default that is no JSON is shown as it is written"
    )
    for wrong in (
        {"time_limit": 0},
        {"time_limit": True},
        {"time_limit": "soon"},
        {"memory": "much"},
        {"memory": 5},
    ):
        with pytest.raises(FlowError, match=next(iter(wrong))):
            flow(name="f", **wrong)(lambda: None)  # type: ignore[call-overload]


def test_file_and_webhook_inputs_are_known_by_their_annotation(tmp_path: Path) -> None:
    path = tmp_path / "flows.py"
    path.write_text(
        "from __future__ import annotations\nfrom bridge.flows import File, WebhookInput,"
        " flow\n@flow\ndef one(payload: WebhookInput, image: File | None = None, text: Unheard ="
        " '', n: int = 1): ...\n"
    )
    assert [one.kind for one in load_flows(path)["one"].inputs] == ["body", "file", "text", "text"]
    assert [one.kind for one in flow(name="f")(special).inputs] == ["file", "body"]


def test_the_files_of_a_run_are_limited_and_leave_the_database_its_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[str, int]] = []
    save = FileSaver(tmp_path, lambda name, _, size: saved.append((name, size)), max_files=2)
    for name in ("a", "b", "a"):
        save(name, b"xy")
    with pytest.raises(FlowError, match="file 'c': a run can save at most 2 files"):
        save("c", b"")
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: SPARE + 1)
    with pytest.raises(FlowError, match="file 'a' cannot be saved: the disk is nearly full"):
        save("a", b"xy")
    assert saved == [("a", 2), ("b", 2), ("a", 2)]
    result = run(flow(name="f")(lambda: save_file("a", b"xy")), tmp_path)
    assert result.state is LocalState.FAILED and "nearly full" in result.log[-1]


def special(image: File, payload: WebhookInput) -> None: ...


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\0", "a\n", "ü" * 128, 7])
def test_a_file_is_saved_under_a_plain_name_only(tmp_path: Path, name: Any) -> None:
    result = run(flow(name="f")(lambda: save_file(name, b"x")), tmp_path)
    assert result.state is LocalState.FAILED and "file name" in result.log[-1]
