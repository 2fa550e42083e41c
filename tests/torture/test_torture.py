"""`flowbridge torture`: a real run and its certificate, planted problems, and the cleanup."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import command_line
import pytest
from click.testing import Result
from processes import PATIENCE, call, environment, eventually, running

from bridge.cli.commands.torture import command
from bridge.core.errors import SettingsError
from bridge.delivery.reconcile import MAX_SKEW_SECONDS
from bridge.store.db import scratch_schema
from bridge.store.db.database import Database
from bridge.torture import clock, disk, facts
from bridge.torture.evidence import EvidenceFolder
from bridge.torture.faults import FAULTS
from bridge.torture.nodes import PORT_RANGE, find_free_port
from bridge.torture.plan import (
    CLOSING_SECONDS,
    DAY_STEP_SECONDS,
    ENGINE_COMMANDS,
    FAULT_DESCRIPTIONS,
    LARGE_STEP_SECONDS,
    RECOVERY_SECONDS,
    SMALL_STEP_SECONDS,
    Plan,
)
from bridge.torture.records import SentEvent
from bridge.torture.resources import seed_generator

MISLEADING = {
    "FLOWBRIDGE_CONFIG": "/nowhere/routes.yaml",
    "FLOWBRIDGE_DATABASE_URL": "postgresql://nowhere/none",
    "FLOWBRIDGE_DATA": "/nowhere",
    "FLOWBRIDGE_BIND": "nonsense",
    "FLOWBRIDGE_PRIVATE_BIND": "10.0.0.1:1",
}


def processes_of(folder: Path) -> list[int]:
    """Return the processes of a run in `folder`: their environment names it."""
    mark = os.fsencode(f"{folder}/")
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and f"FLOWBRIDGE_DATA={mark.decode()}".encode() in (entry / "environ").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a crash test with its folder in `place`; it must ignore the settings in the environment."""
    command = [sys.executable, "-m", "bridge", "torture", "--json", *arguments]
    environ = environment(TMPDIR=str(place), **MISLEADING)
    return subprocess.run(
        command, cwd=place, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


def recounted(folder: Path, *more: str) -> Result:
    """Recount the evidence in `folder`, in this process."""
    return command_line.run("torture", "--recount", str(folder), *more)


@pytest.fixture(scope="module")
def tortured(
    tmp_path_factory: pytest.TempPathFactory, before_release: None
) -> tuple[dict[str, Any], Path]:
    """The certificate and the folder of a short run."""
    place = tmp_path_factory.mktemp("torture")
    kinds = ["receiver", "worker", "tree", "takeover", "weather"]
    kinds += ["blip"] if clock.find_library() else []
    asked = [
        "--minutes",
        "3",
        "--kills",
        "5",
        "--seed",
        "7",
        "--keep",
        "--certificate",
        str(place / "certificate.json"),
    ]
    done = run(place, *asked, *(f"--only={kind}" for kind in kinds))
    assert done.returncode == 0, done.stdout + done.stderr
    [folder] = place.glob("flowbridge-torture-*")
    [line] = done.stdout.splitlines()
    assert json.loads(line) == json.loads((place / "certificate.json").read_text())
    assert f"--recount {folder}" in done.stderr
    return json.loads(line), folder


def test_a_certificate_contains_the_faults_and_the_results(
    tortured: tuple[dict[str, Any], Path],
) -> None:
    made, folder = tortured
    assert made["verdict"] == "kept" and made["drained"] and made["findings"] == []
    assert (
        set(made["kills"]) == {"SIGKILL", "SIGUSR2"}
        and 5 <= sum(sum(victims.values()) for victims in made["kills"].values()) <= 7
    )
    assert {"receiver", "worker"} <= set(made["kills"]["SIGKILL"]) and set(
        made["kills"]["SIGUSR2"]
    ) == {"supervisor"}
    assert made["acknowledged"] == made["events"] > 30 and made["posted"] > made["events"]
    assert made["started"] > 20 and made["deliveries"]["delivered"] > 20
    assert bool(made["faults"]["blip"]) is bool(clock.find_library())
    assert made["faults"]["platform"] and (made["not_run"], made["missed"]) == ({}, [])
    assert len(made["code"]["sha256"]) == 64
    looked = [made[f"reconciled_{how}"] for how in ("adopted", "queued_again", "held")]
    # whether a start lost its answer there is chance
    assert min(looked) >= 0 and made["reconciled_held"] <= made["held"]
    assert made["database"]["kind"] == "sqlite" and made["machine"]["cores"] >= 1
    with closing(sqlite3.connect(folder / "data" / "flowbridge.db")) as store:
        assert store.execute("SELECT count(*) FROM event").fetchone()[0] == made["events"]
        # the forged ones
        assert {path for (path,) in store.execute("SELECT source FROM reject")} <= {"torture"}
    assert processes_of(folder) == []


def test_a_recount_yields_the_same_certificate(tortured: tuple[dict[str, Any], Path]) -> None:
    made, folder = tortured
    done = call(folder, "torture", "--recount", str(folder), "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == made


def test_the_default_output_is_a_table_with_the_verdict(
    tortured: tuple[dict[str, Any], Path],
) -> None:
    _, folder = tortured
    done = recounted(folder)
    assert "\nlost            0\nstarted twice   0\n" in done.stdout and done.stdout.splitlines()[
        -1
    ].startswith("kept: every acknowledged")


# -- the harness can fail


def start_again(folder: Path) -> None:
    """Duplicate a start, of a route that never repeats one, in the platform's record."""
    record = folder / "starts.jsonl"
    lines = record.read_text().splitlines()
    again = next(
        line
        for line in map(json.loads, lines)
        if line["what"] == "start" and line["route"] == "held"
    )
    record.write_text(
        "\n".join([*lines, json.dumps(again | {"run": "another", "at": again["at"] + 1})]) + "\n"
    )


def sql(statement: str) -> Callable[[Path], None]:
    """Return a function that changes the rows of one delivered delivery or of its event."""
    one = "(SELECT {} FROM delivery WHERE route = 'held' AND status = 'delivered' LIMIT 1)"
    statement = statement.replace("ONE_EVENT", one.format("event_id")).replace(
        "ONE", one.format("id")
    )

    def plant(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "data" / "flowbridge.db")) as store, store:
            for (name,) in store.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                # the triggers of the store refuse most of these changes
                store.execute(f"DROP TRIGGER {name}")
            assert store.execute(statement).rowcount >= 1
        store.close()

    return plant


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        pytest.param(
            sql("DELETE FROM event WHERE id = ONE_EVENT"),
            {"lost", "ghost", "database"},
            id="an event is gone",
        ),
        pytest.param(
            sql("DELETE FROM delivery WHERE id = ONE"),
            {"lost", "ghost", "database"},
            id="a delivery is gone",
        ),
        pytest.param(
            sql("UPDATE delivery SET status = 'sending', lease = 'w' WHERE id = ONE"),
            {"unsettled"},
            id="a call never ended",
        ),
        pytest.param(
            sql("UPDATE delivery SET lease = 'x', lease_until = 9e9 WHERE id = ONE"),
            {"stuck", "database"},
            id="a stuck lease",
        ),
        pytest.param(
            sql("UPDATE delivery SET slot = true WHERE id = ONE"),
            {"stuck", "database"},
            id="a slot is leaked",
        ),
        pytest.param(
            sql("UPDATE attempt SET outcome = NULL WHERE delivery_id = ONE"),
            {"stuck", "database"},
            id="an open attempt",
        ),
        pytest.param(
            sql("UPDATE event SET body_sha256 = 'x' WHERE id = ONE_EVENT"),
            {"altered"},
            id="a body is another",
        ),
        pytest.param(
            sql("UPDATE delivery SET run_id = 'x' WHERE id = ONE"),
            {"altered"},
            id="a run is another",
        ),
        pytest.param(start_again, {"started_twice"}, id="a start was repeated"),
    ],
)
def test_a_planted_problem_is_found_and_the_exit_code_is_1(
    tortured: tuple[dict[str, Any], Path],
    tmp_path: Path,
    plant: Callable[[Path], None],
    kinds: set[str],
) -> None:
    folder = tmp_path / "planted"
    shutil.copytree(tortured[1], folder)
    plant(folder)
    done = recounted(folder, "--json")
    made = json.loads(done.stdout)
    assert done.exit_code == 1 and made["verdict"] == (
        "unsettled" if kinds == {"unsettled"} else "broken"
    )
    assert {finding["kind"] for finding in made["findings"]} == kinds
    people = recounted(folder)
    assert (
        people.exit_code == 1
        and f"wrong: {made['findings'][0]['kind']}: {made['findings'][0]['id']}" in people.stdout
    )


