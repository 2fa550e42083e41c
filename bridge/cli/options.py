"""What the commands that look and act have in common: the filters, and the store they are asked
of.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from bridge.cli.numbers import Bounded
from bridge.core.errors import InvalidRequest, SettingsError
from bridge.core.model import RunState, Status
from bridge.core.timings import TIMINGS, Timings
from bridge.services.filter_values import (
    DEAD_KINDS,
    parse_dead_kind,
    parse_excerpt,
    parse_moment,
    parse_raw_excerpt,
    parse_span,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.settings import Settings
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A length of time: `90s`, `15m`, `1h`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Excerpt(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A text that is sought, or, where `raw`, the bytes that the shell gave, be they text or
    not.
    """

    name = "text"

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, bytes):
            return value
        try:
            return parse_raw_excerpt(value) if self._raw else parse_excerpt(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DeadKindWord(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """What has to be fixed about a dead delivery: a word of `DEAD_KINDS`, or an earlier word for
    the same.
    """

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_dead_kind(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A time: so long ago (`90s`, `15m`, `1h`, `2d`, `1w`), a date, or ISO 8601; without a zone it
    is UTC.
    """

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_moment(value, time.time())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Filter(click.Option):
    """An option that says which events or deliveries a command is about; help lists these under a
    heading of their own.
    """


class FilteredCommand(click.Command):
    """A command whose help has its own options first, then its filters."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under two headings."""
        params = self.get_params(ctx)
        parts: dict[str, list[click.Parameter]] = {
            "Options": [one for one in params if not isinstance(one, Filter)],
            "Filters": [one for one in params if isinstance(one, Filter)],
        }
        for heading, some in parts.items():
            records = [record for one in some if (record := one.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
SOURCE = click.option("--source", cls=Filter, metavar="NAME", help="Only of this source.")
SINCE = click.option(
    "--since",
    cls=Filter,
    type=Moment(),
    metavar="TIME",
    help="Only from then on: 15m, 1h, 2d (ago), a date, or ISO 8601.",
)
UNTIL = click.option("--until", cls=Filter, type=Moment(), metavar="TIME", help="Only before then.")


def adding(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return what adds these options to a command, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def newest(limit: int) -> Callable[[F], F]:
    """Return the option that says how many; all are asked for where `limit`, its default, is 0."""
    shown = f"{'The' if limit else 'Only the'} newest N; 0 is all."
    return click.option(
        "--limit", type=Bounded(0), default=limit, show_default=limit > 0, metavar="N", help=shown
    )


def filtered(
    *, statuses: tuple[str, ...] = (), limit: int = 50, until: bool = True, body: bool = True
) -> Callable[[F], F]:
    """Add the filter options to a command; it takes them as one keyword argument for each."""
    choice = click.Choice([*(status.value for status in Status), *statuses])
    words = " | ".join(choice.choices)
    kinds = ", ".join(f"{kind} ({what})" for kind, what in DEAD_KINDS.items())
    options = [
        SOURCE,
        click.option(
            "--route", cls=Filter, metavar="NAME", help="Only with a delivery by this route."
        ),
        click.option(
            "--status",
            cls=Filter,
            type=choice,
            metavar="STATUS",
            help=f"Only with a delivery that is {words}.",
        ),
        click.option(
            "--run",
            cls=Filter,
            type=click.Choice([state.value for state in RunState]),
            metavar="STATE",
            help=f"Only with a delivery whose run is {' | '.join(RunState)}.",
        ),
        click.option(
            "--type",
            "type_",
            cls=Filter,
            metavar="TYPE",
            help="Only of this type; * stands for anything, as in 'invoice.*'.",
        ),
        click.option(
            "--reason",
            cls=Filter,
            type=Excerpt(),
            metavar="TEXT",
            help="Only with this in the reason or problem, in any case.",
        ),
        click.option(
            "--dead-kind",
            cls=Filter,
            type=DeadKindWord(),
            metavar="KIND",
            help=f"Only with a delivery that is dead for a reason of this kind: {kinds}.",
        ),
        SINCE,
    ]
    if until:
        options.append(UNTIL)
    if body:
        read = (
            "Only with this in the raw body, letter by letter. Reads every body that the other"
            " filters leave: add --since."
        )
        options.append(
            click.option("--body", cls=Filter, type=Excerpt(raw=True), metavar="TEXT", help=read)
        )
    return adding(*options, newest(limit))


def filters(*, type_: str | None, **chosen: Any) -> Filters:
    """Return the options as the store takes them."""
    from bridge.store.queries.filters import Filters

    return Filters(type=type_, **chosen)


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Report an invalid request of a service as wrong usage of the command."""
    try:
        yield
    except InvalidRequest as error:
        raise click.UsageError(str(error)) from None


@wrong_usage()
def existing(
    settings: Settings,
    database: Database | None,
    *,
    source: str | None = None,
    route: str | None = None,
    **_: Any,
) -> None:
    """Refuse, as wrong usage, a source or a route that routes.yaml does not have and nothing that
    is kept is of.
    """
    from bridge.services.selection import check_names

    check_names(settings, database, source=source, route=route)


def searching(
    database: Database, wanted: Filters, *, of_deliveries: bool, also: Any = None
) -> None:
    """Say how many bodies are about to be read, where that takes a while."""
    from bridge.services.selection import MANY_BODIES, count_bodies

    count = count_bodies(database, wanted, of_deliveries=of_deliveries, also=also)
    if count >= MANY_BODIES:
        click.echo(
            f"Looking through {count:,} bodies; --since and other filters make it fewer.", err=True
        )


def command_timings() -> Timings:
    """Return the durations that `main` was called with."""
    context = click.get_current_context(silent=True)
    timings: Timings = TIMINGS if context is None else context.meta.get(Timings.__name__, TIMINGS)
    return timings


def settings_of(config: str | None, *, secrets: bool = False) -> Settings:
    """Return the settings that every command uses; with `secrets` those that call the embedded
    platform.

    The addresses are those of the bridge that runs on the data folder, if one does: it may have
    been started with other ones.
    """
    from bridge.config.settings import load_settings
    from bridge.monitoring.presence import addresses

    settings = load_settings(os.environ, config=config, secrets=False, timings=command_timings())
    if secrets:
        is_sqlite = settings.database_url.startswith("sqlite")
        if is_sqlite and not settings.data.exists():  # this run would create it in a wrong folder
            need_routes(settings)
        settings = load_settings(os.environ, config=config, secrets=True, timings=command_timings())
    found = addresses(settings.data)
    return settings if found is None else replace(settings, bind=found[0], private_bind=found[1])


def misnamed(settings: Settings, routes: str) -> list[str]:
    """Return what is to be said of variables that are called as settings are, and are none;
    `routes` is the text that may ask for them.
    """
    from bridge.config.settings import NAMES, PREFIX, strange
    from bridge.routing.expressions.roots import near

    known = [name.removeprefix(PREFIX) for name in sorted(NAMES)]
    found = []
    for name in strange(settings.environ):
        if f"${{env:{name}}}" not in routes:
            hint = near(name.removeprefix(PREFIX), known).strip().replace("`", f"`{PREFIX}", 1)
            found.append(
                f"{name} is no setting of flowbridge"
                + (f"; {hint}" if hint else ", and routes.yaml does not ask for it")
            )
    return found


def url_of(to: str) -> str:
    """Return the URL that --to says, http:// where it says no scheme; wrong usage where it is
    none.
    """
    url = to if "://" in to else f"http://{to}"
    try:
        parts = urlsplit(url)
        fits = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and url.isprintable()
        )
    except ValueError:
        fits = False
    if not fits:
        raise click.UsageError(f"--to {to!r} is no URL such as http://127.0.0.1:8080")
    return url


def need_routes(settings: Settings) -> None:
    """Refuse to start where there is no routes.yaml, and say how to make one."""
    if not settings.config.exists():
        raise SettingsError(explain_no_routes(settings.config))


def explain_no_routes(file: Path) -> str:
    """Return that there is no routes.yaml, and how to come to one."""
    return (
        f"there is no {file.name} in {file.absolute().parent}: `flowbridge init` writes one in an"
        " empty folder; else change to your project's folder, or pass --config FILE"
    )
