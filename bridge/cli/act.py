"""replay, retry, cancel, resolve: act on what is kept, on one or on all that filters choose, after a count."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.cli import output
from bridge.cli.selection import AS_JSON, filtered, filters, opened, settings_of
from bridge.errors import NotFound
from bridge.model import Status

if TYPE_CHECKING:
    from bridge.routes import Config
    from bridge.settings import Settings
    from bridge.store.acts import Act, Result
    from bridge.store.database import Database

F = TypeVar("F", bound=Callable[..., Any])
MANY = 20  # items from which on a bar shows how far it is
SETTLED = ("delivered", "queued", "dead")
DONE = {"replay": "replayed", "retry": "retried", "cancel": "cancelled", "resolve": "resolved"}


def _asking(command: F) -> F:
    """Add the options of every command that acts."""
    for option in (
        AS_JSON,
        click.option("--dry-run", is_flag=True, help="Say how many there are, and do nothing."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class _Asked:
    """What every act is asked: how, and for which of what is kept."""

    yes: bool
    dry_run: bool
    as_json: bool
    limit: int
    chosen: Mapping[str, Any]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Asked:
        """Take a command's options apart."""
        own = {name: options[name] for name in ("yes", "dry_run", "as_json", "limit")}
        return cls(**own, chosen={name: value for name, value in options.items() if name not in own})


@click.command()
@click.argument("events", metavar="[EVENT]...", nargs=-1)
@click.option("--through", metavar="ROUTE", help="Plan through this route only (default: that of --route, else every route).")
@filtered(statuses=("none",), limit=0)
@_asking
@click.pass_obj
def replay(config: str | None, /, events: tuple[str, ...], through: str | None, **options: Any) -> None:
    """Plan stored events again, through routes.yaml as it is now: new deliveries, whatever became of the earlier ones.

    \b
    flowbridge replay evt_01jd2x
    flowbridge replay --status none --since 1d              what no route matched, after a route was mended
    flowbridge replay --route triage --status dead --yes
    flowbridge replay --source github --since 2d --through new-route
    """
    from bridge.config import load
    from bridge.store import acts, queries

    asked = _Asked.of(options)
    _need_some(events, asked.chosen)
    settings = settings_of(config)
    routes = load(settings.config, settings.environ, strict_secrets=False)
    through = _known_route(through or asked.chosen["route"], routes)
    with _store(settings) as database:
        ids, problems = _named(events, lambda name: [queries.find(database, name)[0]])
        ids = ids if events else queries.event_ids(database, filters(**asked.chosen), asked.limit)
        if _go_on("replay", "event", ids, problems, asked):
            results = acts.replay_all(database, ids, routes, time.time(), f"replay {secrets.token_hex(8)}", through)
            _report("replay", ids, problems, results, as_json=asked.as_json)


