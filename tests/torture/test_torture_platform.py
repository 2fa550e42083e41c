"""The platform of the crash test: its answers to each fault, and its record of every start."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from processes import eventually, is_listening

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.status import OutcomeKind
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.torture import platform_faults
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.faulty_platform import FaultyPlatform, PlatformRequest
from bridge.torture.nodes import find_free_port
from bridge.torture.platform_faults import (
    FAULTS_BY_NAME,
    POLL_FAULTS,
    START_FAULTS,
    PlatformFault,
)
from bridge.torture.processes import Process
from bridge.torture.scenarios import CALL_TIMEOUT_SECONDS

LONG = 60.0  # seconds that an answer may take
SHORT = 1.0  # seconds to wait for a late answer, which never comes here
ONE_OF_EACH = """
import asyncio, sys
from dataclasses import replace
from bridge.torture import faulty_platform, platform_faults
faults = [platform_faults.FAULTS_BY_NAME[name] for name in sys.argv[1].split("|") if name]
faults = [replace(fault, delay=1e9) if fault.delay > platform_faults.CALL_TIMEOUT_SECONDS else fault for fault in faults]
platform_faults.choose_fault = lambda of, _random: faults.pop(0) if faults else platform_faults.OK
platform_faults.choose_run_result = lambda *_, **__: "DONE"
platform_faults.MAX_FAILED_STARTS = 1000
asyncio.run(faulty_platform.main())
"""


class PlatformProcess:
    """A platform in a separate process that answers with these faults, one after the other."""

    def __init__(self, folder: Path, *faults: str) -> None:
        self.folder = EvidenceFolder(folder)
        self.port = find_free_port()
        self.process = Process(
            "platform", [sys.executable, "-c", ONE_OF_EACH, "|".join(faults)], folder, os.environ
        )
        self.sender = HttpClient()
        self.number = 0
        self.patience = (
            SHORT
            if any(FAULTS_BY_NAME[name].delay > CALL_TIMEOUT_SECONDS for name in faults)
            else LONG
        )
        self.start()

    def start(self) -> None:
        settings = {
            "port": self.port,
            "record": str(self.folder.starts_file),
            "seed": 1,
            "api_key": "key",
            "user_id": "user",
            "faulty": True,
        }
        self.process.start(orjson.dumps(settings))
        eventually(lambda: is_listening(self.port))

    def post(self, path: str = "/api/v1/start_pipeline", **more: Any) -> Answer | NoAnswer:
        self.number += 1
        body = {
            "route": "held",
            "event": f"evt-{self.number}",
            "id": f"t-{self.number}",
            "key": "k",
        }
        body |= {"user_id": "user", "saved_item_id": "f"}
        headers = {
            "Authorization": "Bearer key",
            "Content-Type": "application/json",
            "Idempotency-Key": f"dlv-{self.number}",
        }
        return self.send(
            Call(
                method="POST",
                url=f"http://127.0.0.1:{self.port}{path}",
                headers=headers,
                body=orjson.dumps(body | more),
            )
        )

    def get(self, question: str) -> Answer | NoAnswer:
        return self.send(Call(method="GET", url=f"http://127.0.0.1:{self.port}/api/v1/{question}"))

    def send(self, call: Call) -> Answer | NoAnswer:
        return self.sender.send(call, Deadline.after(self.patience))


@pytest.fixture
def make_platform(tmp_path: Path) -> Iterator[Any]:
    made: list[PlatformProcess] = []

    def make(*faults: str) -> PlatformProcess:
        made.append(PlatformProcess(tmp_path, *faults))
        return made[-1]

    yield make
    for one in made:
        one.sender.close()
        one.process.kill()


def kind_of(answer: Answer | NoAnswer, platform: str) -> OutcomeKind:
    """Return the outcome that flowbridge derives from an answer."""
    if isinstance(answer, NoAnswer):
        return OutcomeKind.UNKNOWN if answer.sent else OutcomeKind.REFUSED
    return PLATFORMS[platform].read_start(answer, 0.0).kind


CERTAIN = {OutcomeKind.REFUSED, OutcomeKind.THROTTLED, OutcomeKind.REJECTED}


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("fault", START_FAULTS, ids=lambda fault: fault.name)
def test_each_fault_is_recorded_and_its_answer_is_truthful(
    make_platform: Any, fault: PlatformFault
) -> None:
    """A start that flowbridge considers refused was not executed; one it considers started was."""
    platform = make_platform(fault.name)
    kind = kind_of(platform.post(), "gumloop")
    expected = {} if fault.name == "ok" else {fault.name: 1}
    # only the record shows that a late request was accepted
    eventually(lambda: platform.folder.read_starts()[1] == expected)
    starts, faults, odd = platform.folder.read_starts()
    assert len(starts) == fault.executes and odd == 0
    assert faults == expected
    assert not (kind in CERTAIN and starts) and not (kind is OutcomeKind.STARTED and not starts)
    if fault.name == "ok":
        assert (starts[0].id, starts[0].event_id, starts[0].route, starts[0].key) == (
            "t-1",
            "evt-1",
            "held",
            "k",
        )
    assert (kind is OutcomeKind.STARTED) == (fault.name in ("ok", "slow"))


@pytest.mark.usefixtures("new_processes")
def test_a_post_without_runs_is_started_by_any_2xx_and_its_key_is_written_down(
    make_platform: Any,
) -> None:
    platform = make_platform("ok", "empty", "garbage")
    assert {kind_of(platform.post("/post"), "http") for _ in range(3)} == {OutcomeKind.STARTED}
    starts, _, _ = platform.folder.read_starts()
    assert [(start.platform, start.idempotency_key, start.run_id) for start in starts] == [
        ("http", f"dlv-{n}", None) for n in (1, 2, 3)
    ]


@pytest.mark.usefixtures("new_processes")
def test_an_invalid_start_is_refused_and_recorded(make_platform: Any) -> None:
    platform = make_platform()
    for wrong in ({"user_id": "other"}, {"event": None}, {"route": 7}):
        before = int(time.time())
        answer = platform.post(**wrong)
        assert isinstance(answer, Answer) and answer.status == 400
        assert before <= parsedate_to_datetime(answer.headers["date"]).timestamp() <= time.time()
    starts, _, odd = platform.folder.read_starts()
    assert (starts, odd) == ([], 3)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("fault", POLL_FAULTS, ids=lambda fault: fault.name)
def test_polls_of_a_run_have_faults_too(make_platform: Any, fault: PlatformFault) -> None:
    platform = make_platform("ok", fault.name)
    patience = platform.patience
    platform.patience = LONG
    run_id = orjson.loads(platform.post().body)["run_id"]
    platform.patience = patience
    answer = platform.get(f"get_pl_run?run_id={run_id}")
    read_run = PLATFORMS["gumloop"].read_run
    assert read_run is not None
    known = isinstance(answer, Answer) and read_run(answer).state is not None
    assert known == (fault.name == "ok")


@pytest.mark.usefixtures("new_processes")
def test_a_killed_platform_continues_with_its_record(make_platform: Any) -> None:
    platform = make_platform("ok", "reset though started")
    run_id = orjson.loads(platform.post().body)["run_id"]
    assert isinstance(platform.post(), NoAnswer)
    platform.process.kill()
    assert isinstance(platform.post(), NoAnswer)
    platform.process.command[-1] = ""  # no more faults
    platform.start()
    answer = platform.get(f"get_pl_run?run_id={run_id}")
    assert isinstance(answer, Answer) and orjson.loads(answer.body)["run_id"] == run_id
    listed = orjson.loads(platform.get("get_plrun_saved_item_map?saved_item_id=f").body)["f"]
    assert len(listed) == 2 and listed[1]["run_id"] == run_id
    assert len(platform.folder.read_starts()[0]) == 2


@pytest.mark.usefixtures("new_processes")
def test_faults_are_switched_off_at_once(make_platform: Any) -> None:
    platform = make_platform(*["500"] * 50)
    assert kind_of(platform.post(), "gumloop") is OutcomeKind.UNKNOWN
    platform.process.send_line(b"healthy")
    eventually(lambda: kind_of(platform.post(), "gumloop") is OutcomeKind.STARTED)
    assert kind_of(platform.post(), "gumloop") is OutcomeKind.STARTED


@pytest.mark.usefixtures("new_processes")
def test_so_many_starts_are_answered_with_429(make_platform: Any) -> None:
    platform = make_platform()
    platform.process.send_line(b"throttle 2")
    eventually(lambda: kind_of(platform.post(), "gumloop") is OutcomeKind.THROTTLED)
    answer = platform.post()
    assert isinstance(answer, Answer) and answer.headers["retry-after"] == "1"
    assert kind_of(platform.post(), "gumloop") is OutcomeKind.STARTED


def test_a_delivery_fails_only_a_limited_number_of_times(tmp_path: Path) -> None:
    """So that the drain finishes with any sequence of faults."""
    platform = FaultyPlatform(tmp_path / "starts.jsonl", "key", "user", Random(1))
    platform.open()
    asked = PlatformRequest("POST", "/post", {}, {})
    body = orjson.dumps({"route": "posted", "event": "e", "id": "t", "key": "k"})
    names = [
        platform.start_run(asked, body, FAULTS_BY_NAME["429"])[0].name
        for _ in range(platform_faults.MAX_FAILED_STARTS + 2)
    ]
    assert names == ["429"] * platform_faults.MAX_FAILED_STARTS + ["ok"] * 2
    again = FaultyPlatform(tmp_path / "starts.jsonl", "key", "user", Random(1))
    again.open()  # the record preserves the count after a kill
    assert again.start_run(asked, body, FAULTS_BY_NAME["429"])[0].name == "ok"


def test_runs_go_through_their_states_to_their_end() -> None:
    assert [platform_faults.state_at_age("DONE", 0.4, age) for age in (0.0, 0.2, 0.5)] == [
        "QUEUED",
        "RUNNING",
        "DONE",
    ]
    assert [platform_faults.state_at_age("ENDLESS", 0.4, age) for age in (0.2, 1e9)] == [
        "RUNNING",
        "RUNNING",
    ]
    assert [platform_faults.state_at_age("STRANGE", 0.4, age) for age in (0.2, 0.5)] == [
        "PAUSED BY AN ADMIN",
        "DONE",
    ]


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len(FAULTS_BY_NAME) == len(START_FAULTS) + len(POLL_FAULTS) - 1  # ok is in both
