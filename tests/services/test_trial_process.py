"""The process of a trial: its limits, what it cannot reach, and the results that are stored."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from records import make_event
from scheduling import lowered

from bridge.core.errors import BridgeError, KeyMissing, NotFound
from bridge.core.timings import TIMINGS
from bridge.services.trials import results, runner
from bridge.services.trials.evaluation import TrialEvaluation, evaluate_trial
from bridge.services.trials.messages import (
    MEMORY_EXIT_CODE,
    EncryptedEvent,
    GivenText,
    TrialConfigs,
    TrialDetails,
)
from bridge.services.trials.program import FIRST_TEXT
from bridge.services.trials.results import (
    DONE,
    FAILED,
    MAX_RESULTS,
    RUNNING,
    TrialBusy,
    TrialFolder,
    TrialRecord,
)
from bridge.services.trials.runner import TrialFailed, evaluate_apart
from bridge.store.encryption import Sealer
from bridge.system.ids import trial_id
from bridge.system.process_limits import LIMITED_NICENESS

CONFIGS = TrialConfigs(GivenText(FIRST_TEXT), GivenText(FIRST_TEXT))
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
#: Run after everything that an evaluation needs is imported, behind the fence.
TRIES = """
import os, socket, subprocess, sys
sys.path.append(sys.argv[1])
from bridge.services.trials import program
from bridge.system import seccomp
from bridge.system.process_limits import limit_process
limit_process(program.TRIAL_LIMITS)
priority = os.nice(0)
held = program.load_modules()
seccomp.install_filter()
tried = {"read": lambda: open("/etc/hostname"), "write": lambda: open("/tmp/x", "w"),
         "list": lambda: os.listdir("/"), "connect": lambda: socket.socket(),
         "start": lambda: os.fork(), "environment": lambda: os.environ["PATH"]}
done = []
for name, act in tried.items():
    try:
        act()
        done.append(name)
    except (PermissionError, KeyError):
        pass
try:
    bytearray(2 ** 30)
    done.append("memory")
except MemoryError:
    pass
