"""Decide from its fixtures whether plain `pytest` runs a test or leaves it to `pytest --all`.

A test that starts a process requests `new_processes`, itself or through a fixture: without it, it
fails where it starts one. One that takes seconds requests `slow`, one that belongs to a release
`before_release`. On PostgreSQL, plain `pytest` runs the tests of tests/store alone.
What is named on the command line, by path, node id or `-k`, is run whatever it requests.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import util
from typing import Any, cast

import pytest

STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "pty.spawn"})
NO_LEAVE = "a test that starts a process requests the fixture new_processes"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why plain `pytest` leaves a test to `--all`, and by how much such a test makes a run on two
    cores longer.
    """

    fixture: str
    text: str
    seconds: float


RELEASE = Reason("before_release", "are for a release", 1.0)
PROCESSES = Reason("new_processes", "start processes", 0.16)
SLOW = Reason("slow", "take seconds", 0.1)
POSTGRESQL = Reason("postgresql", "repeat a test of SQLite on PostgreSQL", 0.06)


@pytest.fixture(scope="session")
def new_processes() -> None:
    """Let a test start processes."""


@pytest.fixture(scope="session")
def slow() -> None:
    """Let a test take seconds: it tries many examples, or waits for a limit to pass."""


@pytest.fixture(scope="session")
def before_release(new_processes: None) -> None:
    """Leave a test to `.ci/full`."""


def find_reason(item: pytest.Item) -> Reason | None:
    """Return why plain `pytest` leaves a test out, None where it runs it."""
    fixtures = getattr(item, "fixturenames", ())
    for reason in (RELEASE, PROCESSES, SLOW):
        if reason.fixture in fixtures:
            return reason
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if "postgresql" in parameters and not item.nodeid.startswith("tests/store/"):
        return POSTGRESQL
    return None


# -- which tests run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose a tier."""
    group = parser.getgroup("tiers", "tests that plain pytest leaves out")
    for name, text in {
        "all": "run all tests",
        "rest": "run what plain pytest leaves out, without the tests for a release",
        "release": "run the tests for a release alone",
    }.items():
        group.addoption(
            f"--{name}", dest="tier", action="store_const", const=name, default="quick", help=text
        )


TIERS = {
    "quick": lambda reason: reason is None,
    "rest": lambda reason: reason is not None and reason is not RELEASE,
    "release": lambda reason: reason is RELEASE,
    "all": lambda reason: True,
}


def names_tests(config: pytest.Config) -> bool:
    """Return whether the command line says itself which tests are to run."""
    options = ("file_or_dir", "keyword", "markexpr", "lf")  # without its plugin there is no `lf`
    return any(config.getoption(option, None) for option in options)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the chosen tier does not have."""
    tier = config.option.tier
    if tier == "quick" and names_tests(config):
        return
    reasons = [find_reason(item) for item in items]
    left_out = [
        item for item, reason in zip(items, reasons, strict=True) if not TIERS[tier](reason)
    ]
    if left_out:
        if tier == "quick":
            config.stash[LEFT_OUT] = Counter(reason for reason in reasons if reason)
        dropped = {id(item) for item in left_out}
        items[:] = [item for item in items if id(item) not in dropped]
        config.hook.pytest_deselected(items=left_out)


LEFT_OUT: pytest.StashKey[Counter[Reason]] = pytest.StashKey()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Print at the very end what was skipped, and what `--all` has more."""
    yield
    left_out = session.config.stash.get(LEFT_OUT, None)
    reporter: Any = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter:
        for line in describe_skips(reporter.stats.get("skipped", ())):
            reporter.write_line(line)
        if left_out:
            reporter.write_line(describe_left_out(left_out))


def describe_skips(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> Iterator[str]:
    """Yield how many tests, or files of tests, each reason to skip has left out, the most first."""
    reasons: Counter[str] = Counter()
    for report in reports:
        _, _, text = cast("tuple[str, int, str]", report.longrepr)
        reasons[text.removeprefix("Skipped: ").partition("\n")[0]] += 1
    for reason, count in reasons.most_common():
        yield f"skipped {count:,}: {reason}"


def describe_left_out(left_out: Counter[Reason]) -> str:
    """Return how many tests `--all` has more, why, and about how long they take."""
    parts = [
        f"{count:,} {reason.text} (about {describe_time(count * reason.seconds)})"
        for reason, count in left_out.most_common()
    ]
    return f"pytest --all has {left_out.total():,} more tests: {', '.join(parts)}"


def describe_time(seconds: float) -> str:
    """Return a time in whole minutes, or in seconds below two minutes."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


# -- what a test may start


class Guard:
    """Whether the test that runs may start a process, and what it started although it may not."""

    def __init__(self) -> None:
        self.is_on = False
        self.started: list[str] = []

    def check(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Fail the test: an audit hook of Python calls this for all that happens."""
        if self.is_on and event in STARTS:
            self.started.append(f"{event} {arguments!r}"[:200])
            pytest.fail(NO_LEAVE)

    @contextmanager
    def switched(self, *, on: bool) -> Iterator[None]:
        """Guard for a while, or do not."""
        before, self.is_on = self.is_on, on
        try:
            yield
        finally:
            self.is_on = before


GUARD = Guard()
sys.addaudithook(GUARD.check)
spawn = util.spawnv_passfds


def spawn_audited(path: Any, arguments: Any, descriptors: Any) -> int:
    """Start a process of multiprocessing, which Python does not audit."""
    sys.audit("subprocess.Popen", path, arguments, None, None)
    return spawn(path, arguments, descriptors)


util.spawnv_passfds = spawn_audited


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the fixtures of a test."""
    GUARD.started.clear()
    with GUARD.switched(on=must_not_start(item)):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Guard a test; a failure that it caught counts."""
    with GUARD.switched(on=must_not_start(item)):
        result = yield
    if GUARD.started:
        pytest.fail(f"{NO_LEAVE}: {GUARD.started}")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any],
) -> Generator[None, object, object]:
    """Let a fixture of the session start a process: it does so once for all tests."""
    with GUARD.switched(on=GUARD.is_on and fixturedef.scope != "session"):
        return (yield)


def must_not_start(item: pytest.Item) -> bool:
    """Return whether a test has no fixture that lets it start processes."""
    return PROCESSES.fixture not in getattr(item, "fixturenames", ())
