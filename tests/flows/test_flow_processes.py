"""Flows in their own processes: a failure ends only its own run, with a reason."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from folders import SUPPORT
from processes import call
from scheduling import lowered
from serving import Bridge, children_of, is_alive, until

from bridge.flows.process.forkserver import FLOW_NICENESS

pytestmark = pytest.mark.usefixtures("new_processes")

FLOWS = SUPPORT / "hostile_flows.py"
KEY = "k" * 32
USER = "u" * 28
ADMIN = {"Authorization": f"Bearer {'hidden-too' * 4}"}
SECRETS = {
    "FLOWBRIDGE_LOCAL_API_KEY": KEY,
    "FLOWBRIDGE_SECRET_KEY": "hidden" * 8,
    "FLOWBRIDGE_ADMIN_TOKEN": "hidden-too" * 4,
    "FLOWBRIDGE_ENCRYPTION_KEYS": urlsafe_b64encode(b"hidden-as-well".ljust(32)).decode(),
}
SHORT = {
    "lease_seconds": 5.0,
    "heartbeat_seconds": 0.3,
    "worker_missing_seconds": 3.0,
}
# seconds between SIGTERM and SIGKILL: one that is being ended is seen to be, even where everything
# stands still for a while
GRACE = 8.0
PATIENT = {
    "flow_stop_seconds": 60.0,
    "drain_seconds": 60.0,
}  # on a busy machine flows, which come last, wait for long
ROUTES = """
version: 1
platforms:
  local: {type: local, flows: flows.py, max_concurrent_runs: %d, overflow: %s}
flows:
  quick: {platform: local, saved_item_id: limited, time_limit: 300ms}
