"""pytest runs tests in several processes, or in one, whether pytest-xdist is installed or not, and
says what the machine lacks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from folders import ROOT

pytestmark = pytest.mark.usefixtures("new_processes")


def run_pytest(*options: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, which must not take itself for one of ours; `changes`
    are of its environment.
    """
    ours = ("PYTEST_", "FLOWBRIDGE_REQUIRE_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ |= changes
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
        "tests/services/records/test_event_records.py",
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
        "tests/services/records/test_event_records.py",
    ]
    assert {len(some) for some in processes.values()} == {1}


#: A test that needs what a machine may lack, and why it skips there; by the variable that requires it.
LACKS = {
    "FLOWBRIDGE_REQUIRE_REDIS": (
        "tests/torture/test_torture_faults.py::test_the_broker_returns_how_many_messages_it_loses",
        "there is no redis-server",
    ),
    "FLOWBRIDGE_REQUIRE_BROWSER": (
        "tests/e2e/test_readme_pictures.py",
        "there is no chromium on the PATH|playwright is not installed",
    ),
    "FLOWBRIDGE_REQUIRE_DEPLOY": (
        "tests/project/test_install.py::test_shellcheck_finds_nothing",
        "shellcheck is not installed",
    ),
    "": (
        "tests/web/test_form_challenges.py::test_the_script_finds_the_number",
        "there is no node to run the script",
    ),
}


def test_what_the_machine_lacks_is_skipped_or_fails_where_it_is_required(tmp_path: Path) -> None:
    options = ["-n0", "--all", *(test for test, _ in LACKS.values())]
    skipped = run_pytest(*options, PATH=str(tmp_path))
    required = {name: "1" for name in LACKS if name}
    failed = run_pytest(*options, PATH=str(tmp_path), **required)
    assert (skipped.returncode, failed.returncode) == (0, 1), failed.stdout
    for name, (_, reason) in LACKS.items():
        assert re.search(f"^skipped [0-9]+: ({reason})$", skipped.stdout, re.MULTILINE), name
        assert bool(re.search(f"^skipped .*({reason})$", failed.stdout, re.MULTILINE)) == (not name)