def test_a_process_that_did_not_end_is_in_the_certificate(
    tortured: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    folder = EvidenceFolder(tmp_path / "planted")
    shutil.copytree(tortured[1], folder.path)
    facts = folder.read_facts() | {
        "process_findings": [{"kind": "process", "id": "node 0", "text": "it did not end"}]
    }
    folder.save(folder.read_sent(), facts)
    assert recounted(folder.path).exit_code == 1


def test_a_kind_that_did_not_occur_is_incomplete_and_the_exit_code_is_1(
    tortured: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    folder = EvidenceFolder(tmp_path / "planted")
    shutil.copytree(tortured[1], folder.path)
    facts = folder.read_facts() | {
        "missed": ["web"],
        "not_run": {"web": "it did not occur before the time was up"},
    }
    folder.save(folder.read_sent(), facts)
    done = recounted(folder.path)
    assert (
        done.exit_code == 1
        and "\nmissed          web: it did not occur before the time was up\n" in done.stdout
    )
    assert done.stdout.splitlines()[-1].startswith("incomplete: no problem was found")


def test_only_the_folder_of_a_crash_test_is_counted(tmp_path: Path) -> None:
    done = recounted(tmp_path)
    assert done.exit_code == 2 and "is not the folder of a crash test" in done.stderr


# -- cleanup


@pytest.mark.usefixtures("before_release")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_however_it_ends_no_process_is_left(tmp_path: Path, number: int) -> None:
    with running(tmp_path, "torture", environ=environment(TMPDIR=str(tmp_path))) as process:
        assert process.stderr
        while not process.stderr.readline().startswith("load"):
            assert process.poll() is None
        [folder] = tmp_path.glob("flowbridge-torture-*")
        # a fault may have killed a node just now; its processes are started again
        eventually(lambda: len(processes_of(folder)) >= 4)
        os.kill(process.pid, number)
        process.wait(60)
        eventually(lambda: not processes_of(folder))
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not folder.exists() or number == signal.SIGKILL


# -- refused options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "2"], "several nodes need one PostgreSQL database"),
        (["--minutes", "0.1"], "0.1 is not allowed: a number at least 1.5"),
        (["--only", "everything"], "'everything' is not one of"),
        (["--only", "database"], "--only database: SQLite has no connections to terminate"),
        (["--engine", "steam"], "'steam' is not"),
        (["--engine", "celery"], "several machines on one PostgreSQL database"),
        (["--certificate", "/proc/nowhere/x.json"], "/proc/nowhere"),
        (["--database-url", "mysql://x/y"], "'mysql' is not supported"),
        (["--database-url", "sqlite:///x.db"], "scratch schemas require PostgreSQL"),
        (["--database-url", "postgresql://127.0.0.1:1/x"], "the database cannot be used"),
    ],
)
def test_an_impossible_run_exits_with_2_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = command_line.run("torture", *arguments)
    assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("before_release")