"""
OVER = ("DONE", "FAILED", "TERMINATED")


class Served(Bridge):
    """A `serve` with a flows.py, and its flow API."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        cap: int = 4,
        overflow: str = "queue",
        flows: str | None = None,
        **more: Any,
    ) -> None:
        (folder / "flows.py").write_text(FLOWS.read_text() if flows is None else flows)
        environ = {
            **SECRETS,
            "FLOWBRIDGE_LOCAL_USER_ID": USER,
            "SHOWN": "to flows",
            **more.pop("environ", {}),
        }
        timings = SHORT | {"flow_stop_seconds": GRACE} | more.pop("timings", {})
        super().__init__(
            folder,
            *arguments,
            routes=ROUTES % (cap, overflow),
            environ=environ,
            timings=timings,
            **more,
        )

    def api(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        target = f"/api/v1/{path}?{urlencode({'user_id': USER, **query})}"
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        return (
            self.get(target, headers)
            if method == "GET"
            else self.post(target, json.dumps(body or {}).encode(), headers)
        )

    def begin(self, flow: str, **inputs: Any) -> str:
        answer = self.api("POST", "start_pipeline", inputs, saved_item_id=flow)
        assert answer.status == 200, answer
        return answer.json["run_id"]

    def look(self, run_id: str) -> dict[str, Any]:
        return self.api("GET", "get_pl_run", run_id=run_id).json

    def wait(self, run_id: str) -> dict[str, Any]:
        return until(
            lambda: (run := self.look(run_id))["state"] in OVER and run, what="the end of a run"
        )

    def run_flow(self, name: str, **inputs: Any) -> dict[str, Any]:
        return self.wait(self.begin(name, **inputs))

    def running(self, run_id: str, line: str) -> None:
        """Wait until a run has written a line."""
        until(lambda: line in self.look(run_id)["log"], what=f"the line {line!r}")

    def rows(self, statement: str) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.exec_driver_sql(statement))

    @property
    def worker(self) -> int:
        """The process of the newest worker."""
        return next(
            (
                row[0]
                for row in self.rows("SELECT pid FROM worker ORDER BY started_at DESC LIMIT 1")
            ),
            0,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(autouse=True)
def bystander(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a flow does, the next one runs, and by the same worker."""
    if "served" not in request.fixturenames:
        yield
        return
    served = request.getfixturevalue("served")
    before = served.worker
    yield
    assert served.run_flow("echo", a=1)["outputs"] == {"a": 1}
    assert served.worker == before


# -- how a run ends


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("ends_process", "The flow's process ended with code 3 and no result"),
        ("leaves", "SystemExit: gone"),
        ("segfault", "The flow's process died: SIGSEGV"),
        ("killed", "The flow's process died: SIGKILL"),
        ("breaks", "KeyError: 'nope'"),
        ("unspeakable", r"ValueError: \udcff is no character"),
        ("verbose", "ValueError: at length: xxx"),
        ("endless", "The run was over its time limit of 0.5 s."),
        ("stops_itself", "The run was over its time limit of 0.5 s."),
        ("greedy", "MemoryError: over its memory limit of 64 MB"),
        ("leaky", "MemoryError: over its memory limit of 64 MB"),
    ],
)
def test_a_run_that_cannot_end_well_has_failed_and_its_log_says_why(
    served: Served, flow: str, words: str
) -> None:
    run = served.run_flow(flow)
    assert (run["state"], run["outputs"]) == ("FAILED", {})
    assert run["log"][-1].startswith(words)
    assert "Traceback" not in str(run["log"])


def test_a_report_that_the_flow_made_up_is_ignored(served: Served) -> None:
    run = served.run_flow("forges")
    assert (run["state"], run["outputs"]) == ("DONE", {"forged": True})


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("reports_much", "the outputs are 62700009 bytes of JSON; the limit is 1048576"),
        ("reports_depth", "the outputs are not JSON: Recursion limit reached"),
    ],
)
def test_outputs_that_the_flow_made_up_have_the_same_limits(
    served: Served, flow: str, words: str
) -> None:
    run = served.run_flow(flow)
    assert (run["state"], run["outputs"], run["log"][-1]) == ("FAILED", {}, words)


def test_files_that_the_flow_made_up_have_valid_names(served: Served) -> None:
    run_id = served.run_flow("reports_names")["run_id"]
    (row,) = served.rows(f"SELECT name FROM local_file WHERE run_id = '{run_id}'")  # noqa: S608
    assert row.name == "right"


def test_a_run_saves_a_limited_number_of_files(served: Served) -> None:
    run = served.run_flow("saves_many")
    assert run["log"] == ["file '1000': a run can save at most 1,000 files"]


def test_a_failure_names_the_lines_of_flows_py_in_the_log_of_the_run_and_in_ours(
    served: Served,
) -> None:
    line = FLOWS.read_text().splitlines().index('    raise KeyError("nope")') + 1
    run = served.run_flow("breaks")
    assert run["log"] == [
        "so far",
        f"  flows.py:{line} in breaks",
        f"KeyError: 'nope' (flows.py:{line})",
    ]
    (found,) = until(
        lambda: [
            each
            for each in served.log
            if each["event"] == "flow_failed" and each["run_id"] == run["run_id"]
        ]
    )
    assert 'raise KeyError("nope")' in found["traceback"]
    # the last line is what a terminal shows
    assert found["traceback"].splitlines()[-1] == f"KeyError (flows.py:{line})"


def test_an_ordinary_amount_of_memory_is_there(served: Served) -> None:
    assert served.run_flow("careful")["outputs"] == {"size": 20 * 1000**2}


def test_routes_yaml_sets_other_limits(served: Served) -> None:
    assert served.run_flow("limited")["log"] == ["The run was over its time limit of 0.3 s."]


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_never_ends_does_not_keep_a_run(served: Served, daemon: bool) -> None:
    run = served.run_flow("threads", daemon=daemon)
    assert (run["state"], run["outputs"]) == ("DONE", {"threads": 2})


def test_nothing_that_a_run_started_outlives_it(served: Served) -> None:
    run = served.run_flow("leaves_children")
    assert len(run["outputs"]["pids"]) == 3
    assert not any(map(is_alive, run["outputs"]["pids"]))


# -- what a run has


def test_a_run_has_nothing_of_the_bridge(served: Served, tmp_path: Path) -> None:
    run_id = served.begin("looks")
    found = served.wait(run_id)["outputs"]
    # its niceness is to count beside the bridge
    assert found["group"] == found["pid"] and found["session"] != found["pid"]
    targets = list(found["files"].values())
    assert not any(
        target.startswith("socket:") or str(served.folder / "data") in target for target in targets
    )
    assert found["files"]["0"] == "/dev/null"
    assert found["stdin"] == ""
    assert (found["nice"], found["oom"], found["core"], found["run_id"]) == (
        lowered(os.nice(0), FLOW_NICENESS),
        1000,
        [0, 0],
        run_id,
    )
    assert found["processors"] == len(os.sched_getaffinity(0))
    assert found["signals"] == ["0", "<built-in function default_int_handler>", "0", "0"]


def test_a_run_has_the_environment_without_our_secrets(served: Served) -> None:
    found = served.run_flow("looks")["outputs"]
    assert (found["environ"]["SHOWN"], found["environ"]["FLOWBRIDGE_DATA"]) == (
        "to flows",
        str(served.folder / "data"),
    )
    assert "SHOWN=to flows" in found["passed_on"]
    for name in (*SECRETS, "FLOWBRIDGE_DATABASE_URL"):
        assert name not in found["environ"]
        assert name not in found["passed_on"]


def test_everything_it_writes_is_in_its_log(served: Served) -> None:
    assert served.run_flow("talks")["log"] == [
        "printed",
        "to stderr",
        "logged 1",
        "warned",
        "a program",
        "its complaint",
        "not \\udcff UTF-8",
        "no end",
    ]


def test_files_come_and_go_by_name(served: Served) -> None:
    from bridge.core.local_runs import LocalFile
    from bridge.store.blobs import BlobStore
    from bridge.store.encryption import Sealer
    from bridge.store.local.platform_store import LocalPlatformStore

    keys = SECRETS["FLOWBRIDGE_ENCRYPTION_KEYS"].split(",")
    blobs = BlobStore(served.folder / "data" / "blobs", Sealer(keys))
    runs = LocalPlatformStore(served.database, lambda: None)
    file = LocalFile(
        user_id=USER, name="a.txt", sha256=blobs.store(b"content"), size=7, created_at=time.time()
    )
    runs.keep_file(file)
    run = served.run_flow("copies", document="a.txt")
    assert run["outputs"] == {"name": "copy of a.txt", "text": "content", "size": 7, "other": None}
    copy, note = (runs.file(USER, name, run["run_id"]) for name in ("copy of a.txt", "note.txt"))
    assert copy is not None
    assert note is not None
    assert (copy.sha256, blobs.read(note.sha256).decode()) == (file.sha256, "ü")
    for inputs, words in (
        ({"document": "b.txt"}, "document: there is no uploaded file 'b.txt'"),
        ({}, "missing required inputs"),
    ):
        assert words in served.run_flow("copies", **inputs)["log"][-1]
    died = served.run_flow("saves_and_dies")
    assert (died["state"], runs.file(USER, "saved.txt", died["run_id"]).size) == ("FAILED", 7)  # type: ignore[union-attr]


def test_an_input_takes_several_files(served: Served) -> None:
    from bridge.core.local_runs import LocalFile
    from bridge.store.blobs import BlobStore
    from bridge.store.local.platform_store import LocalPlatformStore

    blobs = BlobStore(served.folder / "data" / "blobs")
    runs = LocalPlatformStore(served.database, lambda: None)
    for name in ("one", "three"):
        sha256 = blobs.store(name.encode())
        runs.keep_file(
            LocalFile(
                user_id=USER,
                name=f"{name}.txt",
                sha256=sha256,
                size=len(name),
                created_at=time.time(),
            )
        )
    for documents, more, expected in (
        ("one.txt", ["three.txt"], {"sizes": [3], "is_list": False, "more": ["three.txt"]}),
        (["one.txt", "three.txt"], [], {"sizes": [3, 5], "is_list": True, "more": []}),
        ([], None, {"sizes": [], "is_list": True, "more": []}),
    ):
        assert served.run_flow("measures", documents=documents, more=more)["outputs"] == expected
    for documents, words in (
        (["one.txt", "b.txt"], "there is no uploaded file 'b.txt'"),
        (["one.txt"] * 101, "name 101 files; at most 100"),
        (["one.txt", ["three.txt"]], "there is no uploaded file ['three.txt']"),
    ):
        assert words in served.run_flow("measures", documents=documents)["log"][-1]


def test_a_webhook_input_has_the_whole_body_as_it_came(served: Served) -> None:
    answer = served.api("POST", "start_pipeline", {"b": [1, {"c": "ü"}]}, saved_item_id="whole")
    found = served.wait(answer.json["run_id"])["outputs"]
    assert (json.loads(found["payload"]), found["type"]) == ({"b": [1, {"c": "ü"}]}, "str")


# -- floods


def peak_memory(pid: int) -> int:
    """The most memory that a process ever had, in megabytes."""
    line = next(
        one
        for one in Path(f"/proc/{pid}/status").read_text().splitlines()
        if one.startswith("VmHWM")
    )
    return int(line.split()[1]) // 1024


def test_a_flood_of_output_costs_the_run_alone(served: Served) -> None:
    before = peak_memory(served.worker)
    run_id = served.begin("flood", megabytes=200)
    others = [served.run_flow("echo", n=number)["state"] for number in range(5)]
    run = served.wait(run_id)
    assert others == ["DONE"] * 5
    assert (run["state"], len(run["log"]), run["log"][-1]) == ("DONE", 1000, "the end")
    assert run["log"][0] == f"({200 * 10_000 + 1 - 999} earlier lines were dropped)"
    assert set(run["log"][1:-1]) == {"x" * 99}
    assert peak_memory(served.worker) - before < 20


def test_a_line_without_an_end_is_cut(served: Served) -> None:
    run = served.run_flow("endless_line", megabytes=50)
    assert run["log"] == ["y" * 1999 + "…"]


def test_a_log_is_seen_while_the_run_goes_on(served: Served) -> None:
    run_id = served.begin("mutters", seconds=600)
    served.running(run_id, "begun")
    assert served.look(run_id)["state"] == "RUNNING"
    served.api("POST", "kill_pipeline", {"run_id": run_id})
    assert served.wait(run_id)["log"] == ["begun"]


# -- runs that are told to end


def test_a_running_run_is_terminated(served: Served) -> None:
    run_id = served.begin("deaf")
    served.running(run_id, "cannot hear")
    asked = time.monotonic()
    assert served.api("POST", "kill_pipeline", {"run_id": run_id}).json == {
        "success": True,
        "run_id": run_id,
    }
    assert served.look(run_id)["state"] == "TERMINATING"
    assert served.wait(run_id)["state"] == "TERMINATED"
    assert time.monotonic() - asked >= GRACE, "by force, after SIGTERM was ignored for so long"


def test_a_run_may_tidy_up_before_it_is_terminated(tmp_path: Path) -> None:
    with Served(tmp_path, timings=PATIENT) as served:
        run_id = served.begin("tidies_up", file=str(tmp_path / "tidy"))
        served.running(run_id, "ready")
        served.api("POST", "kill_pipeline", {"run_id": run_id})
        assert served.wait(run_id)["state"] == "TERMINATED"
    assert (tmp_path / "tidy").read_text() == "tidied up"


def test_a_queued_run_is_terminated_and_never_begins(served: Served, tmp_path: Path) -> None:
    busy = [served.begin("mutters", seconds=600) for _ in range(4)]
    for one in busy:
        served.running(one, "begun")
    assert [served.look(one)["state"] for one in busy] == ["RUNNING"] * 4
    queued = served.begin("stamps", file=str(tmp_path / "stamps"), number=1)
    assert served.look(queued)["state"] == "QUEUED"
    for one in (queued, *busy):
        served.api("POST", "kill_pipeline", {"run_id": one})
    assert [served.wait(one)["state"] for one in (queued, *busy)] == ["TERMINATED"] * 5
    assert not (tmp_path / "stamps").exists()


def test_a_run_takes_less_than_the_start_of_an_interpreter(served: Served) -> None:
    def taken(do: Callable[[], object]) -> float:
        started = time.monotonic()
        do()
        return time.monotonic() - started

    interpreter = [sys.executable, "-c", "import bridge.runtime.services"]
    least = min(taken(lambda: subprocess.run(interpreter, check=True)) for _ in range(2))
    until(
        lambda: taken(lambda: served.run_flow("echo")) < least,
        what="a run that takes less, and has not waited for others",
    )


# -- crashes


def spans(file: Path, killed_at: float) -> list[tuple[float, float]]:
    """From when to when each process of a run was at work; one that was cut off was until then."""
    begins = {}
    ends = {}
    for line in file.read_text().splitlines():
        what, _, pid, at = line.split()
        (begins if what == "begins" else ends)[pid] = float(at)
    return [(start, ends.get(pid, killed_at)) for pid, start in begins.items()]


def peak(found: list[tuple[float, float]]) -> int:
    moments = sorted([(start, 1) for start, _ in found] + [(end, -1) for _, end in found])
    most = 0
    now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


WAITS = """
@flow(idempotent=True)
def waits_again(file: str, number: int, go: str) -> dict:
    _stamp(file, "begins", number)
    while not os.path.exists(go):
        time.sleep(0.05)
    return {"number": number}
"""


def test_the_runs_of_a_killed_worker_are_gone_and_run_again_where_their_flow_says_so(
    tmp_path: Path,
) -> None:
    with Served(tmp_path, flows=FLOWS.read_text() + WAITS) as served:
        file = tmp_path / "stamps"
        go = tmp_path / "go"
        once = served.begin("stamps", file=str(file), number=1, seconds=600)
        again = served.begin("waits_again", file=str(file), number=2, go=str(go))
        until(lambda: file.exists() and len(file.read_text().splitlines()) == 2, what="two runs")
        pids = [int(line.split()[2]) for line in file.read_text().splitlines()]
        os.kill(served.worker, signal.SIGKILL)
        until(lambda: not any(map(is_alive, pids)), what="the end of their processes")
        go.touch()
        failed = served.wait(once)
        done = served.wait(again)
        assert (failed["state"], failed["log"]) == (
            "FAILED",
            ["The run was interrupted: the worker that executed it died."],
        )
        assert (done["state"], done["outputs"]) == ("DONE", {"number": 2})
        assert "It is run again." in done["log"][0]


def host_and_generation(served: Served) -> tuple[int, int]:
    """The flow host, and the process that has loaded flows.py."""
    (host,) = children_of(served.worker)
    (generation,) = until(lambda: children_of(host), what="a generation")
    return host, generation


def test_the_death_of_the_forkserver_ends_no_run(tmp_path: Path) -> None:
    with Served(tmp_path, timings=PATIENT) as served:
        assert served.run_flow("echo")["state"] == "DONE"
        worker = served.worker
        host, generation = host_and_generation(served)
        first = served.begin("mutters", seconds=1)
        served.running(first, "begun")
        os.kill(generation, signal.SIGKILL)
        assert served.run_flow("echo")["state"] == "DONE"
        assert served.wait(first)["state"] == "DONE"
        assert served.worker == worker
        second = served.begin("mutters", seconds=1)
        served.running(second, "begun")
        os.kill(host, signal.SIGKILL)
        assert served.wait(second)["state"] == "DONE"
        assert served.run_flow("echo")["state"] == "DONE"
        assert served.worker != worker, (
            "a worker cannot make another host, so there is another worker"
        )


def test_the_death_of_its_keeper_is_the_end_of_a_run(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        run_id = served.begin("stamps", file=str(tmp_path / "stamps"), number=1, seconds=600)
        until((tmp_path / "stamps").exists, what="a run")
        _, generation = host_and_generation(served)
        (keeper,) = children_of(generation)
        (process,) = children_of(keeper)
        os.kill(keeper, signal.SIGKILL)
        assert served.wait(run_id)["log"] == [
            "The run was interrupted: its supervisor process died."
        ]
        until(lambda: not is_alive(process), what="the end of its process")
        assert served.run_flow("echo")["state"] == "DONE"


WITHOUT_A_WORD = """
import os, sys
from pathlib import Path
from bridge.flows import flow
from bridge.flows.process import child
from bridge.flows.process.protocol import RunSpec

@flow
def touch(): Path(sys.argv[1]).touch()

spec = RunSpec(run_id="r", flow="touch", inputs="{}", data=".", time_limit=60.0, memory=2**28)
(result, says), (waits, go), keeper = os.pipe(), os.pipe(), os.getpid()
pid = os.fork()
if pid == 0:
    child.run(touch, spec, child.RunPipes(os.open(os.devnull, os.O_WRONLY), says, waits, (result, go)), keeper, 2**15)
os.close(waits)
if sys.argv[2] == "go":
    os.write(go, child.START_SIGNAL)
os.close(go)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize(("word", "code", "ran"), [("go", 0, True), ("", 70, False)])
def test_a_run_begins_when_the_worker_knows_of_it(
    tmp_path: Path, word: str, code: int, ran: bool
) -> None:
    """A keeper that dies before it said so has begun nothing: the run is begun again, and its flow
    must not have run already.
    """
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_WORD, tmp_path / "ran", word], check=False, timeout=60
    )
    assert (ended.returncode, (tmp_path / "ran").exists()) == (code, ran)


