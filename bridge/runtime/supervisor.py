"""The supervisor: restart child processes, stop them in order, and hand over to a replacement."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from bridge.core.errors import BridgeError
from bridge.core.timings import TIMINGS
from bridge.monitoring import counter_files
from bridge.monitoring.tracing import exporter
from bridge.runtime.handover import Replacement
from bridge.runtime.reload.reloader import Reloader
from bridge.runtime.systemd import ServiceNotifier
from bridge.runtime.watchdog import Watchdog
from bridge.system.descriptors import wait_readable
from bridge.system.linux_process import defer_signals, die_with_parent
from bridge.system.logs import get_logger
from bridge.system.shared_memory import shrink_memory

log = get_logger()

# to the supervisor: start a replacement, and end when it is ready; to a child: end without hurry
HANDOVER_SIGNAL = signal.SIGUSR2
STEADY_SECONDS = 60.0  # a process that ran this long is restarted at once
HANDOVER_POLL_SECONDS = 0.05  # between looks at a replacement
RESTART_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class Child:
    """A process that the supervisor restarts when it ends."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = field(default=0.0)
    # seconds that it has to end before the supervisor stops the processes listed before it
    lead_seconds: float = 0.0
    # seconds that it has to end after a handover, which `HANDOVER_SIGNAL` announces
    handover_seconds: float = 0.0


