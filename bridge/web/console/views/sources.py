"""`/sources`: the inbound endpoints, and how to set each up at its sender."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api.resources import sources
from bridge.core.advice import Command, name_command
from bridge.core.scopes import Scope
from bridge.core.status import SourceStatus
from bridge.core.units import DAY
from bridge.monitoring.checks.configuration import SET_IN_ENV
from bridge.providers.signatures.pins import pins_of
from bridge.routing.model import Source
from bridge.services.bridge_checks.secret_use import SecretUse, list_secret_use
from bridge.store.queries.event_lookup import find_provider
from bridge.store.queries.event_types import count_types
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.day_trends import read_day, sum_day
from bridge.web.console.failures import refuse
from bridge.web.console.links import make_link
from bridge.web.console.sample_commands import lacks_secret, list_sample_commands
from bridge.web.console.subject_notes import SubjectNote, list_notes
from bridge.web.console.views.forms import has_fields

MAX_COUNTED_EVENTS: Final = 1000  # newest events whose types are counted
SOON_SECONDS: Final = 14 * DAY
MAX_SHOWN_TYPES: Final = 12
#: The choices of how long a source may receive its secret: minutes, and the label.
LEARN_MINUTES: Final = {"10": "10 minutes", "30": "30 minutes", "60": "an hour"}
END_LEARNING: Final = "0"


def list_sources(console_request: ConsoleRequest) -> Screen:
    """Return all sources."""
    items = console_request.read(sources.list_sources)["items"]
    titles = {
        name: source.provider.title
        for name, source in console_request.context.config().sources.items()
    }
    overview = console_request.context.overview.get()
    notes_by_source = list_notes(overview, "source")
    return Screen(
        template="sources.html",
        title="Sources",
        values={
            "sources": items,
            "titles": titles,
            "notes": {record["name"]: _list_notes(notes_by_source, record) for record in items},
            "today_cut": overview.today_cut,
        },
    )


def show_source(console_request: ConsoleRequest) -> Screen:
    """Return one source."""
    record = console_request.read(sources.show_source)
    name = record["name"]
    config = console_request.context.config()
    source = config.sources.get(name)
    now = time.time()
    types = count_types(console_request.context.database, name, max_rows=MAX_COUNTED_EVENTS)
    return Screen(
        template="source.html",
        title=name,
        values={
            "source": record,
            "status": _find_status(console_request, name),
            "provider": source.provider if source else None,
            "add_again": None if source else _suggest_addition(console_request, name),
            "is_form": source is not None and has_fields(source.provider),
            "pins": pins_of(source.provider.scheme) if source else (),
            "url": f"{_base_url(console_request)}/hooks/{name}",
            "is_public_url": bool(console_request.context.settings.public_url),
            "samples": list_sample_commands(source, _base_url(console_request)) if source else [],
            "lacks_secret": source is not None and lacks_secret(source),
            "secrets": _list_secrets(console_request, source, now) if source else [],
            "notes": _list_notes(
                list_notes(console_request.context.overview.get(), "source"), record
            ),
            "modes": {route.name: route.mode.value for route in config.routes},
            "chart": read_day(console_request, "events", "event", "events", source=name),
            "reasons": sum_day(console_request, "rejects", "reason", source=name),
            "types": types.rows[:MAX_SHOWN_TYPES],
            "more_types": max(len(types.rows) - MAX_SHOWN_TYPES, 0),
            "counted": MAX_COUNTED_EVENTS if types.read_until is not None else None,
            **_describe_learning(console_request, source),
        },
    )


def allow_learning(console_request: ConsoleRequest) -> Response:
    """Let a source receive its secret for some minutes, or end that."""
    minutes = console_request.http.form.get("minutes", "")
    if minutes not in (*LEARN_MINUTES, END_LEARNING):
        raise refuse(400, f"Choose how long: {', '.join(LEARN_MINUTES)} minutes.")
    sources.allow_learning(
        console_request.context, replace(console_request.ask(), body={"seconds": int(minutes) * 60})
    )
    return redirect(make_link(f"/sources/{console_request.ids['name']}") + "#learning", 303)


# -- parts


def _suggest_addition(console_request: ConsoleRequest, source: str) -> Command | None:
    """Return the command that adds a source of stored events again; None where none is stored."""
    provider = find_provider(console_request.context.database, source)
    return name_command("add", provider, source) if provider else None


def _find_status(console_request: ConsoleRequest, name: str) -> SourceStatus:
    statuses = console_request.context.overview.get().sources
    return next((status for status in statuses if status.name == name), SourceStatus(name=name))


def _base_url(console_request: ConsoleRequest) -> str:
    """Return the URL that senders call: the public one, else that of this machine."""
    settings = console_request.context.settings
    return (settings.public_url or settings.bound_url).rstrip("/")


def _list_secrets(
    console_request: ConsoleRequest, source: Source, now: float
) -> list[dict[str, Any]]:
    """Return the secrets of a source, without their values."""
    used = list_secret_use(console_request.context.settings, [source], least=1)
    return [{"use": secret_use, **_describe_end(secret_use, now)} for secret_use in used]


def _describe_end(secret_use: SecretUse, now: float) -> dict[str, Any]:
    if secret_use.not_after is None:
        return {"word": "live", "kind": "ok", "left": None}
    if secret_use.not_after <= now:
        return {"word": "ended", "kind": "off", "left": None}
    left = secret_use.not_after - now
    if left > SOON_SECONDS:
        return {"word": "live", "kind": "ok", "left": left}
    return {"word": "ends soon", "kind": "warn", "left": left}


def _list_notes(
    notes_by_source: Mapping[str, Sequence[SubjectNote]], record: Mapping[str, Any]
) -> list[SubjectNote]:
    """Return the conditions of a source, and what `flowbridge check` says of its secret.

    `notes_by_source`: the conditions of all sources.
    """
    notes = [*notes_by_source.get(record["name"], ())]
    if not record["configured"]:
        text = "routes.yaml does not name it, so it accepts nothing; its events stay stored."
        notes.append(SubjectNote(kind="off", word="not configured", text=text))
    elif record["missing"] is not None and not notes:
        text = f"{record['missing']}: requests that need it are answered 503."
        notes.append(SubjectNote(kind="bad", word="no secret", text=text, do=SET_IN_ENV))
    if record["configured"] and record["secret_doubt"] is not None:
        notes.append(SubjectNote(kind="warn", word="secret", text=record["secret_doubt"]))
    return notes


def _describe_learning(console_request: ConsoleRequest, source: Source | None) -> dict[str, Any]:
    """Return how a source receives its secret from the sender; null where it does not."""
    if source is None or source.provider.learn is None:
        return {"learning": None}
    return {
        "learning": console_request.read(sources.show_learning),
        "must_be_entered": source.provider.learn.shown,
        "learn_minutes": LEARN_MINUTES,
        "may_allow": console_request.may(Scope.ADMIN),
    }
