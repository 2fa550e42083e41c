"""gunicorn with the settings and changes of flowbridge."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from bridge.config.addresses import bracket
from bridge.config.settings import Settings
from bridge.system.cpu_affinity import (
    count_processors,
    lengthen_switch_interval,
    pin_process,
)
from bridge.system.linux_process import defer_signals, die_with_parent
from bridge.system.logs import get_logger
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.balance import PLACES, Balance
from bridge.web.server.console_process import ConsoleProcess, refuse_waiting
from bridge.web.server.event_loop.worker import LoopReceiver
from bridge.web.server.http_limits import HEAD_LIMITS
from bridge.web.server.passed_connections import PassedConnections
from bridge.web.server.thread_receiver import ThreadReceiver

log = get_logger()
THREADS = 16  # of `FLOWBRIDGE_EDGE=flask`; many wait for the same commit, and make it larger
WORKER_CLASSES: Final[Mapping[str, type]] = {"async": LoopReceiver, "flask": ThreadReceiver}


class _GunicornLogHandler(logging.Handler):
    """Writes the records of gunicorn to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and isinstance(record.exc_info[1], BlockingIOError):
            log.limited().warning("connection_timed_out")  # of a `ThreadReceiver`
            return
        get_logger().log(
            record.levelno, "gunicorn", text=record.getMessage(), exc_info=record.exc_info
        )


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """The logger of gunicorn, which writes to our log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_GunicornLogHandler()]
        # gunicorn warns each time that it leaves out the body of a response to HEAD, as it should.
        logging.getLogger("gunicorn.http.wsgi").setLevel(logging.ERROR)


def options(settings: Settings, begin: Callable[[str], None]) -> dict[str, Any]:
    """Return gunicorn's settings; `deploy/gunicorn.conf.py` uses them too.

    Each receiver calls `begin` with its role, after its fork.
    """
    balance = Balance()
    binds = [settings.bind, *([settings.private_bind] if settings.private_bind else [])]
    return {
        "bind": [f"{bracket(host)}:{port}" for host, port in binds],
        "worker_class": WORKER_CLASSES[settings.edge],
        "workers": min(2, count_processors()),
        "threads": THREADS,
        "keepalive": 75,  # longer than a proxy in front keeps its own end open
        "timeout": 60,
        "graceful_timeout": 8,
        "max_requests": 0,
        "preload_app": True,
        # it would be written under $HOME, which a hardened unit forbids
        "control_socket_disable": True,
        # no header may change the scheme or the path; flowbridge finds client addresses itself
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        **HEAD_LIMITS,
        "logger_class": GunicornLogger,
        "loglevel": "warning",
        "proc_name": "flowbridge",
        "pre_fork": lambda _parent, worker: _begin_watch(worker, settings),
        "post_fork": lambda parent, worker: _set_up(parent, worker, settings, balance, begin),
        "worker_exit": lambda _parent, _worker: balance.free_place(),
        "reuse_port": False,
    }


def _begin_watch(worker: Any, settings: Settings) -> None:
    """Record the fork as the first heartbeat: a process can hang before its own first one."""
    worker.timings = settings.timings
    worker.notify()


def _set_up(
    parent: Arbiter, worker: Any, settings: Settings, balance: Balance, begin: Callable[[str], None]
) -> None:
    """Set up a new process: end with the parent, and apply the limits."""
    die_with_parent()
    worker.answers = AnswerLimits(settings.timings.answer_stall_seconds)
    worker.restart_idle_seconds = settings.timings.restart_idle_seconds
    _cache_settings(worker.cfg)
    # gunicorn's own command has another parent, without a console process
    passed: PassedConnections | None = getattr(parent, "passed", None)
    if passed is not None and isinstance(worker, ConsoleProcess):
        worker.listen_to_receivers(passed)
        begin("console")
        return
    worker.passed = passed
    worker.flask_places = settings.pool
    worker.balance = balance
    place = balance.take_place()
    worker.restart_idle_seconds *= 1 + place / PLACES
    lengthen_switch_interval()
    if _stores_in_threads(settings):
        pin_process(place + 1)  # the worker runs on the first processor
    begin("web")


def _stores_in_threads(settings: Settings) -> bool:
    """Return whether each event passes from one thread of a receiver to another."""
    return settings.edge == "flask" or not settings.database_url.startswith("sqlite")


def _cache_settings(cfg: Any) -> None:
    """Store gunicorn's settings as attributes: each request reads twenty, by three calls each."""
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})