class Supervisor:
    """Runs child processes until it is stopped; restarts each that ends, with a growing delay.

    Meanwhile it runs the `reloader`. `successor` starts a replacement process, None where that is
    impossible. `stop_seconds`: between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        children: Sequence[Child],
        reloader: Reloader,
        watch: Watchdog | None = None,
        successor: Callable[[], Replacement] | None = None,
        stop_seconds: float = TIMINGS.stop_seconds,
    ) -> None:
        self._children = children
        self._reloader = reloader
        self._watch = watch or Watchdog(ServiceNotifier())
        self._begin = successor
        self._stop_seconds = stop_seconds
        self._successor: Replacement | None = None
        self._stopping = False
        self._on_terminal = False
        self._handover_requested = False
        self._leaving = False
        self._signals = -1  # can be read after each signal

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return 0 if all children ended in time."""
        self._signals, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only wakes
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._on_terminal = os.isatty(2)
        signal.signal(signal.SIGHUP, self._on_hang_up)
        signal.signal(HANDOVER_SIGNAL, self._on_handover_signal)
        shrink_memory()
        while not self._stopping:
            now = time.monotonic()
            for child in self._children:
                if child.restart_at is not None and child.restart_at <= now:
                    self._start(child)
            self._reap()
            self._watch.poll(all_alive=all(child.pid for child in self._children))
            if (successor := self._poll_replacement()) is not None and self._watch.hand_over(
                successor
            ):
                return self._end_after_handover(successor)
            self._reloader.poll_if_due()
            self._wait()
        self._watch.notify_stopping()
        return self._stop()

    def _wait(self) -> None:
        """Wait until a step is due, or a signal or a wake-up arrives."""
        now = time.monotonic()
        seconds = min(
            self._reloader.seconds_to_wait,
            self._watch.seconds_to_wait,
            *(child.restart_at - now for child in self._children if child.restart_at is not None),
        )
        if self._successor is not None:
            seconds = min(seconds, HANDOVER_POLL_SECONDS)
        if self._signals in wait_readable([self._signals, self._reloader.wake.fileno()], seconds):
            os.read(self._signals, 65536)

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._leaving:  # a stop is more urgent than a handover
            self._signal(signal.SIGTERM)

    def _on_handover_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._handover_requested = True

    def _on_hang_up(self, _number: int, _frame: FrameType | None) -> None:
        """Reread routes.yaml; or end, where the controlling terminal is gone."""
        if self._on_terminal and not os.isatty(2):
            self._stopping = True
        self._reloader.ask()

    def _start(self, child: Child) -> None:
        child.restart_at = None
        child.started_at = time.monotonic()
        parent = os.getpid()
        try:
            with defer_signals():
                child.pid = os.fork()
                if child.pid == 0:
                    signal.set_wakeup_fd(-1)  # else its signals would reach this process
                    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                        signal.signal(number, signal.SIG_DFL)
                    signal.signal(HANDOVER_SIGNAL, signal.SIG_IGN)
        except OSError as error:  # a limit of the machine: the other processes go on
            wait = _plan_restart(child)
            log.error("process_not_started", process=child.name, error=str(error), retry_in=wait)
            return
        if child.pid == 0:
            die_with_parent()
            if os.getppid() != parent:  # the parent died before `die_with_parent`
                os._exit(1)
            run_and_exit(child.work)
        log.debug("process_started", process=child.name, pid=child.pid)

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid or os.waitpid(child.pid, os.WNOHANG)[0] == 0:
                continue
            child.pid = 0
            if self._stopping:
                continue
            lived = time.monotonic() - child.started_at
            wait = _plan_restart(child)
            log.error("process_ended", process=child.name, lived=round(lived, 1), restart_in=wait)

    def _poll_replacement(self) -> int | None:
        """Start a replacement if requested; return its process id when it is ready."""
        if self._handover_requested and self._successor is None:
            self._start_replacement()
        self._handover_requested = False
        verdict = None if self._successor is None else self._successor.poll()
        if self._successor is not None and verdict is False:
            log.error(
                "replacement_failed",
                pid=self._successor.pid,
                note="it ended before it was ready; this process continues",
            )
            # deploy/flowbridge-replace reads this text
            self._watch.notify.send(
                f"STATUS=as before: process {self._successor.pid} ended before it was ready"
            )
            self._successor = None
        return self._successor.pid if self._successor is not None and verdict else None

    def _start_replacement(self) -> None:
        if self._begin is None or os.getpid() == 1:
            log.error(
                "handover_impossible",
                note=("this process cannot hand over: processes started for it would end with it"),
            )
            return
        try:
            self._successor = self._begin()
        except OSError as error:
            log.error("handover_impossible", note=str(error))
        else:
            log.info("replacement_started", pid=self._successor.pid)
            self._watch.notify.send(f"STATUS=handover: process {self._successor.pid} is starting")

    def _end_after_handover(self, successor: int) -> int:
        """End after a handover; the children finish their calls under way without hurry."""
        self._stopping = True
        self._leaving = True
        log.info("handover_completed", to=successor)
        self._reloader.close()
        for child in self._children:
            if child.pid:
                os.kill(child.pid, HANDOVER_SIGNAL if child.handover_seconds else signal.SIGTERM)
        hurried = [child for child in self._children if not child.handover_seconds]
        self._wait_for(hurried, time.monotonic() + self._stop_seconds)
        self._wait_for(
            self._children,
            time.monotonic() + max(child.handover_seconds for child in self._children),
        )
        return self._kill()

    def _stop(self) -> int:
        until = time.monotonic() + self._stop_seconds
        self._reloader.close()
        if self._successor is not None:  # else it would continue
            os.kill(self._successor.pid, signal.SIGTERM)
        # the worker before the receivers: its calls to the local platform are still answered
        for child in reversed(self._children):
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
            self._wait_for([child], time.monotonic() + child.lead_seconds)
        self._wait_for(self._children, until)
        return self._kill()

    def _kill(self) -> int:
        """Kill children that did not end in time; return 1 if there were any."""
        late = [child.name for child in self._children if child.pid]
        self._signal(signal.SIGKILL)
        return 1 if late else 0

    def _wait_for(self, children: Sequence[Child], until: float) -> None:
        while any(child.pid for child in children) and time.monotonic() < until:
            self._reap()
            time.sleep(0.02)

    def _signal(self, number: int) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, number)


def _plan_restart(child: Child) -> float:
    """Plan the next start of a process that ended or could not start; return the seconds until
    then.
    """
    now = time.monotonic()
    child.failures = 0 if now - child.started_at > STEADY_SECONDS else child.failures + 1
    wait = RESTART_BACKOFF_SECONDS[min(child.failures, len(RESTART_BACKOFF_SECONDS) - 1)]
    child.restart_at = now + wait
    return wait


def run_and_exit(work: Callable[[], object]) -> NoReturn:
    """Run the work of a forked process and exit without exit handlers, which are its parent's."""
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BridgeError as error:
        log.error("process_failed", error=str(error))
    except BaseException as error:
        log.error("process_failed", exc_info=error)
    finally:
        counter_files.write_counters()
        exporter.stop_tracer()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
