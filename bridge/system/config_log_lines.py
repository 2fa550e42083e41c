"""Log lines about routes.yaml, flows.py and settings, for a terminal. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.plurals import pluralize
from bridge.system.log_text import (
    GREEN,
    RED,
    YELLOW,
    LogValues,
    colour,
    printable,
)

# the effect of a missing value
MISSING_VALUE_TEXTS: Final = {
    "sources": "source {} answers 503",
    "platforms": "deliveries to platform {} wait",
}


def config_reloaded(values: LogValues) -> str:
    """Return the line of a reload, or of the first valid routes.yaml after an error."""
    what = "routes.yaml is valid again" if values.get("valid_again") else "routes.yaml reloaded"
    return (
        f"{colour(GREEN, what)}: {pluralize(values['sources'], 'source')},"
        f" {pluralize(values['routes'], 'route')}"
    )


def config_valid(_values: LogValues) -> str:
    """Return the line of a routes.yaml that was restored to the loaded configuration."""
    return f"{colour(GREEN, 'routes.yaml is valid again')}: no changes"


def flows_loaded(values: LogValues) -> str | None:
    """Return the line of a flows.py that could not be loaded before; None for any other."""
    return (
        f"{colour(GREEN, 'flows.py is valid again')}: {pluralize(values['flows'], 'flow')}"
        if values.get("valid_again")
        else None
    )


def flows_not_loaded(values: LogValues) -> str:
    """Return the line of a flows.py that cannot be loaded, and what to do."""
    kept = "the flows loaded before still run; " if values.get("kept") else ""
    return (
        f"{colour(RED, 'error')}  cannot load flows.py: {printable(str(values['error']))}"
        f"\n    {kept}fix flows.py, no restart needed: flowbridge check"
    )


def flows_missing(values: LogValues) -> str:
    """Return the line of routes whose flows are missing, and what to do."""
    lines = [
        f"\n    {printable(f'route {route}: {flow}')}" for route, flow in values["flows"].items()
    ]
    head = (
        f"{colour(YELLOW, 'warning')}  routes use flows that the local platform does not have;"
        " their deliveries wait"
    )
    return (
        head
        + "".join(lines)
        + "\n    restore them in flows.py or change routes.yaml; next step: flowbridge status"
    )


def flows_found(values: LogValues) -> str:
    """Return the line of routes whose flows were missing before."""
    return (
        f"{colour(GREEN, 'flows are available again')}: routes"
        f" {printable(', '.join(values['flows']))}"
    )


def restart_needed(values: LogValues) -> str:
    """Return the line of settings that only a restart applies."""
    named = "".join(f"\n    {printable(name)}" for name in values["settings"])
    return (
        f"{colour(YELLOW, 'warning')}  settings in .env changed; restart flowbridge to apply them"
        + named
    )


def values_missing(values: LogValues) -> str:
    """Return the sources that answer 503 and the platforms that are not called, with the reason."""
    found = [(name.partition("."), why) for name, why in values["missing"].items()]
    parts = [(MISSING_VALUE_TEXTS[kind], name, why) for (kind, _, name), why in found]
    lines = [
        f"\n    {printable(what.format(name))}:"
        f" {printable(why.removeprefix('environment variable '))}"
        for what, name, why in parts
    ]
    return (
        f"{colour(YELLOW, 'warning')}  missing values; set them in .env (no restart needed)"
        + "".join(lines)
    )