class _Parent(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """The parent of the receivers, and of the console process while it is used.

    It is created before it is forked itself: creating it writes to memory that would be copied.

    Ctrl-C, which a terminal sends to every process, ends them as gracefully as SIGTERM. SIGHUP
    reloads routes.yaml and restarts nothing.
    """

    worker_class: type
    _console_pid = 0

    def start(self) -> None:
        """Create the queue of the console process, which only these processes may hold."""
        self.passed = PassedConnections()
        super().start()

    def _count_wanted(self) -> int | None:
        """Return how many processes there should be: the console process has no successor."""
        count: int | None = self._num_workers
        return count if count is None else count + (self._console_pid in self.WORKERS)

    num_workers = property(_count_wanted, Arbiter._set_num_workers)

    def manage_workers(self) -> None:
        """Start the receivers that are missing, and the console process if a connection waits."""
        super().manage_workers()
        if self._console_pid not in self.WORKERS and self.passed.is_waiting():
            self._spawn_console_process()

    def _spawn_console_process(self) -> None:
        """Fork the console process. After a failure receivers go on, and the next request tries
        again.
        """
        self.worker_class = ConsoleProcess
        try:
            self._console_pid = self.spawn_worker()
        except OSError as error:
            log.warning("console_process_not_started", error=error.strerror)
            refuse_waiting(self.passed)
        finally:
            self.worker_class = self.cfg.worker_class

    def murder_workers(self) -> None:
        """Kill processes that hang: the console process early, since requests wait for it.

        Its successor answers those that wait in the queue.
        """
        super().murder_workers()
        console = self.WORKERS.get(self._console_pid)
        if console is not None and not console.aborted and console.is_stalled():
            console.aborted = True  # its end may take a while, if it waits for a disk
            log.error("console_process_killed", seconds=console.timings.console_stall_seconds)
            self.kill_worker(self._console_pid, signal.SIGKILL)

    def handle_ttin(self) -> None:
        """Do nothing but wake up: a connection waits for the console process."""

    def handle_ttou(self) -> None:
        """Do nothing: the number of receivers is fixed."""

    def spawn_worker(self) -> Any:
        """Fork a receiver, with signals blocked until it handles them.

        Otherwise a receiver that gets SIGTERM during its fork would go on, and be killed in the
        middle of a request.
        """
        with defer_signals():
            return super().spawn_worker()

    def stop(self, graceful: bool = True) -> None:
        """End the receivers. gunicorn checks only ten times a second; meanwhile senders wait."""
        if graceful:
            until = time.monotonic() + self.cfg.graceful_timeout
            self.kill_workers(signal.SIGTERM)
            while self.WORKERS and time.monotonic() < until:
                self.reap_workers()
                time.sleep(0.005)
            self.kill_workers(signal.SIGKILL)
        super().stop(graceful)

    def handle_int(self) -> None:
        self.handle_term()

    def handle_usr2(self) -> None:
        """Do nothing: the supervisor starts the replacement process, not gunicorn."""

    def handle_hup(self) -> None:
        self.app.reread()


class Receivers(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The gunicorn application that forks the receivers and restarts those that end."""

    def __init__(
        self, app: Flask, server_options: dict[str, Any], reread: Callable[[], None]
    ) -> None:
        self._app = app
        self._chosen = server_options
        self.reread = reread
        super().__init__()
        self._parent = _Parent(self)

    def load_config(self) -> None:
        for name, value in self._chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app

    def run(self) -> None:
        """Serve until a signal; does not return."""
        self._parent.run()
