"""What processes count: nothing is lost but the last second of one that was killed, nothing is
counted twice, nothing goes down.
"""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from failing_syncs import without_syncs
from records import make_delivery, make_event
from serving import until

from bridge.core.model import RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.monitoring import counter_files, metrics
from bridge.monitoring import counters as counters_module
from bridge.monitoring.counter_files import CountsFile, sum_counters
from bridge.monitoring.counters import BUCKET_SECONDS, Counts
from bridge.monitoring.metrics import ACK, EVENTS, PROCESS_METRICS, REFUSED
from bridge.store.queue.claim_round import Claim
from bridge.worker import turn_changes

CHILD = """
import sys, time
from pathlib import Path
from bridge.monitoring import counter_files, counters, metrics
from bridge.monitoring.metrics import ACK, EVENTS
counter_files.start_counters(Path(sys.argv[1]), 0.02)
for _ in range(int(sys.argv[2])):
    counters.COUNTS.add(EVENTS, "github", "accepted")
    counters.COUNTS.observe(ACK, 0.003)
if sys.argv[3] == "stay":
    print("counted", flush=True)
    time.sleep(60)
"""


def child(data: Path, number: int, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(data), str(number), how],
        stdout=subprocess.PIPE,
        text=True,
    )


def accepted(data: Path) -> float:
    return dict(sum_counters(data).numbers(EVENTS)).get(("github", "accepted"), 0.0)


def files(data: Path) -> list[Path]:
    return sorted((data / "counts").glob("*.counts"))


@contextmanager
def one_process(data: Path, number: int = 1) -> Iterator[tuple[CountsFile, Counts]]:
    """As one more process would count; it ends as one that is killed."""
    counts = Counts()
    file = CountsFile(data, counts)
    counts.add(EVENTS, "github", "accepted", by=number)
    file.write()
    try:
        yield file, counts
    finally:
        os.close(file._fd)


def test_series_and_buckets() -> None:
    counts = Counts()
    for seconds in (0.0005, 0.001, 0.0011, 4.0, 70.0):
        counts.observe(ACK, seconds)
    counts.add(EVENTS, "a", "accepted")
    counts.add(EVENTS, "a", "accepted", by=2)
    counts.add(REFUSED, "a", "401")
    assert counts.numbers(EVENTS) == [(("a", "accepted"), 3.0)]
    *found, total = counts.span(ACK)
    assert len(found) == len(BUCKET_SECONDS) + 1
    assert (found[0], found[1], found[-2], found[-1]) == (2, 1, 1, 1)
    assert total == pytest.approx(74.0026)
    assert Counts().span(ACK) == [0.0] * (len(BUCKET_SECONDS) + 2)


def test_no_more_series_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "MAX_SERIES", 2)
    counts = Counts()
    for name in ("a", "b", "c", "a"):
        counts.add(EVENTS, name, "accepted")
    assert sorted(counts.numbers(EVENTS)) == [(("a", "accepted"), 2.0), (("b", "accepted"), 1.0)]


