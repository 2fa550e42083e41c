"""Run tests in several processes, which are forked once all tests are collected.

Collecting takes about ten seconds; done once, the first result comes after that, and no process imports
anything again. A process gets one file after another, so that fixtures of a module are set up
once. What a plugin hears of a test, it hears in the first process, as without this plugin.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

MAX_AUTOMATIC = 8
END_SECONDS = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `-n`."""
    # pytest keeps short options to itself; pytest-xdist, from where people know this one, adds it so too
    parser.getgroup("processes")._addoption(
        "-n",
        "--numprocesses",
        metavar="N",
        type=_read_count,
        help="run tests in N processes, 0 for this one; auto: two for each core. By default auto,"
        " and 0 for what is named on the command line",
    )


def _read_count(text: str) -> int:
    return count_for_cores() if text == "auto" else int(text)


def count_for_cores() -> int:
    """Return twice the number of cores, since many tests wait."""
    return min(2 * (os.cpu_count() or 1), MAX_AUTOMATIC)


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is a process that was forked for tests."""
    return hasattr(config, "workerinput")  # plugins of pytest ask for this name too


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests in processes of their own, unless this one is to run them."""
    option = session.config.option
    count = option.numprocesses
    if count is None:
        count = 0 if option.file_or_dir else count_for_cores()
    if count == 0 or option.collectonly or option.usepdb or session.testsfailed:
        return None
    Runner(session).run(count)
    return True


class Node:
    """The name of a process, where pytest looks for it in a report."""

    def __init__(self, number: int) -> None:
        self.id = f"gw{number}"
        self.gateway = self
        self.workerinfo = {
            "id": self.id,
            "sysplatform": sys.platform,
            "version_info": sys.version_info,
            "executable": sys.executable,
        }


class Worker:
    """A forked process: the connection to it, and the tests that it was given."""

    def __init__(self, number: int, pid: int, connection: Connection) -> None:
        self.node = Node(number)
        self.pid = pid
        self.connection = connection
        self.pending: deque[pytest.Item] = deque()


class Runner:
    """What the first process does: it hands out files, and passes on what it hears of tests."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._hook = session.config.hook
        files: dict[object, list[int]] = {}
        for index, item in enumerate(session.items):
            files.setdefault(item.path, []).append(index)
        self._files = deque(files.values())
        self._workers: dict[Connection, Worker] = {}
        self._forked = 0

    def run(self, count: int) -> None:
        """Run all tests in at most so many processes."""
        try:
            for _ in range(min(count, len(self._files))):
                self._fork()
            while self._workers:
                for connection in wait(list(self._workers)):
                    self._hear(self._workers[connection])  # type: ignore[index]
                    if self._session.shouldfail:
                        raise self._session.Failed(self._session.shouldfail)
                    if self._session.shouldstop:
                        raise self._session.Interrupted(self._session.shouldstop)
        finally:
            self._end_workers()

    def _fork(self) -> None:
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for connection in self._workers:
                connection.close()
            _run_as_worker(self._session, theirs, self._forked)
        theirs.close()
        self._workers[ours] = Worker(self._forked, pid, ours)
        self._forked += 1

    def _hear(self, worker: Worker) -> None:
        try:
            kind, values = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._note_end(worker)
            return
        if kind == "ask":
            file = self._files.popleft() if self._files else []
            worker.pending.extend(self._session.items[index] for index in file)
            with suppress(BrokenPipeError):
                worker.connection.send(file)
        elif kind == "warning":
            self._hook.pytest_warning_recorded.call_historic(kwargs=values)
        elif kind == "report":
            report = self._hook.pytest_report_from_serializable(
                config=self._session.config, data=values
            )
            report.node = worker.node
            self._hook.pytest_runtest_logreport(report=report)
        elif kind == "start":
            self._hook.pytest_runtest_logstart(**values)
        else:
            worker.pending.popleft()
            self._hook.pytest_runtest_logfinish(**values)

    def _note_end(self, worker: Worker) -> None:
        """Report the test that ended its process, and let another one run the others."""
        del self._workers[worker.connection]
        worker.connection.close()
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if not worker.pending:
            if code:
                raise RuntimeError(f"{worker.node.id} ended with {code} after its tests")
            return
        item, *others = worker.pending
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=f"{item.nodeid} ended the process that it ran in: {code}",
            when="call",
        )
        self._hook.pytest_runtest_logreport(report=report)
        if others:
            indexes = {id(item): index for index, item in enumerate(self._session.items)}
            self._files.appendleft([indexes[id(other)] for other in others])
        self._fork()

    def _end_workers(self) -> None:
        """Interrupt those that still run, each once: they tear down their fixtures."""
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGINT)
        for worker in self._workers.values():
            with suppress(EOFError, ConnectionResetError):
                while worker.connection.poll(END_SECONDS):
                    worker.connection.recv()
                os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)


def _run_as_worker(session: pytest.Session, connection: Connection, number: int) -> None:
    """Run what the first process hands out, and exit."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C comes from the first process, once
        _separate(session.config, connection, number)
        with suppress(KeyboardInterrupt):
            for item, next_item in _receive_items(session, connection):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        session.config.hook.pytest_sessionfinish(session=session, exitstatus=pytest.ExitCode.OK)
        atexit._run_exitfuncs()
        code = 0
    except (BrokenPipeError, EOFError):
        code = 0  # the first process is gone
    except BaseException:
        with _original_output(session.config):
            traceback.print_exc()
    finally:
        os._exit(code)


def _separate(config: pytest.Config, connection: Connection, number: int) -> None:
    """Give this process an output to capture of its own, and have it report to the first one
    alone.
    """
    config.workerinput = {"workerid": f"gw{number}"}  # type: ignore[attr-defined]
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    for listener in config.hook.pytest_runtest_logreport.get_hookimpls():
        if listener.plugin_name != "logging-plugin":  # it has what tests log
            config.pluginmanager.unregister(listener.plugin)
    config.pluginmanager.register(Reporter(config, connection))


@contextmanager
def _original_output(config: pytest.Config) -> Iterator[None]:
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        yield


def _receive_items(
    session: pytest.Session, connection: Connection
) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Yield each test with the one that follows it. Before the last test of a file the next file
    is asked for: fixtures of the session are torn down after a test that none follows.
    """
    items: deque[int] = deque()
    has_more = True
    while True:
        while has_more and len(items) < 2:
            connection.send(("ask", None))
            file = connection.recv()
            items.extend(file)
            has_more = bool(file)
        if not items:
            return
        index = items.popleft()
        yield session.items[index], session.items[items[0]] if items else None


class Reporter:
    """A plugin that tells the first process what happens."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection
        self._separated = False  # pytest repeats earlier warnings when this is registered

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        """Tell it that a test begins."""
        self._separated = True
        self._connection.send(("start", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell it how a phase of a test ended."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._connection.send(("report", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: object) -> None:
        """Tell it that a test has ended."""
        self._connection.send(("finish", {"nodeid": nodeid, "location": location}))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: object
    ) -> None:
        """Tell it of a warning."""
        if not self._separated:
            return
        copied = warnings.WarningMessage(
            str(warning_message.message),
            warning_message.category,
            warning_message.filename,
            warning_message.lineno,
        )
        values = {"warning_message": copied, "when": when, "nodeid": nodeid, "location": location}
        self._connection.send(("warning", values))