AT_ONCE = """
import os, socket, sys, time
from pathlib import Path
from bridge.flows import flow
from bridge.flows.process import run_supervisor, child
from bridge.flows.process.protocol import FRAME_ENDED, FRAME_KILL, FrameDecoder, RunSpec, parse_run_end

@flow
def touch(): Path(sys.argv[1]).touch()

def slowly(own_group=child.start_process_group):
    time.sleep(1.0)
    start_process_group()

child.start_process_group = slowly
ours, theirs = socket.socketpair()
ours.send(FRAME_KILL)
if os.fork() == 0:
    ours.close()
    spec = RunSpec(run_id="r", flow="touch", inputs="{}", data=".", time_limit=1e6, stop_seconds=1e6, memory=2**28)
    run_supervisor.supervise_run(touch, spec, theirs, 2**15)
    os._exit(0)
theirs.close()
frames, said = FrameDecoder(), {}
while data := ours.recv(4096):
    said |= dict(frames.feed(data))
print(parse_run_end(said[FRAME_ENDED]).state)
"""


def test_a_run_that_is_to_end_before_it_has_made_itself_ready_ends_then(tmp_path: Path) -> None:
    """It was not heard before, and the run went on until it was killed."""
    command = [sys.executable, "-c", AT_ONCE, tmp_path / "ran"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, (tmp_path / "ran").exists()) == ("TERMINATED\n", False)