def test_any_number_of_threads_count() -> None:
    counts = Counts()
    threads = [
        threading.Thread(target=lambda: [counts.add(EVENTS, "a", "accepted") for _ in range(2000)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.numbers(EVENTS) == [(("a", "accepted"), 16000.0)]


def test_what_another_version_counted_is_left_out() -> None:
    counts = Counts()
    told = {
        "numbers": [
            ["flowbridge_old_total", "a", 1],
            [EVENTS.name, "a", 1],
            [EVENTS.name, "a", "spam", 2],
        ],
        "spans": {ACK.name: [1.0]},
    }
    counts.merge(told)
    assert counts.numbers(EVENTS) == [(("a", "spam"), 2)]
    assert sum(counts.span(ACK)) == 0


@pytest.mark.usefixtures("new_processes")
def test_processes_add_up_and_so_do_those_that_ended(tmp_path: Path) -> None:
    assert accepted(tmp_path) == 0
    assert not (tmp_path / "counts").exists(), "to look makes nothing"
    for number in (3, 4):
        with child(tmp_path, number, "end") as process:
            assert process.wait(60) == 0
    assert accepted(tmp_path) == 7
    assert sum(sum_counters(tmp_path).span(ACK)[:-1]) == 7


@pytest.mark.usefixtures("new_processes")
def test_a_process_that_is_killed_leaves_what_it_had_written(tmp_path: Path) -> None:
    with child(tmp_path, 5, "stay") as process:
        until(lambda: accepted(tmp_path) == 5, what="its counts")
        process.send_signal(signal.SIGKILL)
    with one_process(tmp_path, 2):
        assert len(files(tmp_path)) == 1, "that of the dead one is folded"
        assert accepted(tmp_path) == 7


def test_many_restarts_leave_one_file_and_never_less(tmp_path: Path) -> None:
    for number in range(1, 50):
        with one_process(tmp_path) as (file, counts):
            counts.add(REFUSED, "github", "401")
            file.write()
            assert accepted(tmp_path) == number
            assert len(files(tmp_path)) == 1
    assert dict(sum_counters(tmp_path).numbers(REFUSED)) == {("github", "401"): 49}


@pytest.mark.parametrize("step", ["write_bytes", "rename", "unlink"])
def test_an_end_in_the_middle_of_folding_counts_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever it was about to do: what was there before is there after, and the next one goes
    on.
    """
    for _ in range(2):
        with one_process(tmp_path, 3):
            pass
    with one_process(tmp_path, 1):
        whole = accepted(tmp_path)
        does = getattr(Path, step)

        def failing(self: Path, *arguments: object, **options: object) -> object:
            if step == "write_bytes":
                does(self, b'{"numbers": [["fl')
            raise OSError(errno.ENOSPC, "no room")

        with monkeypatch.context() as patch:
            patch.setattr(Path, step, failing)
            with one_process(tmp_path, 4):
                assert accepted(tmp_path) == whole + 4
        with one_process(tmp_path, 5):
            assert accepted(tmp_path) == whole + 9
            assert len(files(tmp_path)) == 2
    assert accepted(tmp_path) == whole + 9


def test_the_files_of_ended_processes_stay_until_what_they_had_is_synced(tmp_path: Path) -> None:
    """Else a power cut could leave neither them nor the file that they were folded into."""
    for _ in range(2):
        with one_process(tmp_path, 3):
            pass
    kept = files(tmp_path)
    assert kept

    def begin() -> None:
        with one_process(tmp_path, 4):
            assert accepted(tmp_path) == 10

    without_syncs(begin)
    assert {*kept} <= {*files(tmp_path)}
    with one_process(tmp_path):
        assert len(files(tmp_path)) == 1
        assert accepted(tmp_path) == 11


def test_a_scrape_during_folding_sees_no_dip(tmp_path: Path) -> None:
    seen: list[float] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.is_set():
            seen.append(accepted(tmp_path))

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        rounds = count()
        while next(rounds) < 60 or len(seen) <= 5:
            with one_process(tmp_path):
                pass
    finally:
        over.set()
        thread.join()
    assert seen == sorted(seen)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have every write end after so many bytes, with an error where there are none."""

    def fill(room: int) -> None:
        real = os.pwrite

        def pwrite(fd: int, raw: bytes, at: int) -> int:
            if not room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, raw[:room], at)

        monkeypatch.setattr(os, "pwrite", pwrite)

    return fill


@pytest.mark.parametrize("room", [0, 5, 16, 40])
def test_a_full_disk_costs_nothing_that_was_written(
    tmp_path: Path, full: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    with one_process(tmp_path, 7) as (file, counts):
        full(room)
        counts.add(EVENTS, "github", "accepted", by=2)
        for _ in range(3):
            file.write()
            assert accepted(tmp_path) == 7, "the other slot is whole"
        monkeypatch.undo()
        file.write()
        assert accepted(tmp_path) == 9


@pytest.mark.usefixtures("new_processes")
def test_a_disk_of_its_own_that_is_full(tmp_path: Path) -> None:
    """The real thing, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a disk of 64 kB cannot be mounted here")
    try:
        with one_process(disk, 7) as (file, counts):
            fill = os.open(disk / "fill", os.O_WRONLY | os.O_CREAT)
            with pytest.raises(OSError, match="space"):
                while True:
                    os.write(fill, b"x" * 512)
            os.close(fill)
            for number in range(2000):
                counts.add(EVENTS, f"source-{number}", "accepted")
            file.write()
            assert accepted(disk) == 7
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_nobodys_trouble(tmp_path: Path) -> None:
    (tmp_path / "counts").write_text("a file instead of the folder")
    counts = Counts()
    counts.add(EVENTS, "github", "accepted")
    CountsFile(tmp_path, counts).write()


def test_who_begins_twice_counts_once(tmp_path: Path) -> None:
    def counters() -> int:
        return sum(thread.name == "counts" for thread in threading.enumerate())

    counter_files.start_counters(tmp_path)
    before = counters()
    counter_files.start_counters(tmp_path)
    assert counters() == before > 0


# -- where it is counted


def calls(path: Path) -> Iterator[tuple[str, str, int]]:
    """(method, metric, labels) of each place that counts."""
    constants = {name for name, value in vars(metrics).items() if value in PROCESS_METRICS}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if (
                node.func.attr in ("add", "observe")
                and isinstance(first, ast.Name)
                and first.id in constants
            ):
                yield node.func.attr, first.id, len(node.args) - 1


def test_every_counter_is_counted_with_its_labels() -> None:
    found = {
        call for path in Path(metrics.__file__).parents[1].rglob("*.py") for call in calls(path)
    }
    for method, name, labels in found:
        metric = getattr(metrics, name)
        assert (method, labels) == (
            ("observe", 1) if metric.kind == "histogram" else ("add", len(metric.labels))
        ), name
    assert {getattr(metrics, name) for _, name, _ in found} == set(PROCESS_METRICS)


def test_what_a_turn_settles_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Counts()
    monkeypatch.setattr(turn_changes, "COUNTS", mine)
    delivery = make_delivery(make_event(), "triage", platform="p")
    claim = Claim(delivery=delivery, attempt=1, lease="l", began_at=0.0)
    rejected = Outcome(kind=OutcomeKind.REJECTED, detail="no")
    started = Outcome(kind=OutcomeKind.STARTED, run_id="r")
    turn_changes.log_changes(
        turn_changes.TurnChanges(
            settled=[
                (claim, rejected, Status.DEAD),
                (claim, started, Status.DELIVERED),
                (claim, started, None),
            ],
            over=[(delivery, RunReport(state=RunState.FAILED))],
            reaped=[(claim, Status.UNKNOWN)],
        )
    )
    assert {
        metric: dict(mine.numbers(metric)) for metric in PROCESS_METRICS if mine.numbers(metric)
    } == {
        metrics.ATTEMPTS: {("p", "rejected"): 1, ("p", "started"): 2},
        metrics.DEATHS: {("triage",): 1},
        metrics.RUNS: {("triage", "failed"): 1},
        metrics.TAKEN_OVER: {("triage",): 1},
    }


def test_last_times_are_the_latest_of_all_processes(tmp_path: Path) -> None:
    for source, at in (("github", 5.0), ("github", 9.0), ("stripe", 7.0), ("github", 3.0)):
        counts = Counts()
        counts.mark("used", source, at=at)
        counts.mark("used", source, at=at - 1)
        CountsFile(tmp_path, counts).write()
    found = sum_counters(tmp_path)
    assert found.times("used") == {("github",): 9.0, ("stripe",): 7.0}
    assert found.times("other") == {}


def test_counts_of_an_earlier_version_have_no_times() -> None:
    counts = Counts()
    counts.mark("used", "github", at=5.0)
    counts.merge({"numbers": [["flowbridge_events_total", "a", "accepted", 2]], "spans": {}})
    assert counts.times("used") == {("github",): 5.0}
    assert counts.numbers(EVENTS) == [(("a", "accepted"), 2)]


def test_too_many_last_times_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "MAX_SERIES", 3)
    counts = Counts()
    for number in range(9):
        counts.mark("used", f"s{number}", at=number)
    counts.mark("used", "s1", at=50.0)
    assert counts.times("used") == {("s0",): 0.0, ("s1",): 50.0, ("s2",): 2.0}
