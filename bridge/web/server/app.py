"""gunicorn, as flowbridge uses it."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from bridge.config.addresses import bracket
from bridge.config.settings import Settings
from bridge.system.cpu_affinity import pin, processors
from bridge.system.linux_process import deaf, die_with_parent
from bridge.system.logs import get_logger
from bridge.web.server.balance import Balance
from bridge.web.server.incomplete_requests import IncompleteRequests
from bridge.web.server.worker import Receiver

THREADS = 16  # most wait for a commit at any moment, and share it: more of them make larger batches


class _Ours(logging.Handler):
    """Writes what gunicorn has to say as lines of our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger().log(
            record.levelno, "gunicorn", text=record.getMessage(), exc_info=record.exc_info
        )


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log, as part of ours."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = [_Ours()]
        # It leaves the body of an answer to HEAD away, as it should, and would say so each time.
        logging.getLogger("gunicorn.http.wsgi").setLevel(logging.ERROR)


def options(settings: Settings, begin: Callable[[str], None]) -> dict[str, Any]:
    """Return gunicorn's settings; `deploy/gunicorn.conf.py` uses them too. `begin` is called in
    each receiver, with what it is.
    """
    balance = Balance()
    binds = [settings.bind, *([settings.private_bind] if settings.private_bind else [])]
    return {
        "bind": [f"{bracket(host)}:{port}" for host, port in binds],
        "worker_class": Receiver,
        "workers": min(2, processors()),
        "threads": THREADS,
        "keepalive": 75,  # longer than a proxy in front keeps its own end open
        "timeout": 60,
        "graceful_timeout": 8,
        "max_requests": 0,
        "preload_app": True,
        # it would be written under $HOME, which a hardened unit forbids
        "control_socket_disable": True,
        # no header may change the scheme or the path; client addresses are our own matter
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "limit_request_line": 8190,
        "limit_request_fields": 100,
        "limit_request_field_size": 8190,
        "logger_class": Log,
        "loglevel": "warning",
        "proc_name": "flowbridge",
        "post_fork": lambda _arbiter, worker: _settle(worker, settings, balance, begin),
        "worker_exit": lambda _arbiter, _worker: balance.leave(),
        "reuse_port": False,
    }


def _settle(
    worker: Receiver, settings: Settings, balance: Balance, begin: Callable[[str], None]
) -> None:
    """In a new receiver: end with the parent, take a place beside the others, and stay on the
    processor of that place.
    """
    die_with_parent()
    worker.balance = balance
    worker.incomplete = IncompleteRequests(
        THREADS // 2, settings.trusted_proxies, settings.private_bind, settings.timings
    )
    worker.last_request_seconds = settings.timings.last_request_seconds
    pin(balance.take_place() + 1)  # the worker process is on the first
    _at_hand(worker.cfg)
    begin("web")


def _at_hand(cfg: Any) -> None:
    """Put gunicorn's settings where Python finds them first: it asks for twenty of them in each
    request, each by way of three calls.
    """
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})


class _Parent(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Ctrl-C, which a terminal sends to every process, ends as gracefully as SIGTERM; SIGHUP has
    routes.yaml read, nothing restarted.
    """

    def spawn_worker(self) -> Any:
        """Fork a receiver. Told to end before it listens to signals it hears of it later, else it
        would go on and be killed at its work.
        """
        with deaf():
            return super().spawn_worker()

    def stop(self, graceful: bool = True) -> None:
        """End the receivers. gunicorn looks ten times a second whether they have; meanwhile who
        calls waits for those that come next.
        """
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
        """Nothing: whoever keeps this process begins the one that takes over, not gunicorn."""

    def handle_hup(self) -> None:
        self.app.reread()


class Receivers(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The receivers' parent: forks the gunicorn workers and keeps them alive."""

    def __init__(self, app: Flask, chosen: dict[str, Any], reread: Callable[[], None]) -> None:
        self._app = app
        self._chosen = chosen
        self.reread = reread
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app

    def run(self) -> None:
        """Serve until a signal ends it; does not return."""
        _Parent(self).run()
