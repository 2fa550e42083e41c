"""platform: the local platform alone, in a folder of its own, with injected faults on request."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import orjson

from bridge.cli.numbers import BoundedNumber
from bridge.cli.ui import output
from bridge.core.errors import SettingsError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.torture.fault_actions import InjectedFault

#: The settings of flowbridge that are used; credentials are generated where they are not set.
USED_SETTINGS = ("FLOWBRIDGE_LOCAL_API_KEY", "FLOWBRIDGE_LOCAL_USER_ID", "FLOWBRIDGE_LOG")


def _read_faults(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> list[InjectedFault]:
    from bridge.torture.fault_injection import FaultError, read_fault

    try:
        return [read_fault(text) for text in texts]
    except FaultError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option(
    "--port",
    type=BoundedNumber(0, 65535),
    default=0,
    metavar="N",
    help="The port (default: a free one).",
)
@click.option(
    "--flows",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A flows.py with flows in addition to the built-in ones.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="ENDPOINT=KIND",
    callback=_read_faults,
    help=(
        "Inject a fault: answer ENDPOINT (or a pattern, such as get_*) with"
        " KIND[:ARGUMENT][*TIMES]. Repeatable."
    ),
)
@click.option(
    "--max-concurrent-runs",
    type=BoundedNumber(1),
    metavar="N",
    help="Concurrent runs (default: 2 per core).",
)
@click.option(
    "--overflow",
    type=click.Choice(["queue", "reject"]),
    help="Runs above the limit wait (queue, the default), or are answered 429 (reject).",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder for runs, files and the key (default: a temporary one).",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print base_url, api_key and user_id as one line of JSON.",
)
def platform(
    *,
    port: int,
    file: Path | None,
    faults: list[InjectedFault],
    max_concurrent_runs: int | None,
    overflow: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run the local platform alone, to rehearse failures without an account.

    `base_url` of a platform of type gumloop can point to it. No file of the current folder is used.
    KIND is a status such as 429 or 500, or garbage, slow:SECONDS, drop (not executed, no answer),
    lost (executed, but no answer), ok (no fault).

    \b
    flowbridge platform --fault 'start_pipeline=429:2*3'      Retry-After 2, three times
    flowbridge platform --fault 'start_pipeline=lost*1' --fault 'get_*=slow:1.5'
    flowbridge platform --fault 'start_pipeline?saved_item_id=echo=500' --overflow reject
    """
    from bridge.runtime import services
    from bridge.runtime.loaded_config import load_config
    from bridge.system.logs import configure
    from bridge.system.wakeup import Wake

    row = {
        "type": "local",
        "flows": str(file.absolute()) if file else None,
        "max_concurrent_runs": max_concurrent_runs,
        "overflow": overflow,
    }
    for number in (signal.SIGTERM, signal.SIGHUP):
        # removes the temporary folder; once it runs, the supervisor handles the signals
        signal.signal(number, lambda *_: sys.exit(0))
    with _settings(row, port, data) as settings:
        configure(settings.log, settings.log_addresses)
        loaded = load_config(settings)
        sockets = services.bind_sockets(settings)
        services.prepare_in_child(settings, loaded)
        bound = services.with_bound_addresses(settings, sockets)
        following = services.follow_config(settings, bound, loaded)
        children = services.serve_processes(bound, following, Wake(), sockets, faults)
        _say(bound, faults, as_json=as_json)
        code = services.make_supervisor(children, bound, following, loaded).run()
    sys.exit(code)


@contextmanager
def _settings(row: Mapping[str, Any], port: int, data: Path | None) -> Iterator[Settings]:
    """Yield the settings of a platform on loopback, with a routes.yaml that has only this row."""
    from bridge.cli.command_settings import command_timings
    from bridge.config.settings import load_settings

    with _folder(data) as folder:
        written = {
            "version": 1,
            "platforms": {"local": {key: value for key, value in row.items() if value is not None}},
        }
        config = folder / "platform" / "routes.yaml"
        try:
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_bytes(orjson.dumps(written))
        except OSError as error:
            raise SettingsError(
                f"the folder {folder} cannot be written: {error.strerror}"
            ) from None
        environ = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("FLOWBRIDGE_") or key in USED_SETTINGS
        }
        environ["FLOWBRIDGE_DATA"] = str(folder)
        bind = f"127.0.0.1:{port}"
        settings = load_settings(environ, config=str(config), bind=bind, timings=command_timings())
        yield replace(settings, serves_console=False)  # no command logs in to it


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data.absolute()
        return
    with TemporaryDirectory(prefix="flowbridge-platform-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _say(settings: Settings, faults: list[InjectedFault], *, as_json: bool) -> None:
    from bridge.torture.fault_injection import describe_fault

    credentials = {
        "base_url": settings.local_base_url,
        "api_key": settings.local_api_key,
        "user_id": settings.local_user_id,
    }
    if as_json:
        output.json_line(credentials)
    else:
        output.answer(
            "platforms:\n  gumloop:\n    type: gumloop\n"
            + "".join(f'    {key}: "{value}"\n' for key, value in credentials.items())
        )
        output.say("Add this to a routes.yaml, and its routes start flows here. Ctrl-C stops it.")
        for fault in faults:
            output.say(f"fault {fault.text}: {describe_fault(fault)}")
    sys.stdout.flush()
