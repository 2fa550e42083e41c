"""One command that runs everything: forks the receivers and the worker, keeps them alive, and ends with them.

Everything is imported once, before the fork; the store is opened after it, by each process for itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from bridge.affinity import pin
from bridge.errors import BridgeError, SettingsError
from bridge.flows.host import start_host
from bridge.flows.library import load_library
from bridge.logs import get_logger
from bridge.parent import die_with_parent
from bridge.send import Sender
from bridge.settings import Address, Settings
from bridge.start import Loaded, local_platform, prepare_store
from bridge.store.database import Database
from bridge.wake import Wake
from bridge.web.app import create_app
from bridge.web.faults import Fault, Faults
from bridge.web.serving import Receivers, options
from bridge.worker import Worker

log = get_logger()

MADV_DONTNEED = 4  # https://man7.org/linux/man-pages/man2/madvise.2.html
M_ARENA_MAX = -8  # https://man7.org/linux/man-pages/man3/mallopt.3.html
PREPARED = "prepared"
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
STEADY = 60.0  # a process that lived this long is restarted at once
BACKOFF = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


def listen(settings: Settings) -> list[socket.socket]:
    """Bind the sockets of both faces; `SettingsError` where an address is taken or not ours."""
    return [_bind(address) for address in (settings.bind, settings.private_bind) if address is not None]


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise SettingsError(f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from None
    sock.set_inheritable(True)
    return sock


def as_bound(settings: Settings, sockets: Sequence[socket.socket]) -> Settings:
    """Return the settings with the addresses that the sockets really have: a name such as `localhost` has become a number."""
    addresses: list[Address] = [sock.getsockname()[:2] for sock in sockets]
    return replace(settings, bind=addresses[0], private_bind=addresses[1] if len(addresses) > 1 else None)


def reached_at(loaded: Loaded, before: str, now: str) -> Loaded:
    """Return what was loaded with the embedded platform at the address that it really has: port 0 has become a number."""
    platforms = {
        name: replace(each, base_url=now) if each.type == "local" and each.base_url == before else each
        for name, each in loaded.config.platforms.items()
    }
    return replace(loaded, config=replace(loaded.config, platforms=platforms))


def prepare_in_child(settings: Settings, loaded: Loaded) -> None:
    """Prepare the store in a process of its own: Alembic's memory goes with it, the store stays unopened here, and flows.py does no harm.

    `SettingsError` with what was wrong: with the store, or with flows.py.
    """
    answers, told = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(answers)
        os.dup2(2, 1)  # stdout holds a command's answer only
        _end(lambda: _prepare(settings, loaded, told))
    os.close(told)
    with open(answers, "rb") as file:  # noqa: PTH123 - it is an open pipe
        said = file.read(65536).decode("utf-8", "replace")
    os.waitpid(child, 0)
    if said != PREPARED:
        raise SettingsError(said or "the process that prepared the store and loaded the flows ended without a word")


def _prepare(settings: Settings, loaded: Loaded, told: int) -> None:
    try:
        prepare_store(settings, loaded.config)
        said = PREPARED
    except BridgeError as error:
        said = str(error)
    os.write(told, said.encode("utf-8", "backslashreplace")[:65536])


def receive_forever(settings: Settings, loaded: Loaded, wake: Wake, sockets: Sequence[socket.socket], faults: Sequence[Fault] = ()) -> None:
    """Be the receivers' parent process. With `faults` the flow API misbehaves as they say."""
    settings = as_bound(settings, sockets)
    app = create_app(settings, lambda: loaded.config, Database(settings.database_url), wake.ring)
    if faults:
        app.wsgi_app = Faults(app.wsgi_app, faults)  # type: ignore[method-assign]
    chosen = options(settings) | {"bind": [f"fd://{sock.fileno()}" for sock in sockets]}
    Receivers(app, chosen).run()


def work_forever(settings: Settings, loaded: Loaded, wake: Wake) -> None:
    """Be a worker process until SIGTERM or SIGINT. The flow host is forked first, before there are threads, a store, or one processor."""
    platform = local_platform(loaded.config)
    host = None if platform is None else start_host(lambda: load_library(platform.flows), settings.flow_environ)
    worker = Worker(settings, lambda: loaded.config, Database(settings.database_url), Sender().send, wake, host)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    pin(0)
    worker.run()


@dataclass(slots=True)
class Child:
    """A process that is to be kept alive."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = field(default=0.0)


def everything(settings: Settings, loaded: Loaded, wake: Wake, sockets: Sequence[socket.socket],
               faults: Sequence[Fault] = ()) -> list[Child]:  # fmt: skip
    """Return what `serve` runs: the receivers and a worker."""
    loaded = reached_at(loaded, settings.local_base_url, as_bound(settings, sockets).local_base_url)
    return [
        Child("web", lambda: receive_forever(settings, loaded, wake, sockets, faults)),
        Child("work", lambda: work_forever(settings, loaded, wake)),
    ]


def save_memory() -> None:
    """Make what is about to be shared with the children small, and keep it shared.

    The garbage of starting goes back to the system, and so does the code that only starting needed; the collector leaves the rest alone,
    since it would write to it; and the threads of each process share two of malloc's arenas, as one for each is memory for nothing.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):  # not glibc, not Linux
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, 2)
        _let_go_of_code(libc)


def _let_go_of_code(libc: ctypes.CDLL) -> None:
    """Unmap the pages of machine code: those that are used again come back from the page cache, as code is never written to."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "r-xp" and name.startswith("/"):
            start, end = (int(text, 16) for text in span.split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


class Supervisor:
    """Keeps children alive until it is told to stop; each that ends is started again, sooner or later by how often it has."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return 0 when all ended in time."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        save_memory()
        while not self._stopping:
            now = time.monotonic()
            for child in self._children:
                if child.restart_at is not None and child.restart_at <= now:
                    self._start(child)
            self._reap()
            time.sleep(0.05)
        return self._stop()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, child: Child) -> None:
        child.restart_at, child.started_at = None, time.monotonic()
        parent = os.getpid()
        child.pid = os.fork()
        if child.pid == 0:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            die_with_parent()
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)
            _end(child.work)
        log.debug("started", process=child.name, pid=child.pid)

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid or os.waitpid(child.pid, os.WNOHANG)[0] == 0:
                continue
            child.pid = 0
            if self._stopping:
                continue
            lived = time.monotonic() - child.started_at
            child.failures = 0 if lived > STEADY else child.failures + 1
            wait = BACKOFF[min(child.failures, len(BACKOFF) - 1)]
            child.restart_at = time.monotonic() + wait
            log.error("process_ended", process=child.name, lived=round(lived, 1), restart_in=wait)

    def _stop(self) -> int:
        self._signal(signal.SIGTERM)
        until = time.monotonic() + GRACE
        while any(child.pid for child in self._children) and time.monotonic() < until:
            self._reap()
            time.sleep(0.02)
        late = [child.name for child in self._children if child.pid]
        self._signal(signal.SIGKILL)
        return 1 if late else 0

    def _signal(self, number: int) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, number)


def _end(work: Callable[[], None]) -> None:
    """Do the work of a forked process and end it without the parent's exit handlers."""
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
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
