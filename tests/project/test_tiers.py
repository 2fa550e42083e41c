"""Plain `pytest` runs what is quick, `--all` the rest too; and no test can pretend to be quick."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from folders import ROOT
from serving import until

pytestmark = pytest.mark.usefixtures("new_processes")

TESTS = """
import os, subprocess, sys, pytest

@pytest.fixture(params=["sqlite", "postgresql"])
def database(request): return request.param

@pytest.fixture(scope="session")
def server():
    subprocess.run(["true"], check=True)

@pytest.fixture
def bridge(new_processes):
    subprocess.run(["true"], check=True)

def test_quick(): pass
def test_with_a_server_of_the_session(server): pass
def test_on(database): pass
def test_bridge(bridge): pass
@pytest.mark.usefixtures("slow")
def test_search(): pass
@pytest.mark.usefixtures("before_release")
def test_release(): subprocess.run(["true"], check=True)
"""


def pytest_process(folder: Path, tests: str, *options: str) -> subprocess.Popen[str]:
    """Start pytest with the plugins of this suite, on tests in a folder."""
    (folder / "test_these.py").write_text(tests)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ["PYTHONPATH"] = f"{ROOT / 'tests' / 'support'}:{ROOT}"
    environ["TMPDIR"] = str(folder)
    plugins = ("no:xdist", "no:cacheprovider", "forked_runner", "session_folder", "tiers")
    command = [sys.executable, "-m", "pytest", "-q", *(f"-p{plugin}" for plugin in plugins)]
    return subprocess.Popen(
        [*command, "-c", os.devnull, "--rootdir", str(folder), *options],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, tests: str, *options: str) -> tuple[int, list[str]]:
    """Run it to its end; return its status and the lines that it printed."""
    with pytest_process(folder, tests, *options) as process:
        output, _ = process.communicate()
    return process.returncode, output.splitlines()


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 3),
        (("--all",), 7),
        (("--rest",), 3),
        (("--release",), 1),
        (("test_these.py",), 7),
        (("test_these.py::test_bridge",), 1),
        (("-k", "search"), 1),
        (("--rest", "test_these.py"), 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_which_tests_run(
    tmp_path: Path, options: tuple[str, ...], count: int, processes: str
) -> None:
    code, lines = run(tmp_path, TESTS, processes, *options)
    passed = next(line for line in lines if " passed" in line)
    assert (code, passed.split()[0]) == (0, str(count)), lines


def test_the_last_line_says_what_is_left_out_and_why(tmp_path: Path) -> None:
    _, lines = run(tmp_path, TESTS)
    assert lines[-1].startswith("pytest --all has 4 more tests: 1 "), lines
    for reason in ("start processes", "take seconds", "on PostgreSQL", "for a release"):
        assert reason in lines[-1]
    assert "pytest --all" not in "".join(run(tmp_path, TESTS, "--all")[1])


SKIPS = """
import pytest
@pytest.mark.parametrize("number", range(2))
def test_broker(number): pytest.skip("there is no redis-server")
@pytest.mark.skipif(True, reason="only root may mount")
def test_mount(): pass
def test_runs(): pass
"""


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_the_last_lines_say_what_was_skipped_and_why(tmp_path: Path, processes: str) -> None:
    _, lines = run(tmp_path, SKIPS, "--all", processes)
    assert lines[-2:] == ["skipped 2: there is no redis-server", "skipped 1: only root may mount"]


def test_nothing_matches(tmp_path: Path) -> None:
    code, lines = run(tmp_path, TESTS, "-k", "no_such_test")
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, lines


START = """
import multiprocessing, os, subprocess, pytest

@pytest.fixture
def helper(): subprocess.run(["true"])

def test_in_a_fixture(helper): pass
def test_popen(): subprocess.Popen(["true"])
def test_spawn():
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
def test_fork():
    if os.fork() == 0: os._exit(0)
def test_caught():
    try: subprocess.run(["true"])
    except BaseException: pass