@pytest.mark.parametrize("overflow", ["queue", "reject"])
def test_200_starts_at_once_and_a_killed_worker(tmp_path: Path, overflow: str) -> None:
    """Every start that was acknowledged reaches an end, and never do more run at once than the
    cap.
    """
    cap = 8
    file = tmp_path / "stamps"
    with Served(tmp_path, cap=cap, overflow=overflow) as served:
        most_open = [0]
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.005):
                most_open[0] = max(
                    most_open[0],
                    served.count("local_run", "state IN ('QUEUED', 'RUNNING', 'TERMINATING')"),
                )

        def start(number: int) -> tuple[int, Any]:
            flow = "stamps" if number % 2 else "stamps_again"
            answer = served.api(
                "POST", "start_pipeline", {"file": str(file), "number": number}, saved_item_id=flow
            )
            return answer.status, answer.json

        def kill() -> float:
            until(
                lambda: file.exists() and len(file.read_text().splitlines()) > 10, what="some runs"
            )
            killed_at = time.time()
            os.kill(served.worker, signal.SIGKILL)
            return killed_at

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(33) as pool:
            killing = pool.submit(kill)
            answers = list(pool.map(start, range(200)))
        killed_at = killing.result()
        ids = [body["run_id"] for status, body in answers if status == 200]
        refused = [body for status, body in answers if status != 200]
        until(
            lambda: served.count("local_run", "state IN ('DONE', 'FAILED')") == len(ids),
            what="the end of every run",
        )
        stop.set()
        watcher.join()
        assert served.count("local_run") == len(set(ids)) == len(ids)
        assert {one["error"] for one in refused} <= {"rate_limit"}
        failed = [row[0] for row in served.rows("SELECT id FROM local_run WHERE state = 'FAILED'")]
        assert all("interrupted" in " ".join(served.look(run_id)["log"]) for run_id in failed)
        assert served.count("local_run", "state = 'FAILED' AND saved_item_id = 'stamps_again'") == 0
        assert served.count("local_run", "state = 'FAILED'") <= cap
        assert peak(spans(file, killed_at + 0.2)) <= cap
        if overflow == "queue":
            assert len(ids) == 200
        else:
            assert most_open[0] <= cap
            assert refused


