"""The processes of a command, receivers and a worker, and the preparation of the store for all.

Modules are imported once, before the fork; each process opens the store for itself, after it.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bridge.config.addresses import Address
from bridge.config.settings import Settings, take_environ
from bridge.core.errors import BridgeError, SettingsError, StoreError
from bridge.flows.loader import FlowLibrary, load_library
from bridge.flows.process.forkserver import start_forkserver
from bridge.monitoring import prometheus
from bridge.monitoring.tracing import exporter
from bridge.monitoring.trend_writer import start_trend_writer
from bridge.routing.model import Config
from bridge.runtime.handover import Replacement
from bridge.runtime.loaded_config import LoadedConfig
from bridge.runtime.reload.follower import ConfigFollower
from bridge.runtime.reload.reloader import Reloader
from bridge.runtime.reload.shared_config import describe
from bridge.runtime.supervisor import HANDOVER_SIGNAL, Child, Supervisor, run_and_exit
from bridge.runtime.watchdog import Watchdog
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.local import flows as local_flows
from bridge.store.migrations import upgrade
from bridge.store.queries import configs
from bridge.store.queue import heartbeats
from bridge.store.tables import key_usage
from bridge.system.cpu_affinity import lengthen_switch_interval, pin_process
from bridge.system.http_client import HttpClient
from bridge.system.wakeup import Wake
from bridge.torture.fault_actions import InjectedFault
from bridge.torture.fault_injection import FaultInjector
from bridge.web.app import create_app
from bridge.web.app_context import AppContext
from bridge.web.server.app import Receivers, options
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.cycle import MAX_CALLS
from bridge.worker.form_files import FileDeliverer
from bridge.worker.tracing import make_observer
from bridge.worker.worker import Worker


def load_flows(config: Config) -> FlowLibrary | None:
    """Run flows.py and return the flows of the local platform, None without one.

    Raises `FlowError` for a problem in flows.py. The file can do anything, so call this only in a
    process that may crash.
    """
    platform = config.local_platform
    return None if platform is None else load_library(platform.flows)


def prepare_store(settings: Settings, config: Config) -> None:
    """Migrate the schema, store the configuration and the flows, and close the store.

    Call it in a process of its own: it runs flows.py, in the environment of flows.
    """
    database = Database.of(settings)
    try:
        upgrade.upgrade(database)
    except OSError as error:
        raise SettingsError(
            f"cannot store the database in {database.path.parent}: {error.strerror}"
        ) from error
    key_usage.check_keys(database)
    configs.remember_config(database, config.hash, config.canonical, time.time())
    database.close()  # processes that flows.py starts must not inherit it
    take_environ(settings.flow_environ)
    library = load_flows(config)
    flows = [] if library is None else library.described()
    database = Database.of(settings)
    database.write(lambda connection: local_flows.replace(connection, flows, time.time()))
    database.close()


PREPARED = "prepared"
_OTHER_ADDRESS: Final = (
    "choose another address with --bind or FLOWBRIDGE_BIND in .env (for the demo, --port)"
)
#: The next step where an address cannot be bound, by the error number.
BIND_HINTS: Final = {
    errno.EADDRINUSE: f". Next: stop the process that listens there, or {_OTHER_ADDRESS}",
    errno.EACCES: f". Next: ports below 1024 require a privilege: {_OTHER_ADDRESS}",
    errno.EADDRNOTAVAIL: f". Next: this machine does not have that address: {_OTHER_ADDRESS}",
}


def bind_sockets(settings: Settings) -> list[socket.socket]:
    """Bind the sockets of both listeners; `SettingsError` where an address cannot be bound."""
    return [
        _bind(address) for address in (settings.bind, settings.private_bind) if address is not None
    ]


def _bind(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise SettingsError(
            f"cannot listen on {address[0]}:{address[1]}: {error.strerror}"
            f"{BIND_HINTS.get(error.errno or 0, '')}"
        ) from None
    sock.set_inheritable(True)
    return sock


def with_bound_addresses(settings: Settings, sockets: Sequence[socket.socket]) -> Settings:
    """Return the settings with the numeric addresses of the bound sockets."""
    addresses: list[Address] = [sock.getsockname()[:2] for sock in sockets]
    return replace(
        settings, bind=addresses[0], private_bind=addresses[1] if len(addresses) > 1 else None
    )


def with_local_url(loaded: LoadedConfig, before: str, now: str) -> LoadedConfig:
    """Return the configuration with the bound address of the local platform instead of port 0."""
    platforms = {
        name: (
            replace(platform, base_url=now)
            if platform.type == "local" and platform.base_url == before
            else platform
        )
        for name, platform in loaded.config.platforms.items()
    }
    return replace(loaded, config=replace(loaded.config, platforms=platforms))


def prepare_in_child(settings: Settings, loaded: LoadedConfig) -> None:
    """Prepare the store in a child process.

    The memory of Alembic ends with the child, this process does not open the store, and flows.py
    cannot change this process. Raises `SettingsError` for a problem of the store or of flows.py.
    """
    # Loads the encryption library and the database driver before the fork; opens nothing.
    Sealer(settings.encryption_keys)
    Database.of(settings)
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(read_end)
        os.dup2(2, 1)  # stdout is for the output of the command
        run_and_exit(lambda: _prepare(settings, loaded, write_end))
    os.close(write_end)
    with open(read_end, "rb") as file:  # noqa: PTH123 - it is an open pipe
        result = file.read(65536).decode("utf-8", "replace")
    os.waitpid(child, 0)
    if result != PREPARED:
        raise SettingsError(
            result
            or "the process that prepares the store and loads the flows ended without a message"
        )


def _prepare(settings: Settings, loaded: LoadedConfig, write_end: int) -> None:
    try:
        prepare_store(settings, loaded.config)
        result = PREPARED
    except StoreError as error:
        result = (
            f"the store in {settings.data if Database.of(settings).is_sqlite else 'the database'}"
            f" cannot be used: {error}"
        )
    except BridgeError as error:
        result = str(error)
    os.write(write_end, result.encode("utf-8", "backslashreplace")[:65536])


def run_worker(settings: Settings, following: ConfigFollower, wake: Wake) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Forks the forkserver of flows first, before the worker has threads, a store or a pinned
    processor.
    """
    host = replace(
        start_forkserver(load_library, settings.flow_environ), report=following.board.report_flows
    )
    following.start("work")
    relay = None
    if settings.engine == "celery":
        from bridge.worker.celery import app as broker  # an optional dependency

        relay = BrokerRelay(
            broker.make_publisher(settings), settings.timings.broker_backoff_seconds
        )
    database = Database.of(settings)
    prometheus.serve_metrics(settings, database, following)
    traced = make_observer(exporter.current_tracer(), following, database)
    idle_seconds = settings.timings.connection_idle_seconds
    sender = HttpClient(connections=MAX_CALLS, idle_seconds=idle_seconds)
    worker = Worker(settings, following, database, sender.send, wake, host, relay, traced)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    # Another process takes new work, so this one may end without hurry.
    drain = settings.timings.handover_drain_seconds
    signal.signal(HANDOVER_SIGNAL, lambda *_: worker.stop(within=drain))
    signal.signal(signal.SIGHUP, lambda *_: following.board.wake.notify())
    lengthen_switch_interval()
    pin_process(0)
    worker.run()