def test_a_database_that_has_anything_in_it_is_refused_and_untouched(
    tmp_path: Path, empty_postgres: str
) -> None:
    theirs = Database(empty_postgres)
    theirs.write(lambda connection: connection.exec_driver_sql("CREATE TABLE precious (n int)"))
    done = call(
        tmp_path,
        "torture",
        "--database-url",
        empty_postgres,
        environ=environment(TMPDIR=str(tmp_path)),
    )
    assert done.returncode == 2 and "is not empty: it contains public.precious" in done.stderr
    with theirs.read() as connection:
        assert "flowbridge" not in str(
            connection.exec_driver_sql("SELECT nspname FROM pg_namespace").scalars().all()
        )
    theirs.close()


def test_of_concurrent_runs_on_a_database_only_one_gets_it(empty_postgres: str) -> None:
    names = [f"{scratch_schema.SCHEMA_PREFIX}{number}" for number in range(4)]

    def make(name: str) -> str:
        try:
            return scratch_schema.create(empty_postgres, name)
        except SettingsError as error:
            return str(error)

    with ThreadPoolExecutor(len(names)) as pool:
        said = list(pool.map(make, names))
    [got] = [name for name, url in zip(names, said, strict=True) if "search_path" in url]
    assert all(
        f"is not empty: it contains the schema {got} of a torture run" in one
        for one in said
        if "search_path" not in one
    )
    scratch_schema.disconnect(empty_postgres)  # as a run does to all connections of the database
    assert "is not empty" in make("flowbridge_torture_later")
    scratch_schema.drop(empty_postgres, got)