"""


def test_a_test_that_starts_a_process_must_request_the_fixture(tmp_path: Path) -> None:
    code, lines = run(tmp_path, START, "--all")
    assert (code, "4 failed, 1 error" in "".join(lines)) == (1, True), lines
    assert "requests the fixture new_processes" in "".join(lines)


def find_folders(folder: Path) -> set[Path]:
    """Return the folders of the sessions that ran in a folder."""
    return set(folder.glob("fb-tests-*"))


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_files_of_a_session_are_deleted_unless_a_test_failed(
    tmp_path: Path, processes: str
) -> None:
    make = "import tempfile\ndef test(tmp_path): tempfile.mkdtemp()"
    assert run(tmp_path, make, processes)[0] == 0
    assert find_folders(tmp_path) == set()
    code, lines = run(tmp_path, make + "; assert False", processes)
    (kept,) = find_folders(tmp_path)
    assert (code, lines[-1]) == (1, f"files of the tests: {kept}")


LEAVES = """
import subprocess
def test(new_processes): subprocess.Popen(["sleep", "3600"])
"""


def runs(pid: int) -> bool:
    """Return whether a process has not ended: one that has ended has no command."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_a_process_that_is_left_behind_is_named_and_ended(tmp_path: Path) -> None:
    code, lines = run(tmp_path, LEAVES, "--all")
    (line,) = [line for line in lines if line.startswith("left behind")]
    assert (code, line.split()[-2:]) == (1, ["sleep", "3600"]), lines
    pid = int(line.removeprefix("left behind, and ended now: ").split()[0])
    until(lambda: not runs(pid))


INTERRUPTED = """
import subprocess, time, pytest
@pytest.fixture(scope="session")
def server():
    process = subprocess.Popen(["sleep", "3600"])
    yield
    process.terminate(), process.wait()

def test(server):
    open("begun", "w").close()
    time.sleep(3600)
"""


@pytest.mark.parametrize("processes", ["-n0", "-n1"])
def test_ctrl_c_ends_everything(tmp_path: Path, processes: str) -> None:
    with pytest_process(tmp_path, INTERRUPTED, processes) as process:
        until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "left behind" not in output
    assert find_folders(tmp_path) == set()


DIES = """
import os
def test_before(): pass
def test_dies(): os._exit(7)
def test_after(): pass
"""


def test_a_test_that_ends_its_process_fails_and_the_others_run(tmp_path: Path) -> None:
    code, lines = run(tmp_path, DIES, "-n2")
    assert (code, "1 failed, 2 passed" in "".join(lines)) == (1, True), lines
    assert "test_dies ended the process that it ran in: 7" in "".join(lines)


def test_the_first_failure_can_end_the_run(tmp_path: Path) -> None:
    code, lines = run(tmp_path, DIES.replace("os._exit(7)", "assert False"), "-n2", "-x")
    assert (code, "1 failed, 1 passed" in "".join(lines)) == (1, True), lines


def test_output_and_warnings_come_from_the_process_of_a_test(tmp_path: Path) -> None:
    tests = "import warnings\ndef test():\n    print('printed')\n    warnings.warn('warned', stacklevel=1)\n    assert 0"
    _, lines = run(tmp_path, tests, "-n2")
    assert "printed" in lines
    assert sum("UserWarning: warned" in line for line in lines) == 1


def test_junit_xml_has_each_test_with_its_time(tmp_path: Path) -> None:
    run(tmp_path, TESTS, "-n2", "--junitxml=out.xml")
    cases = ElementTree.parse(tmp_path / "out.xml").iter("testcase")  # noqa: S314 - it is our own
    assert sorted(case.attrib["name"] for case in cases) == [
        "test_on[sqlite]",
        "test_quick",
        "test_with_a_server_of_the_session",
    ]


def test_a_test_sees_what_is_logged(tmp_path: Path) -> None:
    tests = "import logging\ndef test(caplog):\n    logging.error('told')\n    assert caplog.messages == ['told']"
    code, lines = run(tmp_path, tests, "-n2")
    assert code == 0, lines
