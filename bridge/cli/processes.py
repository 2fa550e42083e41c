"""serve, web, work: the processes."""

from __future__ import annotations

import os
import sys

import click

from bridge.logs import configure
from bridge.settings import Settings, bracket, load_settings
from bridge.start import Loaded, load_all

BIND = click.option("--bind", metavar="HOST:PORT", help="Where to listen (default: 127.0.0.1:8080, or FLOWBRIDGE_BIND).")


def _load(config: str | None, bind: str | None = None) -> tuple[Settings, Loaded]:
    settings = load_settings(os.environ, config=config, bind=bind)
    configure(settings.log)
    return settings, load_all(settings)


@click.command()
@BIND
@click.pass_obj
def serve(config: str | None, bind: str | None) -> None:
    """Run everything: receivers and a worker, in one process tree.

    SIGTERM or Ctrl-C ends it within 10 seconds: calls under way are finished, the rest is handed back to the queue.
    """
    settings, loaded = _load(config, bind)
    from bridge import supervise
    from bridge.wake import Wake

    sockets = supervise.listen(settings)
    supervise.prepare_in_child(settings, loaded)
    wake = Wake()
    click.echo(f"flowbridge listens on http://{bracket(settings.bind[0])}:{sockets[0].getsockname()[1]}", err=True)
    sys.exit(supervise.Supervisor(supervise.everything(settings, loaded, wake, sockets)).run())


@click.command()
@BIND
@click.pass_obj
def web(config: str | None, bind: str | None) -> None:
    """Run receivers only: they take webhooks in and keep them. A worker elsewhere delivers."""
    settings, loaded = _load(config, bind)
    from bridge import supervise
    from bridge.wake import Wake

    sockets = supervise.listen(settings)
    supervise.prepare_in_child(settings, loaded)
    supervise.receive_forever(settings, loaded, Wake(), sockets)


@click.command()
@click.pass_obj
def work(config: str | None) -> None:
    """Run a worker only: it starts the flows and follows their runs. Any number may run on PostgreSQL."""
    settings, loaded = _load(config)
    from bridge import supervise
    from bridge.wake import Wake

    supervise.prepare_in_child(settings, loaded)
    supervise.work_forever(settings, loaded, Wake())