# -- flows.py while it changes


def test_a_changed_flows_py_is_loaded_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    first = (
        "from bridge.flows import flow\nimport time\n@flow\ndef version(): return {'version':"
        " 1}\n@flow\ndef gone(): time.sleep(0.5)\n"
    )
    second = first.replace("1}", "2}").replace("def gone", "def added")

    def write(text: str) -> None:
        """As a whole: it is read at any moment."""
        (tmp_path / "written").write_text(text)
        (tmp_path / "written").replace(tmp_path / "flows.py")

    def ids() -> set[str]:
        return {
            one["saved_item_id"]
            for one in served.api("GET", "list_saved_items").json["saved_items"]
        }

    def problems(served: Served) -> list[dict[str, Any]]:
        """What `flowbridge status` complains about, of the flows."""
        answer = call(
            tmp_path, "--config", str(served.config), "status", "--json", environ=served.environ
        )
        return [
            one for one in json.loads(answer.stdout)["problems"] if one["key"] == "flows_unusable"
        ]

    with Served(tmp_path, flows=first, timings={"config_poll_seconds": 0.1}) as served:
        assert served.run_flow("version")["outputs"] == {"version": 1}
        under_way = served.begin("gone")
        write("import nothing_like_it\n")
        until(
            lambda: [line for line in served.log if line["event"] == "flows_not_loaded"],
            what="a complaint",
        )
        assert served.run_flow("version")["outputs"] == {"version": 1}
        (problem,) = until(lambda: problems(served), what="a problem of `flowbridge status`")
        assert (problem["key"], problem["severity"], problem["what_to_do"]) == (
            "flows_unusable",
            "warning",
            "flowbridge check",
        )
        assert (
            "flows.py cannot be loaded" in problem["summary"]
            and "flows.py:1: ModuleNotFoundError" in problem["summary"]
        )
        told = served.get("/readyz", ADMIN).json
        assert (
            told["ready"] is True
            and "flows.py:1: ModuleNotFoundError" in told["flows"]["error"]
            and told["flows"]["error_since"]
        )
        write(second)
        until(lambda: "added" in ids(), what="the new flow")
        assert "gone" not in ids()
        assert {"echo", "version"} <= ids()
        assert served.run_flow("version")["outputs"] == {"version": 2}
        assert served.wait(under_way)["state"] == "DONE", "it went on as it had begun"
        complaints = [line["error"] for line in served.log if line["event"] == "flows_not_loaded"]
        assert len(complaints) == 1
        loaded = [line["valid_again"] for line in served.log if line["event"] == "flows_loaded"]
        assert loaded == [False, True], "one line says that flows.py can be used again"
        assert "flows.py:1: ModuleNotFoundError" in complaints[0]
        assert served.api("POST", "start_pipeline", {}, saved_item_id="gone").status == 400
        until(lambda: not problems(served), what="the end of the problem")
        assert served.get("/readyz", ADMIN).json["flows"] == {
            "error": None,
            "error_since": None,
            "absent": {},
        }