@click.command()
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@filtered(limit=0)
@_asking
@click.pass_obj
def retry(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Send deliveries again that are dead, cancelled, or whose run failed: the same deliveries with the same inputs.

    Filters choose among those that are dead or whose run failed. An event's id stands for all of its deliveries.

    \b
    flowbridge retry dlv_01jd2x
    flowbridge retry --status dead --route triage --since 1h
    """
    _act("retry", config, deliveries, Status.QUEUED, options)


@click.command()
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@filtered(limit=0)
@_asking
@click.pass_obj
def cancel(config: str | None, /, deliveries: tuple[str, ...], **options: Any) -> None:
    """Take deliveries out of the queue that were not sent yet. A retry puts them back.

    \b
    flowbridge cancel --route newsletter --dry-run
    flowbridge cancel dlv_01jd2x --yes
    """
    _act("cancel", config, deliveries, Status.CANCELLED, options, reason="cancelled by a person")


@click.command()
@click.argument("deliveries", metavar="[DELIVERY]...", nargs=-1)
@click.option("--as", "to", type=click.Choice(SETTLED), required=True, help="What it is; queued sends it again.")
@click.option("--run-id", metavar="RUN", help="With --as delivered: the run it started, which is then followed.")
@filtered(limit=0)
@_asking
@click.pass_obj
def resolve(config: str | None, /, deliveries: tuple[str, ...], to: str, run_id: str | None, **options: Any) -> None:
    """Say what became of deliveries whose outcome is unknown, after a look at the platform.

    \b
    flowbridge resolve dlv_01jd2x --as delivered --run-id 7Hq3bVtDnk2yXcN9wLpRsA
    flowbridge resolve --route paid --as queued
    """
    if run_id is not None and (to != "delivered" or len(deliveries) != 1):
        raise click.UsageError("--run-id goes with --as delivered and with one delivery")
    reason = None if to == "queued" else f"resolved as {to} by a person"
    _act("resolve", config, deliveries, Status(to), options, reason=reason, run_id=run_id)


def _act(name: str, config: str | None, names: tuple[str, ...], to: Status, options: Mapping[str, Any],
         **moved: str | None) -> None:  # fmt: skip
    from bridge.store import acts, queries

    asked, act = _Asked.of(options), acts.ACTS[name]
    _need_some(names, asked.chosen)
    with _store(settings_of(config)) as database:
        ids, problems = _named(names, lambda one: _deliveries(database, one, act))
        if not names:
            among = act.wants if asked.chosen["status"] else act.usual
            ids = queries.delivery_ids(database, filters(**asked.chosen), asked.limit, also=among)
        if _go_on(name, "delivery", ids, problems, asked):
            results = acts.move_all(database, act, ids, to, time.time(), **moved)
            _report(name, ids, problems, results, as_json=asked.as_json)


# -- which


def _need_some(names: Sequence[str], chosen: Mapping[str, Any]) -> None:
    is_filtered = any(value is not None for value in chosen.values())
    if not names and not is_filtered:
        raise click.UsageError("name some, or choose them by a filter such as --status dead or --since 1h")
    if names and any(value is not None for option, value in chosen.items() if option != "route"):
        raise click.UsageError("ids and filters do not go together")


def _named(names: Sequence[str], find: Callable[[str], list[str]]) -> tuple[list[str], dict[str, str]]:
    """Return the ids that names stand for, each once, and what is wrong with the other names."""
    ids: dict[str, None] = {}
    problems: dict[str, str] = {}
    for name in names:
        try:
            ids |= dict.fromkeys(find(name))
        except NotFound as error:
            problems[name] = str(error)
    return list(ids), problems


def _deliveries(database: Database, name: str, act: Act) -> list[str]:
    from bridge.store import events, queries

    event_id, delivery_id = queries.find(database, name)
    if delivery_id is not None:
        return [delivery_id]
    fit = [one.id for one in events.deliveries_of(database, [event_id])[event_id] if act.refuse(one) is None]
    if not fit:
        raise NotFound(f"no delivery of {event_id} is in a state for it")
    return fit


def _known_route(name: str | None, config: Config) -> str | None:
    if name is not None and all(route.name != name for route in config.routes):
        from bridge.expressions import near

        names = [route.name for route in config.routes]
        raise click.UsageError(f"routes.yaml has no route {name!r}; {near(name, names)}it has: {', '.join(names) or 'none'}")
    return name


@contextmanager
def _store(settings: Settings) -> Iterator[Database]:
    with opened(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        yield database


# -- the question, and the answer


def _go_on(name: str, thing: str, ids: Sequence[str], problems: Mapping[str, str], asked: _Asked) -> bool:
    """Say how many there are, and ask; False where there is nothing to do or nothing is to be done."""
    things = {"event": "events", "delivery": "deliveries"}[thing] if len(ids) != 1 else thing
    text = f"{len(ids)} {things} to {name}"
    if asked.dry_run:
        output.json_line({"count": len(ids)}) if asked.as_json else output.answer(text)
        return False
    if not ids and not problems:
        output.say(f"No {things} like that to {name}.")
        return False
    if asked.yes or not ids:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"{text}: nobody can be asked here, so say --yes (or --dry-run)")
    if not click.confirm(f"{text}. Go on?", err=True):
        output.say("Nothing was done.")
        return False
    return True


def _report(name: str, ids: Sequence[str], problems: Mapping[str, str], results: Iterable[Result], *, as_json: bool) -> None:
    """Print a line for each item and exit with 1 if any of them was not moved."""
    from bridge.store.acts import Result

    bad = len(problems)
    quiet = len(ids) > MANY and not as_json and output.on_terminal()  # a bar and the exceptions are enough for a person
    held: list[Result] = [Result(id=name, problem=problem) for name, problem in problems.items()]
    with _progress(len(ids), name) as advance:
        for result in results:
            bad += result.problem is not None
            if not quiet:
                _print(name, result, as_json=as_json)
            elif result.problem is not None:
                held.append(result)
            advance()
    for result in held:
        _print(name, result, as_json=as_json)
    output.say(f"{len(ids) + len(problems) - bad} {DONE[name]}" + (f", {bad} not" if bad else ""))
    if bad:
        sys.exit(1)


def _print(name: str, result: Result, *, as_json: bool) -> None:
    from bridge.shapes import delivery_json

    if as_json:
        shown = [delivery_json(one) for one in result.deliveries]
        item = {"id": result.id, "ok": result.problem is None, "problem": result.problem, "was": result.was, "deliveries": shown}
        output.json_line(item)
    elif result.problem is not None:
        click.echo(f"{output.clean(result.id)}  {click.style(f'not {DONE[name]}', fg='red')}: {output.clean(result.problem)}")
    elif name == "replay":
        planned = ", ".join(f"{one.id} {one.route} {one.status}" for one in result.deliveries)
        output.answer(f"{result.id}  {DONE[name]}: {planned}")
    else:
        output.answer(f"{result.id}  {result.was} → {result.deliveries[0].status}")


@contextmanager
def _progress(total: int, name: str) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr where a person sees it and there is enough to do."""
    if total <= MANY or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(console=output.console(err=True), transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda: progress.advance(task)
