"""Made for a small machine: the memory that it holds at rest, how soon it is ready, and one core with little address space."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deploying import needs
from processes import environment
from serving import Bridge, tree_of, until

REST = 120.0  # MB of proportional set size, of everything that `serve` starts
READY = 1.5  # seconds from start to ready
SPACE = 512 * 1024**2  # bytes of address space for each process


def pss(pids: list[int]) -> float:
    """The proportional set size of processes, in MB: what is shared counts once."""
    total = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        total += int(found[1])
    return total / 1024


@pytest.mark.slow
def test_memory_at_rest(tmp_path: Path) -> None:
    """With the host of local flows, after one question: each receiver that opens the store takes some 8 MB of its own."""
    bridge = Bridge(tmp_path)
    try:
        bridge.start_without_waiting()
        until(lambda: "flows_loaded" in bridge.stderr and bridge.count("worker"), what="a worker with its flows")
        until(lambda: len(tree_of(bridge.pid)) >= 7, what="all processes")
        assert bridge.get("/readyz").status == 200
        time.sleep(1)
        until(lambda: pss(tree_of(bridge.pid)) <= REST, what=f"{REST:.0f} MB")
    finally:
        bridge.__exit__()


def processor_time(pids: list[int]) -> float:
    """The seconds that processes, and those of their children that have ended, were computing."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in pids]
    return sum(int(each) for found in fields for each in found[11:15]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_it_is_ready_soon(tmp_path: Path) -> None:
    """By the clock, the best of some starts; on a machine that is busy with other things by what was computed for it."""
    took = []
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        bridge, started = Bridge(tmp_path / str(number)), time.monotonic()
        try:
            bridge.start_without_waiting()
            until(bridge.is_up, what="/readyz")
            took.append(time.monotonic() - started)
            computed = processor_time(tree_of(bridge.pid))
        finally:
            bridge.__exit__()
        if took[-1] <= READY:
            return
    assert os.getloadavg()[0] > (os.cpu_count() or 1), f"ready after {', '.join(f'{each:.2f}' for each in took)} s"
    assert computed <= READY


@pytest.mark.slow
def test_one_core_and_little_address_space_are_enough_for_the_demo() -> None:
    needs("prlimit", "taskset")
    core = str(min(os.sched_getaffinity(0)))
    command = ["prlimit", f"--as={SPACE}", "taskset", "--cpu-list", core, sys.executable, "-m", "bridge", "demo", "--once", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    states = [one["run_state"] for event in json.loads(done.stdout)["events"] for one in event["deliveries"]]
    assert states == ["done"] * 3