def test_a_run_of_a_flow_that_is_gone_has_failed(tmp_path: Path) -> None:
    flows = "from bridge.flows import flow\n@flow\ndef gone(): ...\n"
    with Served(tmp_path, "web", flows=flows) as served:
        run_id = served.begin("gone")
        served.kill()
        (tmp_path / "flows.py").write_text("")
        served.arguments = ("serve",)
        served.start()
        assert served.wait(run_id)["log"] == ["flow 'gone' no longer exists"]


@pytest.mark.parametrize(
    ("command", "flows", "words"),
    [
        ("serve", "x = 1\nx = (\n", "flows.py:2: SyntaxError"),
        ("web", "import os\nos._exit(0)\n", "ended without a message"),
        ("work", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "ended without"),
        ("work", "x = 1\nx = (\n", "flows.py:2: SyntaxError"),
    ],
)
def test_a_flows_py_that_cannot_be_loaded_stops_the_start_with_2(
    tmp_path: Path, command: str, flows: str, words: str
) -> None:
    code, said = Served(tmp_path, command, flows=flows).run()
    assert code == 2
    assert words in said
    assert "Traceback" not in said


def test_flows_py_is_never_loaded_by_the_bridge_itself(tmp_path: Path) -> None:
    flows = (
        "import os\nopen('loaded', 'a').write(f'{os.getpid()}\\n')\nfrom bridge.flows import"
        " flow\n@flow\ndef f(): ...\n"
    )
    with Served(tmp_path, flows=flows) as served:
        assert served.run_flow("f")["state"] == "DONE"
        loaded = set((tmp_path / "loaded").read_text().split())
        with served.database.read() as connection:
            receivers = {str(served.pid), str(served.worker)}
            assert (
                connection.exec_driver_sql(
                    "SELECT count(*) FROM local_flow WHERE id = 'f'"
                ).scalar()
                == 1
            )
        assert loaded
        assert not loaded & receivers