os.write(1, ('{"problems": [], "done": %s, "nice": %d}' % (done, priority)).encode())
"""


@pytest.mark.usefixtures("new_processes")
def test_behind_the_fence_nothing_is_read_connected_or_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", "s" * 40)
    monkeypatch.setattr(runner, "PROGRAM", TRIES)
    niceness = lowered(os.nice(0), LIMITED_NICENESS)
    assert evaluate_apart(CONFIGS, [], 300.0) == {"problems": [], "done": [], "nice": niceness}


@pytest.mark.usefixtures("new_processes")
def test_the_fenced_process_evaluates_as_this_one_does() -> None:
    """Whatever is imported or read late would fail there."""
    bodies = {
        "application/json": b'{"a": "b", "n": 1234567, "at": "2026-03-01T12:00:00Z"}',
        "application/x-www-form-urlencoded": b"payload=%7B%22a%22%3A%22b%22%7D",
    }
    zones = ("Asia/Kolkata", "America/New_York", "No/Where")
    times = ", ".join(
        f"t{n}: \"${{format_time(body.at, '%H:%M %A', '{zone}')}}\"" for n, zone in enumerate(zones)
    )
    text = FIRST_TEXT.replace("inputs: {", f"inputs: {{{times}, ")
    schema = "{type: object, properties: {a: {format: date-time}, n: {format: uuid}}}"
    other = text.replace("inputs_schema: {", f"inputs_schema: {schema}\n    # {{")
    events = [
        make_event(f"p{number}", type="issues", body=body, headers={"content-type": kind})
        for number, (kind, body) in enumerate(bodies.items())
    ]
    configs = TrialConfigs(GivenText(other), GivenText(text), explains=True)
    found = evaluate_apart(configs, events, 300.0)
    assert found == orjson.loads(evaluate_trial(configs, events))
    assert found["events"] == 2 and found["skipped"] == {}
    assert len(found["explanations"]) == 2


@pytest.mark.usefixtures("new_processes")
def test_the_fenced_process_adds_the_details_of_a_page() -> None:
    events = [make_event(f"p{number}", type="issues", body=b'{"a": "b"}') for number in range(2)]
    misspelt = FIRST_TEXT.replace("body.a:", "body.acton:")
    for text, expression in ((FIRST_TEXT, "upper(body.a)"), (misspelt, "a ${b"), (": [", "body.a")):
        details = TrialDetails(event_id=events[1].id, expression=expression)
        configs = TrialConfigs(GivenText(text), GivenText(FIRST_TEXT), details=details)
        found = evaluate_apart(configs, events, 300.0)
        assert found == orjson.loads(evaluate_trial(configs, events))
        is_usable = text != ": ["
        assert len(found["planned"]) == 2 * is_usable  # type: ignore[arg-type]  # of JSON
        assert (found["explanation"] is not None) == is_usable
        assert found["expression"]["error" if "{" in expression else "text"]  # type: ignore[index,call-overload]  # of JSON


def test_the_details_are_of_the_plans_that_are_compared() -> None:
    """The type of the event is read as each configuration reads it."""
    text = FIRST_TEXT.replace("on: github", "on: github b").replace("\n    match", "\n    # match")
    after = text.replace("secret: ", 'event_type: "body:a", secret: ')
    event = make_event("p", type="issues", body=b'{"a": "b", "n": 1}')
    configs = TrialConfigs(GivenText(after), GivenText(text), details=TrialDetails())
    found = orjson.loads(evaluate_trial(configs, [event]))
    assert (found["summary"]["new"] + found["summary"]["dead"], found["changes"] != []) == (1, True)
    (one,) = found["planned"]
    assert (one["before"], [each["route"] for each in one["after"]]) == ([], ["first"])


def test_values_of_any_depth_do_not_end_a_trial(tmp_path: Path) -> None:
    """The depth at which the body alone can be written, and the result around it cannot."""
    given = FIRST_TEXT.replace('secret: "', 'max_depth: 500, secret: "')
    text = given[: given.index("    match:")] + '    inputs: {a: "${body}"}\n    flow: local/echo\n'
    before, after = GivenText(text), GivenText(text.replace("inputs: {a:", "inputs: {b:"))
    for depth in (240, 246, 249, 250, 252, 254, 300, 500):
        body = b'{"a":' * depth + b"1" + b"}" * depth
        event = make_event("p", type="issues", body=body)
        details = TrialDetails(event_id=event.id, expression="body")
        configs = TrialConfigs(after, before, explains=True, details=details)
        found = orjson.loads(evaluate_trial(configs, [event]))
        assert [one["change"] for one in found["changes"]] == ["inputs"], depth
        assert found["explanations_complete"] and len(found["explanations"]) == 1, depth
        assert found["explanation"] == found["explanations"][0], depth
        assert (found["expression"]["type"], found["expression"]["error"]) == ("object", None)
        one = record(1e9, ended_at=1e9 + 1, result=found)
        with os.fdopen(folder(tmp_path).take()):
            folder(tmp_path).write(one)
        assert folder(tmp_path).read(one.id) == one


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("program", "seconds", "said"),
    [
        ("import time; time.sleep(1000)", 0.2, "it took longer than 0.2 s"),
        (f"raise SystemExit({MEMORY_EXIT_CODE})", 300.0, "more than 256 MiB of memory"),
        ("import os; os.kill(os.getpid(), 24)", 300.0, "more than 5 s of processor time"),
        ("pass", 300.0, "without a whole result"),
        ('import os; os.write(1, b\'{"error": "why"}\')', 300.0, "why"),
    ],
)
def test_a_process_without_a_result(
    monkeypatch: pytest.MonkeyPatch, program: str, seconds: float, said: str
) -> None:
    monkeypatch.setattr(runner, "PROGRAM", program)
    with pytest.raises(TrialFailed, match=said):
        evaluate_apart(CONFIGS, [make_event(body=b"x" * 200_000)], seconds)


@pytest.mark.usefixtures("new_processes")
def test_the_limit_of_processor_time_ends_it_by_its_signal() -> None:
    program = (
        "from bridge.system.process_limits import *\n"
        "limit_process(ProcessLimits(memory_bytes=2**30, cpu_seconds=1, output_bytes=9,"
        " grace_seconds=1))\nwhile True: pass"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert done.returncode == -24  # SIGXCPU


def test_changes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.services.trials.evaluation.MAX_CHANGE_BYTES", 500)
    text = FIRST_TEXT.replace("required: [b]", "required: [a]")
    after = GivenText(text.replace("inputs: {a:", "inputs: {c: d, a:"))
    events = [make_event(f"p{number}", body=b'{"a":"b","n":1,"b":2}') for number in range(9)]
    one = TrialEvaluation(TrialConfigs(after, GivenText(text)))
    for event in events:
        one.take(event)
    found = orjson.loads(one.write())
    assert found["changes_complete"] is False and 0 < len(found["changes"]) < 9
    assert found["summary"]["changed"] == 9


def test_explanations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.services.trials.explanations.MAX_EXPLANATION_BYTES", 5000)
    events = [make_event(f"p{number}", type="issues", body=b'{"a":"b"}') for number in range(9)]
    configs = TrialConfigs(GivenText(FIRST_TEXT), GivenText(FIRST_TEXT), explains=True)
    found = orjson.loads(evaluate_trial(configs, [*events, EncryptedEvent("evt_1")]))
    assert found["explanations_complete"] is False and 0 < len(found["explanations"]) < 9
    one = orjson.loads(evaluate_trial(configs, [events[0]]))
    assert (len(one["explanations"]), one["explanations_complete"]) == (1, True)
    sealed = orjson.loads(evaluate_trial(configs, [EncryptedEvent("evt_1")]))
    assert (sealed["explanations"], sealed["explanations_complete"]) == ([], False)


# -- results


def folder(tmp_path: Path, *keys: str) -> TrialFolder:
    return TrialFolder(tmp_path, Sealer(keys))


def record(now: float, state: str = DONE, **changes: object) -> TrialRecord:
    made = TrialRecord(id=trial_id(now), state=state, created_at=now)
    return replace(made, **changes)  # type: ignore[arg-type]  # the names of its fields


def test_a_result_is_stored_as_it_was(tmp_path: Path) -> None:
    one = record(1e9, ended_at=1e9 + 1, result={"events": 3, "changes": [{"a": "secret text"}]})
    for keys in ((), (KEY,)):
        place = tmp_path / str(len(keys))
        with os.fdopen(folder(place, *keys).take()):
            folder(place, *keys).write(one)
        assert folder(place, *keys).read(one.id) == one
        file = place / "trials" / one.id
        assert (b"secret text" in file.read_bytes()) is not keys
        assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyMissing):
        folder(tmp_path / "1").read(one.id)


def test_a_trial_whose_process_ended_is_not_waited_for(tmp_path: Path) -> None:
    place = folder(tmp_path)
    one = record(1e9, RUNNING)
    with os.fdopen(place.take()):
        place.write(one)
        assert place.read(one.id).state == RUNNING
        with pytest.raises(TrialBusy), os.fdopen(folder(tmp_path).take()):
            pass
    found = place.read(one.id)
    assert (found.state, found.error) == (FAILED, results.INTERRUPTED)


def test_results_are_few_and_not_old(tmp_path: Path) -> None:
    place = folder(tmp_path)
    made = [record(1e9 + number) for number in range(MAX_RESULTS + 3)]
    with os.fdopen(place.take()):
        for one in made:
            place.write(one)
    assert place.prune(0.0) == 3
    with pytest.raises(NotFound):
        place.read(made[2].id)
    assert place.read(made[3].id) == made[3]
    old = tmp_path / "trials" / made[5].id
    os.utime(old, (100, 100))
    assert place.prune(200.0) == 1 and not old.exists()
    assert (tmp_path / "trials" / "lock").exists()
    assert TIMINGS.trial_result_seconds == 3600


def test_an_id_names_no_other_file(tmp_path: Path) -> None:
    for name in ("lock", "../x", "trl_" + "." * 26, ""):
        with pytest.raises(NotFound):
            folder(tmp_path).read(name)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "trials").write_text("a file")
    with pytest.raises(BridgeError, match="cannot be written"):
        folder(tmp_path).take()
