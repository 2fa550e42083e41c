"""Options that commands share: the filters of events and deliveries, and checks of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_routes, complete_sources
from bridge.cli.numbers import BoundedNumber
from bridge.cli.option_types import DeadKindParam, ExcerptParam, TimeParam, WhereParam
from bridge.cli.ui import output
from bridge.cli.usable_config import load_sources
from bridge.core.errors import InvalidRequest
from bridge.core.model import RunState, Status
from bridge.services.filter_values import DEAD_KINDS

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Event
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

F = TypeVar("F", bound=Callable[..., Any])


class FilterOption(click.Option):
    """An option that selects events or deliveries. The help lists filters under a heading."""


class RenamedFlag(click.Option):
    """A flag that also has an old name, which help and completion do not list."""

    def __init__(self, *args: Any, old_name: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._old_name = old_name

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Accept both names."""
        super().add_to_parser(parser, ctx)
        parser.add_option(self, [self._old_name], self.name, action="store_const", const=True)


class FilteredCommand(click.Command):
    """A command whose help lists its own options first, then its filters."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under two headings."""
        # the usage line has the arguments
        params = [
            parameter
            for parameter in self.get_params(ctx)
            if not isinstance(parameter, click.Argument)
        ]
        parts: dict[str, list[click.Parameter]] = {
            "Options": [
                parameter for parameter in params if not isinstance(parameter, FilterOption)
            ],
            "Filters": [parameter for parameter in params if isinstance(parameter, FilterOption)],
        }
        for heading, some in parts.items():
            records = [
                record
                for parameter in some
                if (record := parameter.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
SOURCE = click.option(
    "--source",
    cls=FilterOption,
    metavar="NAME",
    shell_complete=complete_sources,
    help="Only from this source.",
)
SINCE = click.option(
    "--since",
    cls=FilterOption,
    type=TimeParam(),
    metavar="TIME",
    help="Only since this time: 15m, 1h, 2d (ago), a date, or ISO 8601.",
)
UNTIL = click.option(
    "--until", cls=FilterOption, type=TimeParam(), metavar="TIME", help="Only before this time."
)


WHERE = click.option(
    "--where",
    cls=FilterOption,
    type=WhereParam(),
    multiple=True,
    callback=lambda _ctx, _param, values: values or None,
    metavar="PATH=VALUE",
    help=(
        "Only if the event has this value, as in body.action=opened; also != > >= < <=. The path is"
        " one of match. Repeat it for more conditions. Reads bodies, as --body does."
    ),
)


def add_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds these options to a command, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def limit_option(limit: int) -> Callable[[F], F]:
    """Return the option `--limit` with this default; 0 is no limit."""
    help_text = f"{'The' if limit else 'Only the'} newest N; 0 for all."
    return click.option(
        "--limit",
        type=BoundedNumber(0),
        default=limit,
        show_default=limit > 0,
        metavar="N",
        help=help_text,
    )


ROUTE = click.option(
    "--route",
    cls=FilterOption,
    metavar="NAME",
    shell_complete=complete_routes,
    help="Only with a delivery through this route.",
)
RUN = click.option(
    "--run",
    cls=FilterOption,
    type=click.Choice([state.value for state in RunState]),
    metavar="STATE",
    help=f"Only with a delivery whose run is {' | '.join(RunState)}.",
)
TYPE = click.option(
    "--type",
    "type_",
    cls=FilterOption,
    metavar="TYPE",
    help="Only of this type; * matches anything, as in 'invoice.*'.",
)
REASON = click.option(
    "--reason",
    cls=FilterOption,
    type=ExcerptParam(),
    metavar="TEXT",
    help="Only if the reason or problem contains TEXT (case-insensitive).",
)
DEAD_KIND = click.option(
    "--dead-kind",
    cls=FilterOption,
    type=DeadKindParam(),
    metavar="KIND",
    help="Only with a delivery that died for this kind of reason: "
    + ", ".join(f"{kind} ({what})" for kind, what in DEAD_KINDS.items())
    + ".",
)
BODY = click.option(
    "--body",
    cls=FilterOption,
    type=ExcerptParam(raw=True),
    metavar="TEXT",
    help=(
        "Only if the raw body contains TEXT (exact match). Reads every body that the other"
        " filters select: add --since."
    ),
)


class StatusParam(click.Choice[str]):
    """A status of a delivery. The error for a state of a run names the option that takes it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the status."""
        if value not in self.choices and value in {state.value for state in RunState}:
            self.fail(f"{value} is a state of runs: --run {value}", param, ctx)
        return super().convert(value, param, ctx)


def status_option(others: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Return the option `--status`. `others`: words that the command takes beside the statuses."""
    choice = StatusParam([*(status.value for status in Status), *others])
    return click.option(
        "--status",
        cls=FilterOption,
        type=choice,
        metavar="STATUS",
        help=f"Only with a delivery that is {' | '.join(choice.choices)}.",
    )


def filter_options(
    *,
    statuses: tuple[str, ...] = (),
    limit: int | None = 50,
    until: bool = True,
    body: bool = True,
    states: bool = True,
) -> Callable[[F], F]:
    """Add the filter options to a command, which takes each as a keyword argument.

    Without `states`, the command has neither --status nor --run. `limit` None: it has no --limit.
    """
    of_states = [status_option(statuses), RUN] if states else []
    options = [SOURCE, ROUTE, *of_states, TYPE, REASON, DEAD_KIND, SINCE]
    options += [UNTIL] * until + [BODY, WHERE] * body
    if limit is not None:
        options.append(limit_option(limit))
    return add_options(*options)


def make_filters(
    *, type_: str | None, where: Sequence[str] | None = None, **options: Any
) -> Filters:
    """Return the filter options as the store takes them."""
    from bridge.store.queries.filters import Filters

    return Filters(type=type_, where=_make_event_test(where) if where else None, **options)


def _make_event_test(where: Sequence[str]) -> Callable[[Event], bool]:
    from bridge.services.where_filters import make_event_test, parse_where

    settings = settings_of(click.get_current_context().find_object(str))
    return make_event_test([parse_where(condition) for condition in where], load_sources(settings))


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Report an `InvalidRequest`, which a server may have written, as a usage error."""
    try:
        yield
    except InvalidRequest as error:
        raise click.UsageError(output.clean_lines(str(error))) from None


@wrong_usage()
def require_existing(
    settings: Settings,
    database: Database | None,
    *,
    source: str | None = None,
    route: str | None = None,
    platform: str | None = None,
    **_: Any,
) -> None:
    """Raise a usage error for a name that is neither in routes.yaml nor in the store."""
    from bridge.services.selection import check_names

    check_names(settings, database, source=source, route=route, platform=platform)


def say_search_size(
    database: Database, filters: Filters, *, of_deliveries: bool, also: Any = None
) -> None:
    """Print how many bodies will be searched, where that takes long."""
    from bridge.services.selection import MANY_BODIES, count_bodies

    count = count_bodies(database, filters, of_deliveries=of_deliveries, also=also)
    if count >= MANY_BODIES:
        click.echo(
            f"Searching {count:,} bodies; use --since and other filters to search fewer.", err=True
        )


def parse_url(to: str, option: str = "--to", example: str = "http://127.0.0.1:8080") -> str:
    """Return the URL of an option, with http:// where it has no scheme; a usage error where it is
    invalid.
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
        raise click.UsageError(f"{option} {to!r} is not a valid URL: use one such as {example}")
    return url
