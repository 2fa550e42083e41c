"""pytest runs tests in several processes, or in one, whether pytest-xdist is installed or not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest
from folders import ROOT

pytestmark = pytest.mark.usefixtures("new_processes")


def run_pytest(*options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, which must not take itself for one of ours."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("options", [("-n0",), ()], ids=" ".join)
def test_tests_are_collected_without_other_processes(options: tuple[str, ...]) -> None:
    done = run_pytest(*options, "--collect-only", "tests/delivery/test_fair_share.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "tests/delivery/test_fair_share.py" in done.stdout


def test_tests_run_without_xdist() -> None:
    done = run_pytest("-p", "no:xdist", "-v", "tests/delivery/test_fair_share.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert " passed in " in done.stdout


def test_each_file_runs_in_one_process_by_default() -> None:
    done = run_pytest(
        "-n",
        "2",
        "-vv",
        "tests/delivery/test_fair_share.py",
        "tests/services/test_serializers.py",
        "tests/core/test_patterns.py",
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    processes = defaultdict(set)
    for process, file in re.findall(
        r"^\[(gw\d+)\].* (tests/[\w/]+\.py)::", done.stdout, re.MULTILINE
    ):
        processes[file].add(process)
    assert sorted(processes) == [
        "tests/core/test_patterns.py",
        "tests/delivery/test_fair_share.py",
        "tests/services/test_serializers.py",
    ]
    assert {len(some) for some in processes.values()} == {1}
