"""serve, web, work, celery: the processes of flowbridge."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click

from bridge.cli.command_settings import command_timings, require_routes
from bridge.cli.numbers import BoundedNumber
from bridge.config.addresses import bracket
from bridge.config.data_folder import explain_unused
from bridge.config.settings import Settings, load_settings
from bridge.core.errors import SettingsError
from bridge.monitoring.tracing import exporter
from bridge.runtime.loaded_config import (
    LoadedConfig,
    begin_reading_routes,
    warn_of_missing,
    with_local_platform,
)
from bridge.services.config_checks.misnamed_variables import find_misnamed_variables
from bridge.system.garbage_collection import pause_collection
from bridge.system.logs import configure, get_logger

if TYPE_CHECKING:
    import socket

    from bridge.runtime.reload.follower import ConfigFollower
    from bridge.runtime.supervisor import Child
    from bridge.runtime.systemd import ServiceNotifier
    from bridge.runtime.watchdog import Watchdog

log = get_logger()

VERBOSE = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="On a terminal, print the full log, with all values.",
)
BIND = click.option(
    "--bind",
    metavar="HOST:PORT",
    help="Where to listen (default: 127.0.0.1:8080, or FLOWBRIDGE_BIND).",
)


def _load(
    config: str | None,
    bind: str | None = None,
    sockets: Sequence[socket.socket] = (),
    *,
    verbose: bool = True,
) -> tuple[Settings, LoadedConfig]:
    """Read settings and routes.yaml. The addresses of the `sockets` override the settings."""
    without = load_settings(os.environ, config=config, bind=bind, secrets=False)
    configure(without.log, without.log_addresses, brief=not verbose and without.log != "debug")
    exporter.import_exporter(without.environ)
    require_routes(without)
    wait_for_routes = begin_reading_routes(without)
    with pause_collection():
        import bridge.runtime.services  # noqa: F401 - it takes as long as reading, which goes on

    # before the secret key is generated: in a mistyped folder nothing is created
    read = wait_for_routes()
    settings = load_settings(os.environ, config=config, bind=bind, timings=command_timings())
    if sockets:
        from bridge.runtime.services import with_bound_addresses

        if len(sockets) == 1 and settings.private_bind is not None:
            raise SettingsError(
                "FLOWBRIDGE_PRIVATE_BIND is set, but systemd passed no socket called private"
            )
        settings = with_bound_addresses(settings, sockets)
    return settings, load_and_warn(settings, read)


def load_and_warn(settings: Settings, read: LoadedConfig | None = None) -> LoadedConfig:
    """Read routes.yaml, unless `read` has it, and log what is missing, misnamed or not used."""
    loaded = with_local_platform(read or begin_reading_routes(settings)(), settings)
    for text in find_misnamed_variables(settings, loaded.config.canonical):
        log.warning("misnamed_setting", found=text)
    for file in settings.unused_stores:
        log.warning("unused_store", found=explain_unused(file, settings.config))
    warn_of_missing(loaded.config.missing)
    return loaded


def _start_following(settings: Settings, loaded: LoadedConfig) -> ConfigFollower:
    """Return the current configuration, which a separate process reads again after changes."""
    from bridge.runtime.reload.follower import ConfigFollower
    from bridge.runtime.reload.process import start

    following = ConfigFollower(settings, loaded)
    start(settings, following.board, loaded)
    return following


@click.command()
@BIND
@VERBOSE
@click.pass_obj
def serve(config: str | None, bind: str | None, verbose: bool) -> None:
    """Run everything: receivers and a worker, in one process tree.

    On a terminal, it prints a line for each event and each run that ends; elsewhere it logs JSON.

    SIGTERM or Ctrl-C stops it within 10 seconds: calls in progress are finished, other deliveries
    go back to the queue. Sockets from systemd, called public and private, replace the addresses in
    the settings.
    """
    notify, systemd_sockets = _read_systemd()
    settings, loaded = _load(config, bind, systemd_sockets, verbose=verbose)
    from bridge.runtime import services
    from bridge.runtime.watchdog import Watchdog
    from bridge.system.wakeup import Wake

    # with sockets it takes over from another process, or systemd allows only one
    if not systemd_sockets:
        _warn_of_others(settings)
    sockets = systemd_sockets or services.bind_sockets(settings)
    services.prepare_in_child(settings, loaded)
    wake = Wake()
    bound = services.with_bound_addresses(settings, sockets)
    following = services.follow_config(settings, bound, loaded)
    _announce(settings.bind[0], bound)
    watch = Watchdog(
        notify,
        bound.bind,
        lambda: wake.seen_at,
        lambda: following.board.has("web"),
        settings.timings,
    )
    children = services.serve_processes(bound, following, wake, sockets)
    _supervise(children, bound, loaded, following, watch, sockets)


def _announce(host: str, bound: Settings) -> None:
    """Print where it listens, by the host as it was set, and how to open the console."""
    from bridge.web.listeners import ListenerPaths
    from bridge.web.mount_paths import CONSOLE_PATH

    click.echo(f"flowbridge listens on http://{bracket(host)}:{bound.bind[1]}", err=True)
    name, port = bound.private_bind or bound.bind
    if ListenerPaths(bound).may_serve(CONSOLE_PATH, name, str(port)):
        click.echo("console: flowbridge console --open", err=True)


@click.command()
@BIND
@VERBOSE
@click.pass_obj
def web(config: str | None, bind: str | None, verbose: bool) -> None:
    """Run receivers only: they receive webhooks and store them. A worker elsewhere delivers."""
    notify, systemd_sockets = _read_systemd()
    settings, loaded = _load(config, bind, systemd_sockets, verbose=verbose)
    from bridge.runtime import services
    from bridge.runtime.reload.follower import ConfigFollower
    from bridge.runtime.watchdog import Watchdog
    from bridge.system.wakeup import Wake

    sockets = systemd_sockets or services.bind_sockets(settings)
    services.prepare_in_child(settings, loaded)
    settings = services.with_bound_addresses(settings, sockets)
    following = ConfigFollower(settings, loaded)
    watch = Watchdog(
        notify, settings.bind, begun=lambda: following.board.has("web"), timings=settings.timings
    )
    _run(
        services.receivers_process(settings, following, Wake(), sockets),
        settings,
        loaded,
        following,
        watch,
        sockets,
    )


@click.command()
@VERBOSE
@click.pass_obj
def work(config: str | None, verbose: bool) -> None:
    """Run a worker only: it starts the flows and tracks their runs. With PostgreSQL, any number can
    run.
    """
    notify, _ = _read_systemd()
    settings, loaded = _load(config, verbose=verbose)
    from bridge.runtime import services
    from bridge.runtime.reload.follower import ConfigFollower
    from bridge.runtime.watchdog import Watchdog
    from bridge.system.wakeup import Wake

    services.prepare_in_child(settings, loaded)
    wake = Wake()
    following = ConfigFollower(settings, loaded)
    watch = Watchdog(notify, worker_seen=lambda: wake.seen_at, timings=settings.timings)
    _run(services.worker_process(settings, following, wake), settings, loaded, following, watch)


def _warn_of_others(settings: Settings) -> None:
    """Log a warning for each bridge that already runs on this store: allowed, but mostly a
    mistake.
    """
    from bridge.monitoring.presence import list_bridges

    if settings.database_url.startswith("sqlite"):
        for other in list_bridges(settings.data):
            bind = other.get("bind")
            address = None if bind is None else f"{bracket(str(bind[0]))}:{bind[1]}"
            log.warning("store_shared", data=str(settings.data), pid=other["pid"], bind=address)


def _read_systemd() -> tuple[ServiceNotifier, list[socket.socket]]:
    """Return the notification socket and the listening sockets from systemd."""
    from bridge.runtime import systemd

    notify = systemd.take_notifier(os.environ)
    sockets = systemd.take_sockets(os.environ)
    notify.send("STATUS=reading routes.yaml and the store")
    return notify, sockets


def _run(
    child: Child,
    settings: Settings,
    loaded: LoadedConfig,
    following: ConfigFollower,
    watch: Watchdog,
    sockets: Sequence[socket.socket] = (),
) -> None:
    """Become that process, beside one that reads routes.yaml. Under systemd, supervise it instead,
    read routes.yaml, and notify systemd.
    """
    if not watch.notify:
        from bridge.runtime.reload.process import start

        start(settings, following.board, loaded)
        child.work()
        return
    _supervise([child], settings, loaded, following, watch, sockets)


def _supervise(
    children: Sequence[Child],
    settings: Settings,
    loaded: LoadedConfig,
    following: ConfigFollower,
    watch: Watchdog,
    sockets: Sequence[socket.socket],
) -> NoReturn:
    """Supervise these processes until the end, or until another takes over their sockets."""
    from bridge.runtime import services
    from bridge.runtime.handover import Replacement
    from bridge.runtime.supervisor import run_and_exit

    successor = partial(Replacement.begin, sockets, watch.notify.environ)
    supervisor = services.make_supervisor(children, settings, following, loaded, watch, successor)
    # nothing is left to clean up, and the next process waits for the end
    run_and_exit(lambda: sys.exit(supervisor.run()))


@click.command()
@click.option(
    "--concurrency",
    type=BoundedNumber(1, 1000),
    default=32,
    show_default=True,
    metavar="N",
    help="Concurrent calls.",
)
@click.pass_obj
def celery(config: str | None, concurrency: int) -> None:
    """Run a Celery worker: it makes the calls that `flowbridge work` queues. Any number can run, on
    any machine.

    For FLOWBRIDGE_ENGINE=celery: workers claim deliveries within the limits, and the broker passes
    them to this command. SIGTERM or Ctrl-C stops it when the calls in progress have ended.

    \b
    FLOWBRIDGE_ENGINE=celery FLOWBRIDGE_BROKER_URL=redis://broker.internal:6379/0 flowbridge celery
    """
    settings, loaded = _load(config)
    if settings.engine != "celery":
        raise SettingsError(
            "FLOWBRIDGE_ENGINE is not celery, so no worker queues calls: set it for both work and"
            " celery"
        )
    from bridge.runtime import services

    sys.exit(services.run_celery(settings, _start_following(settings, loaded), concurrency))