# -- a storm


class Limited(Served):
    """A `serve` of a user of its own that may have so many processes and threads. It may read
    everything, since Python may be in a home.
    """

    def _command(self) -> list[str]:
        rights = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
        user = ["setpriv", "--reuid=64321", "--regid=64321", "--clear-groups", *rights]
        return [*user, "prlimit", "--nproc=250", *super()._command()]


@pytest.mark.skipif(
    os.getuid() != 0,
    reason="only root can run a bridge as another user, with a bound on its processes",
)
@pytest.mark.skipif(
    not (shutil.which("setpriv") and shutil.which("prlimit")),
    reason="setpriv or prlimit is not installed",
)
def test_a_fork_storm_blows_over() -> None:
    folder = Path(tempfile.mkdtemp(prefix="flowbridge-storm-"))
    try:
        os.chown(folder, 64321, 64321)
        with Limited(folder) as served:
            storm = served.begin("storm")
            until(lambda: len(processes_of(64321)) > 100, what="a storm")
            assert served.run_flow("echo", n=1)["state"] == "DONE"
            served.api("POST", "kill_pipeline", {"run_id": storm})
            assert served.wait(storm)["state"] == "TERMINATED"
            assert served.run_flow("echo", n=2)["outputs"] == {"n": 2}
            until(lambda: len(processes_of(64321)) < 20, what="its end")
    finally:
        shutil.rmtree(folder)


def processes_of(user: int) -> list[int]:
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdecimal() and one.stat().st_uid == user:
                found.append(int(one.name))
        except OSError:
            continue
    return found