def test_a_scratch_schema_is_used_through_its_url_only(empty_postgres: str) -> None:
    inside = Database(scratch_schema.create(empty_postgres, "flowbridge_torture_x"))
    inside.write(lambda connection: connection.exec_driver_sql("CREATE TABLE mine (n int)"))
    outside = Database(empty_postgres)
    with outside.read() as connection:
        found = (
            connection.exec_driver_sql("SELECT schemaname FROM pg_tables WHERE tablename = 'mine'")
            .scalars()
            .all()
        )
    assert found == ["flowbridge_torture_x"]
    assert scratch_schema.disconnect(empty_postgres) >= 1
    inside.close()
    outside.close()
    scratch_schema.drop(empty_postgres, "flowbridge_torture_x")
    assert scratch_schema.create(empty_postgres, "flowbridge_torture_y")  # it is empty again
    for name in ('x"; DROP SCHEMA public', "", "X"):
        with pytest.raises(ValueError, match="is not a valid schema name"):
            scratch_schema.drop(empty_postgres, name)


# -- the parts


def test_only_and_the_plan_have_the_same_kinds() -> None:
    assert tuple(FAULT_DESCRIPTIONS) == command.FAULT_KINDS and set(FAULTS) | {"weather"} == set(
        FAULT_DESCRIPTIONS
    )
    assert tuple(ENGINE_COMMANDS) == command.ENGINES and Plan().engine in ENGINE_COMMANDS


@pytest.mark.parametrize("minutes", [1.5, 2.0, 10.0, 240.0])
def test_the_time_of_a_plan_holds_all_its_parts(minutes: float) -> None:
    plan = Plan(minutes=minutes)
    assert (
        plan.load_seconds + plan.drain_seconds + CLOSING_SECONDS == pytest.approx(60 * minutes)
        and plan.load_seconds > 5
    )
    # deliveries scheduled under a wrong clock become due within the drain
    assert 0 < plan.small_step <= plan.drain_seconds - RECOVERY_SECONDS


def test_clocks_are_stepped_beyond_the_allowed_skew() -> None:
    steps = {
        (sign * size): clock.classify_step(sign * size)
        for sign in (-1, 1)
        for size in (
            SMALL_STEP_SECONDS[1],
            MAX_SKEW_SECONDS,
            *LARGE_STEP_SECONDS,
            DAY_STEP_SECONDS,
            2 * DAY_STEP_SECONDS,
        )
    }
    assert {size for step, size in steps.items() if abs(step) <= MAX_SKEW_SECONDS} == {None}
    assert {
        size
        for step, size in steps.items()
        if MAX_SKEW_SECONDS < abs(step) <= LARGE_STEP_SECONDS[1]
    } == {"clock_minutes"}
    assert {size for step, size in steps.items() if abs(step) >= DAY_STEP_SECONDS} == {"clock_days"}
    assert LARGE_STEP_SECONDS[0] >= 2 * MAX_SKEW_SECONDS


def test_two_runs_with_one_seed_on_a_machine_have_different_ports() -> None:
    ports = []
    for _ in range(2):
        random.seed(1)
        ports.append([find_free_port() for _ in range(5)])
    assert ports[0] != ports[1]
    assert {port in range(*PORT_RANGE) for port in ports[0] + ports[1]} == {True}


@pytest.mark.parametrize(
    ("engine", "nodes", "ports"), [("worker", 1, 2), ("worker", 3, 4), ("celery", 1, 3)]
)
def test_a_seed_gives_the_faults_that_it_gave_when_the_ports_were_drawn_from_it(
    engine: str, nodes: int, ports: int
) -> None:
    drawn = random.Random(7)
    for _ in range(ports):
        drawn.randrange(*PORT_RANGE)
    made = seed_generator(Plan(seed=7, nodes=nodes, engine=engine))
    assert [made.random() for _ in range(3)] == [drawn.random() for _ in range(3)]


def test_the_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    sent = [
        SentEvent(
            "t-1",
            "held",
            "abc",
            tries=3,
            refused=1,
            unanswered=1,
            acknowledged=["evt-1", ""],
            last_status=200,
        )
    ]
    folder.save(sent, {"seed": 1})
    assert folder.read_sent() == sent and folder.read_facts() == {"seed": 1}
    assert folder.read_starts() == ([], {}, 0)


