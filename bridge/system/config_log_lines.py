"""Log lines about routes.yaml, flows.py and settings, for a terminal. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.plurals import number
from bridge.system.log_text import (
    GREEN,
    RED,
    YELLOW,
    LogValues,
    colour,
    printable,
)

# while a value is missing
MISSING_VALUE_TEXTS: Final = {
    "sources": "source {} answers 503",
    "platforms": "deliveries to platform {} wait",
}


def config_reloaded(values: LogValues) -> str:
    what = "routes.yaml can be used again" if values.get("mended") else "routes.yaml was read again"
    return (
        f"{colour(GREEN, what)}: {number(values['sources'], 'source')},"
        f" {number(values['routes'], 'route')}"
    )


def config_valid(_values: LogValues) -> str:
    return f"{colour(GREEN, 'routes.yaml can be used again')}: it is as before"


def flows_loaded(values: LogValues) -> str | None:
    """Return the line of a flows.py that could not be loaded before; none for another, since
    nothing was wrong.
    """
    return (
        f"{colour(GREEN, 'flows.py can be used again')}: {number(values['flows'], 'flow')}"
        if values.get("mended")
        else None
    )


def flows_not_loaded(values: LogValues) -> str:
    kept = "flows that were loaded before still run; " if values.get("kept") else ""
    return (
        f"{colour(RED, 'error')}  flows.py cannot be used: {printable(str(values['error']))}"
        f"\n    {kept}no restart is needed after the fix: flowbridge check"
    )


def flows_missing(values: LogValues) -> str:
    lines = [
        f"\n    {printable(f'route {route}: {flow}')}" for route, flow in values["flows"].items()
    ]
    head = (
        f"{colour(YELLOW, 'warning')}  routes name flows that the local platform does not have;"
        " their deliveries wait"
    )
    return (
        head
        + "".join(lines)
        + "\n    put them back into flows.py, or name others in routes.yaml; flowbridge status has"
        " the next step"
    )


def flows_found(values: LogValues) -> str:
    """Return the line of routes whose flows were missing: they are there now, or the routes name
    others.
    """
    return (
        f"{colour(GREEN, 'no flow is missing any more')} for"
        f" {printable(', '.join(values['flows']))}"
    )


def restart_needed(values: LogValues) -> str:
    named = "".join(f"\n    {printable(name)}" for name in values["settings"])
    return (
        f"{colour(YELLOW, 'warning')}  settings in .env changed; restart flowbridge to use them"
        + named
    )


def values_missing(values: LogValues) -> str:
    """Return which sources answer 503 and which platforms are not called, each with the value that
    is missing.
    """
    found = [(name.partition("."), why) for name, why in values["missing"].items()]
    parts = [(MISSING_VALUE_TEXTS[kind], name, why) for (kind, _, name), why in found]
    lines = [
        f"\n    {printable(what.format(name))}:"
        f" {printable(why.removeprefix('environment variable '))}"
        for what, name, why in parts
    ]
    return (
        f"{colour(YELLOW, 'warning')}  values are missing; set them in .env (no restart needed)"
        + "".join(lines)
    )
