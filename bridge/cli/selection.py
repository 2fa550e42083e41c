"""What the commands that look and act have in common: the filters, and the store they are asked of."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.errors import StoreError
from bridge.model import Status

if TYPE_CHECKING:
    from bridge.settings import Settings
    from bridge.store.database import Database
    from bridge.store.queries import Filters

F = TypeVar("F", bound=Callable[..., Any])
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([smhdw])")


class Span(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A length of time: `90s`, `15m`, `1h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        span = _SPAN.fullmatch(value.strip())
        if span is None or not 0 < float(span[1]) * UNITS[span[2]] <= UNITS["w"]:
            self.fail(f"{value!r} is no length of time: write 90s, 15m or 1h (at most 1w)", param, ctx)
        return float(span[1]) * UNITS[span[2]]


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A time: so long ago (`90s`, `15m`, `1h`, `2d`, `1w`), a date, or ISO 8601; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if span := _SPAN.fullmatch(value.strip()):
            return time.time() - float(span[1]) * UNITS[span[2]]
        try:
            at = datetime.fromisoformat(value.strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write 15m, 1h, 2d, 2026-11-24 or 2026-11-24T17:03:05Z", param, ctx)


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def filtered(*, statuses: tuple[str, ...] = (), limit: int = 50, until: bool = True) -> Callable[[F], F]:
    """Add the filter options to a command; it takes them as one keyword argument for each."""
    choice = click.Choice([*(status.value for status in Status), *statuses])
    words = " | ".join(choice.choices)
    options = [
        click.option("--source", metavar="NAME", help="Only of this source."),
        click.option("--route", metavar="NAME", help="Only with a delivery by this route."),
        click.option("--status", type=choice, metavar="STATUS", help=f"Only with a delivery that is {words}."),
        click.option("--type", "type_", metavar="TYPE", help="Only of this type; * stands for anything, as in 'invoice.*'."),
        click.option("--since", type=Moment(), metavar="TIME", help="Only from then on: 15m, 1h, 2d (ago), a date, or ISO 8601."),
    ]
    if until:
        options.append(click.option("--until", type=Moment(), metavar="TIME", help="Only before then."))
    newest = "The newest N" if limit else "Only the newest N"
    count = click.IntRange(min=0)
    shown = click.option("--limit", type=count, default=limit, show_default=limit > 0, metavar="N", help=f"{newest}; 0 is all.")

    def add(command: F) -> F:
        for option in reversed([*options, shown]):
            command = option(command)
        return command

    return add


def filters(*, source: str | None, route: str | None, status: str | None, type_: str | None, since: float | None,
            until: float | None = None) -> Filters:  # fmt: skip
    """Return the options as the store takes them."""
    from bridge.store.queries import Filters

    return Filters(source=source, route=route, status=status, type=type_, since=since, until=until)


def settings_of(config: str | None, *, secrets: bool = False) -> Settings:
    """Return the settings that every command uses; with `secrets` those that call the embedded platform."""
    from bridge.settings import load_settings

    return load_settings(os.environ, config=config, secrets=secrets)


@contextmanager
def opened(settings: Settings) -> Iterator[Database | None]:
    """Give the store, None where there is none yet: looking makes none. `StoreError` where its schema is not this version's."""
    from bridge.store import migrate
    from bridge.store.database import Database
    from bridge.store.tables import HEAD

    database = Database(settings.database_url)
    if database.is_sqlite and not database.path.exists():
        yield None
        return
    try:
        revision = migrate.revision(database)
        if revision is None:
            yield None
            return
        if revision != HEAD:
            raise StoreError(f"the database has schema {revision}, this flowbridge wants {HEAD}: flowbridge db upgrade")
        yield database
    finally:
        database.close()