def test_the_file_system_of_a_folder_is_that_of_the_deepest_mount() -> None:
    mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/a\\040b xfs rw 0 0\n"
    found = [
        facts.find_filesystem(Path(path), mounts)
        for path in ("/home/me", "/tmp/x", "/tmp/a b/c", "/tmpfile")
    ]
    assert found == ["ext4", "tmpfs", "xfs", "ext4"]
    assert facts.describe_machine(Path("/"))["memory_bytes"] > 1e8


FULL_DISK = """
import errno, sys
from pathlib import Path
from bridge.torture import disk
if not disk.unshare_mounts():
    sys.exit(77)
data, small = Path(sys.argv[1]), disk.SmallDisk(Path(sys.argv[2]))
small.mount(data)
small.fill()
try:
    (small.path / "more").write_bytes(bytes(10_000))
    sys.exit("there was room")
except OSError as error:
    assert error.errno == errno.ENOSPC, error
small.make_room()
(small.path / "kept").write_text("new")
small.copy_back(data)
assert not small.mounted and not any(small.path.iterdir())
"""


@pytest.mark.usefixtures("before_release")
def test_a_small_disk_fills_up_and_its_data_is_copied_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    small = tmp_path / "small"
    data.mkdir()
    (data / "kept").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(data), str(small)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no file system can be mounted here")
    assert done.returncode == 0, done.stderr
    assert [(path.name, path.read_text()) for path in data.iterdir() if path.name == "kept"] == [
        ("kept", "new")
    ]
    assert str(small) not in Path("/proc/self/mounts").read_text() and sorted(
        path.name for path in tmp_path.iterdir()
    ) == ["data", "small"]


WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "wb", buffering=0) as file:
            print("written" if file.write(bytes(9999)) == 9999 else file.write(bytes(9999)), flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@pytest.mark.usefixtures("before_release")
def test_the_file_size_of_a_running_process_is_limited_and_unlimited(tmp_path: Path) -> None:
    import errno

    command = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdin and writer.stdout

        def write() -> str:
            writer.stdin.write("\n")  # type: ignore[union-attr]
            writer.stdin.flush()  # type: ignore[union-attr]
            return writer.stdout.readline().strip()  # type: ignore[union-attr]

        assert write() == "written"
        disk.limit_file_sizes([writer.pid], 5000)
        assert write() == str(errno.EFBIG)
        disk.limit_file_sizes([writer.pid], disk.NO_LIMIT)
        assert write() == "written"
        writer.stdin.close()


TICKING = "import time\nwhile True:\n    print(time.time(), flush=True)\n    time.sleep(0.05)\n"


@pytest.mark.usefixtures("before_release")
def test_a_clock_is_stepped_only_for_the_processes_that_use_it(tmp_path: Path) -> None:
    import time

    faketime = clock.find_library()
    if faketime is None:
        pytest.skip(clock.NO_LIBFAKETIME)
    one = clock.NodeClock(tmp_path / "clock", faketime)
    with subprocess.Popen(
        [sys.executable, "-c", TICKING],
        env=os.environ | one.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as ticking:
        assert ticking.stdout
        try:
            for offset in (0.0, 300.0, -40.0, 0.0):
                one.step(offset)
                until = time.monotonic() + PATIENCE
                while abs(float(ticking.stdout.readline()) - time.time() - offset) >= 2:
                    assert time.monotonic() < until, offset
        finally:
            ticking.kill()


CROWDED = """
import threading, time
def count():
    for _ in range(300):
        sum(range(2000))
threads = [threading.Thread(target=count) for _ in range(16)]
for one in threads: one.start()
for one in threads: one.join()
print(time.process_time())
"""


@pytest.mark.usefixtures("before_release")
def test_many_threads_cost_no_more_by_that_clock(tmp_path: Path) -> None:
    """Waits for the interpreter's lock returned at once, and a bridge under load stalled for minutes."""
    faketime = clock.find_library()
    if faketime is None:
        pytest.skip(clock.NO_LIBFAKETIME)

    def cost(environ: dict[str, str]) -> float:
        command = [
            "taskset",
            "-c",
            str(min(os.sched_getaffinity(0))),
            sys.executable,
            "-c",
            CROWDED,
        ]
        environ = os.environ | environ
        return min(
            float(
                subprocess.run(
                    command, env=environ, capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(3)
        )

    assert cost(clock.NodeClock(tmp_path / "clock", faketime).environ) < 3 * cost({})