def run_celery(settings: Settings, following: ConfigFollower, concurrency: int) -> int:
    """Run a Celery worker until SIGTERM or SIGINT, and return its exit code."""
    from bridge.worker.celery import app as broker
    from bridge.worker.celery.tasks import TaskRunner

    database = Database.of(settings)
    upgrade.upgrade(database)
    key_usage.check_keys(database)
    following.start("celery")
    start_trend_writer(database, settings.data, settings.timings.heartbeat_seconds)
    prometheus.serve_metrics(settings, database, following)

    def calls() -> TaskRunner:
        traced = make_observer(exporter.current_tracer(), following, database)
        sender = HttpClient(idle_seconds=settings.timings.connection_idle_seconds)
        files = FileDeliverer(settings, database)
        return TaskRunner(following, database, sender.send, settings.reconcile_after, files, traced)

    return broker.execute_forever(settings, calls, concurrency, following.board.wake.notify)


def follow_config(settings: Settings, bound: Settings, loaded: LoadedConfig) -> ConfigFollower:
    """Return the current configuration for processes with the `bound` settings."""
    return ConfigFollower(
        bound, with_local_url(loaded, settings.local_base_url, bound.local_base_url)
    )


def serve_processes(
    settings: Settings,
    following: ConfigFollower,
    wake: Wake,
    sockets: Sequence[socket.socket],
    faults: Sequence[InjectedFault] = (),
) -> list[Child]:
    """Return the processes of `serve`: the receivers and a worker.

    Arguments as for `receivers_process`.
    """
    return [
        receivers_process(settings, following, wake, sockets, faults, has_worker=True),
        worker_process(settings, following, wake),
    ]


def receivers_process(
    settings: Settings,
    following: ConfigFollower,
    wake: Wake,
    sockets: Sequence[socket.socket],
    faults: Sequence[InjectedFault] = (),
    *,
    has_worker: bool = False,
) -> Child:
    """Return the receivers and their parent; builds the application before the fork.

    `settings` have the addresses of the sockets. `faults` are injected into the flow API.
    `has_worker`: a worker runs beside them.
    """
    board = following.board
    context = AppContext(
        settings=settings,
        config=following,
        database=Database.of(settings),
        wake=wake.notify,
        status=lambda: describe(board),
    )
    app = create_app(context)
    heartbeats.rehearse_check(context.database)
    if faults:
        app.wsgi_app = FaultInjector(app.wsgi_app, faults)  # type: ignore[method-assign]  # Flask documents it as the place for middleware
    server_options = options(
        settings, make_receiver_start(context, following, has_worker=has_worker)
    ) | {"bind": [f"fd://{sock.fileno()}" for sock in sockets]}
    return Child("web", Receivers(app, server_options, board.wake.notify).run)


def make_receiver_start(
    context: AppContext, following: ConfigFollower, *, has_worker: bool = False
) -> Callable[[str], None]:
    """Return what each receiver does after its fork: follow the configuration, write trends.

    A worker beside it writes the trends: it has opened the store already, which takes some MB in
    each process.
    """

    def begin(role: str) -> None:
        settings = context.settings
        following.start(role)
        if not has_worker:
            start_trend_writer(context.database, settings.data, settings.timings.heartbeat_seconds)

    return begin


def worker_process(settings: Settings, following: ConfigFollower, wake: Wake) -> Child:
    """Return a worker process."""
    timings = settings.timings
    return Child(
        "work",
        lambda: run_worker(settings, following, wake),
        lead_seconds=timings.worker_stop_lead_seconds,
        handover_seconds=timings.handover_drain_seconds + timings.stop_seconds,
    )


def make_supervisor(
    children: Sequence[Child],
    settings: Settings,
    following: ConfigFollower,
    loaded: LoadedConfig,
    watch: Watchdog | None = None,
    successor: Callable[[], Replacement] | None = None,
) -> Supervisor:
    """Return what runs these processes and reloads their configuration, in this process.

    `settings` have the addresses of the sockets. `loaded`: the configuration of the start.
    """
    reloader = Reloader(settings, following.board, loaded)
    return Supervisor(children, reloader, watch, successor, settings.timings.stop_seconds)
