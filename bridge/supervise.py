"""One command that runs everything: forks the receivers and the worker, keeps them alive, and ends with them.

Everything is imported once, before the fork; the store is opened after it, by each process for itself.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import NoReturn

from bridge import counting, exposition, tracing
from bridge.affinity import pin
from bridge.errors import BridgeError, SettingsError
from bridge.flows.host import start_host
from bridge.flows.library import load_library
from bridge.logs import get_logger
from bridge.memory import save_memory
from bridge.parent import deaf, die_with_parent
from bridge.reload import Following, told
from bridge.reload.process import read_forever
from bridge.sealing import Sealer
from bridge.send import Sender
from bridge.settings import Address, Settings
from bridge.start import Loaded, prepare_store
from bridge.store import migrate, tally
from bridge.store.database import Database
from bridge.systemd import Notify
from bridge.wake import Wake
from bridge.watch import Watch
from bridge.web.app import create_app
from bridge.web.faults import Fault, Faults
from bridge.web.serving import Receivers, options
from bridge.worker import Worker
from bridge.worker.files import Files
from bridge.worker.relaying import Relay
from bridge.worker.traced import traced_by

log = get_logger()

PREPARED = "prepared"
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
AHEAD = 7.5  # seconds that the worker has to end before the receivers are told to: until then nobody who calls waits for it
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
    Sealer(settings.encryption_keys)  # what sealing takes is in memory before anything is forked,
    Database.of(settings)  # and so is the database's driver; nothing is opened
    answers, told = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(answers)
        os.dup2(2, 1)  # stdout holds a command's answer only
        end(lambda: _prepare(settings, loaded, told))
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


def receive_forever(settings: Settings, following: Following, wake: Wake, sockets: Sequence[socket.socket],
                    faults: Sequence[Fault] = ()) -> None:  # fmt: skip
    """Be the receivers' parent process. With `faults` the flow API misbehaves as they say."""
    settings = as_bound(settings, sockets)
    board = following.board
    app = create_app(settings, following, Database.of(settings), wake.ring, lambda: told(board))
    if faults:
        app.wsgi_app = Faults(app.wsgi_app, faults)  # type: ignore[method-assign]
    chosen = options(settings, following.start) | {"bind": [f"fd://{sock.fileno()}" for sock in sockets]}
    Receivers(app, chosen, board.wake.ring).run()


def work_forever(settings: Settings, following: Following, wake: Wake) -> None:
    """Be a worker process until SIGTERM or SIGINT. The flow host is forked first, before there are threads, a store, or one processor."""
    host = start_host(load_library, settings.flow_environ)
    following.start("work")
    relay = None
    if settings.engine == "celery":
        from bridge.engine import broker  # who does not use it, need not have it

        relay = Relay(broker.publisher(settings))
    database = Database.of(settings)
    exposition.serve(settings, database, following)
    traced = traced_by(tracing.current(), following, database)
    worker = Worker(settings, following, database, Sender().send, wake, host, relay, traced)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    signal.signal(signal.SIGHUP, lambda *_: following.board.wake.ring())
    pin(0)
    worker.run()


def celery_forever(settings: Settings, following: Following, concurrency: int) -> int:
    """Be a Celery worker, which makes the calls that workers hand over, until SIGTERM or SIGINT; return its exit code."""
    from bridge.engine import broker
    from bridge.engine.calls import Calls

    database = Database.of(settings)
    migrate.upgrade(database)
    tally.must_open(database)
    following.start("celery")
    exposition.serve(settings, database, following)

    def calls() -> Calls:
        traced = traced_by(tracing.current(), following, database)
        return Calls(following, database, Sender().send, settings.reconcile_after, Files(settings, database), traced)

    return broker.execute_forever(settings, calls, concurrency, following.board.wake.ring)


@dataclass(slots=True)
class Child:
    """A process that is to be kept alive."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = field(default=0.0)
    ahead: float = 0.0  # seconds that it has to end before those that were listed before it are told to
    reread: Callable[[], None] = lambda: None  # called on SIGHUP


def everything(settings: Settings, loaded: Loaded, wake: Wake, sockets: Sequence[socket.socket],
               faults: Sequence[Fault] = ()) -> list[Child]:  # fmt: skip
    """Return what `serve` runs: the receivers, a worker, and who reads routes.yaml when it changes."""
    bound = as_bound(settings, sockets)
    following = Following(bound, reached_at(loaded, settings.local_base_url, bound.local_base_url))
    return [
        Child("web", lambda: receive_forever(settings, following, wake, sockets, faults)),
        Child("work", lambda: work_forever(settings, following, wake), ahead=AHEAD),
        reader(bound, loaded, following),
    ]


def reader(settings: Settings, loaded: Loaded, following: Following) -> Child:
    """Return who reads routes.yaml when it changes, for all that `following` is given to."""
    board, top = following.board, os.getpid()
    return Child("reload", lambda: read_forever(settings, board, loaded.disk, top), reread=board.wake.ring)


class Supervisor:
    """Keeps children alive until it is told to stop; each that ends is started again, sooner or later by how often it has."""

    def __init__(self, children: Sequence[Child], watch: Watch | None = None) -> None:
        self._children, self._watch = children, watch or Watch(Notify())
        self._stopping = self._on_terminal = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; return 0 when all ended in time."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._on_terminal = os.isatty(2)
        signal.signal(signal.SIGHUP, self._on_hang_up)
        save_memory()
        while not self._stopping:
            now = time.monotonic()
            for child in self._children:
                if child.restart_at is not None and child.restart_at <= now:
                    self._start(child)
            self._reap()
            self._watch.look(all_alive=all(child.pid for child in self._children))
            time.sleep(0.05)
        self._watch.stopping()
        return self._stop()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _on_hang_up(self, _number: int, _frame: FrameType | None) -> None:
        """Have routes.yaml read; or end, where the terminal is gone that it was started on."""
        if self._on_terminal and not os.isatty(2):
            self._stopping = True
        for child in self._children:
            child.reread()

    def _start(self, child: Child) -> None:
        child.restart_at, child.started_at = None, time.monotonic()
        parent = os.getpid()
        with deaf():
            child.pid = os.fork()
            if child.pid == 0:
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
        if child.pid == 0:
            die_with_parent()
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)
            end(child.work)
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
        until = time.monotonic() + GRACE
        for child in reversed(self._children):  # the worker before the receivers: its calls to the local platform are still answered
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
            self._wait_for([child], time.monotonic() + child.ahead)
        self._wait_for(self._children, until)
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


def end(work: Callable[[], object]) -> NoReturn:
    """Do the work of a process and end it at once, without exit handlers: those of a forked one are its parent's."""
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
        counting.finish()
        tracing.finish()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
