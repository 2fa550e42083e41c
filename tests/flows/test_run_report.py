"""How a run ended, by the report of its process and by how that ended."""

from __future__ import annotations

import signal
from typing import Any

import orjson
import pytest

from bridge.core.local_runs import LocalState
from bridge.flows.process.run_supervisor import read_run_end
from bridge.flows.types import MAX_SAVED_FILES

DONE = {"state": "DONE", "outputs": {"a": 1}}
FAILED = {"state": "FAILED", "reason": "KeyError: 'a'", "traceback": "Traceback"}
SHA256 = "0" * 64
EXITED_WITH_3 = 3 << 8


def lines(*reports: Any) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in reports)


def test_a_report_has_the_outputs_or_the_reason() -> None:
    end, reason = read_run_end(lines(DONE), 0)
    assert (end.state, end.outputs, reason) == (LocalState.DONE, {"a": 1}, None)
    end, reason = read_run_end(lines(FAILED), 0)
    assert (end.state, end.outputs, reason) == (LocalState.FAILED, {}, "KeyError: 'a'")
    assert end.traceback == "Traceback"


@pytest.mark.parametrize(
    "wrong",
    [
        b"no JSON\n",
        b'{"state": "DONE", "outp',
        lines({"state": "DONE", "outputs": [1]}),
        lines({"state": "FAILED", "reason": 1, "traceback": None}),
        lines([DONE]),
    ],
)
def test_a_line_that_is_no_report_is_ignored(wrong: bytes) -> None:
    end, reason = read_run_end(wrong, EXITED_WITH_3)
    assert end.state == LocalState.FAILED
    assert reason == "The flow's process ended with code 3 and no result"
    assert read_run_end(lines(DONE) + wrong, 0)[0].state == LocalState.DONE


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (signal.SIGSEGV, "The flow's process died: SIGSEGV"),
        (
            signal.SIGKILL,
            "The flow's process died: SIGKILL"
            " (not sent by flowbridge; the kernel sends it when memory runs out)",
        ),
        (42, "The flow's process died: signal 42"),
    ],
)
def test_a_process_that_a_signal_ended_says_which(status: int, words: str) -> None:
    assert read_run_end(b"", status)[1] == words


def test_a_run_that_was_ended_is_done_only_if_it_said_so() -> None:
    late = "The run was over its time limit of 1 s."
    for said in (b"", lines(FAILED)):
        end, reason = read_run_end(said, signal.SIGTERM, late)
        assert (end.state, reason) == (LocalState.FAILED, late)
        end, reason = read_run_end(said, signal.SIGTERM, LocalState.TERMINATED)
        assert (end.state, reason) == (LocalState.TERMINATED, None)
    assert read_run_end(lines(DONE), 0, late)[0].state == LocalState.DONE


def test_files_are_reported_with_their_digests() -> None:
    good = {"file": ["a.txt", SHA256, 7]}
    wrong = (["a.txt", "0" * 63, 7], ["a.txt", SHA256, -1], ["a.txt", SHA256, 2**53], ["a.txt"])
    reported = lines(good, *({"file": one} for one in wrong), DONE)
    assert read_run_end(reported, 0)[0].files == [("a.txt", SHA256, 7)]
    assert read_run_end(lines(good), EXITED_WITH_3)[0].files == [("a.txt", SHA256, 7)]


def test_the_latest_file_of_a_name_counts() -> None:
    other = "1" * 64
    names = [str(number) for number in range(MAX_SAVED_FILES)]
    reports = [{"file": [name, SHA256, 7]} for name in ["again", *names]]
    (again, *others) = read_run_end(lines(*reports, {"file": ["again", other, 8]}), 0)[0].files
    assert again == ("again", other, 8)
    assert [name for name, _, _ in others] == names[:-1]
