"""Short log lines for a terminal: one line per event, and warnings. Pure.

`LINES` has the format of each event's line. Other events are shown from the level `warning` on;
`-v` and JSON show all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bridge.core.text import pluralize
from bridge.system.log_text import (
    CYAN,
    DIM,
    GREEN,
    RED,
    SOURCE_COLUMNS,
    STATUS_COLUMNS,
    YELLOW,
    LogValues,
    colour,
    columns,
    cut,
    format_milliseconds,
    format_seconds,
    printable,
    quote_value,
    show_command,
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
    missing = [(name.partition("."), why) for name, why in values["missing"].items()]
    parts = [(MISSING_VALUE_TEXTS[kind], name, why) for (kind, _, name), why in missing]
    lines = [
        f"\n    {printable(what.format(name))}:"
        f" {printable(why.removeprefix('environment variable '))}"
        for what, name, why in parts
    ]
    return (
        f"{colour(YELLOW, 'warning')}  missing values; set them in .env (no restart needed)"
        + "".join(lines)
    )


QUIET_LEVELS: Final = ("debug", "info")
LEVEL_COLOURS: Final = {"warning": YELLOW, "error": RED, "critical": RED}
RUN_COLOURS: Final = {"done": GREEN, "failed": RED, "terminated": RED}
LISTED_VALUES: Final = ("problems", "settings")  # lists, printed one item per line
HIDDEN_VALUES: Final = ("kept", "client")  # shown only with `-v`
#: The code of a refusal that names no field -> why, or the key of the source that decides it.
REFUSAL_CAUSES: Final = {
    "origin_not_allowed": "see allowed_origins",
    "invalid": "fields not in routes.yaml",
    "too_many": "see rate",
}
# last characters of a delivery's id: the last eight are the same for all deliveries of a route
SHORT_DELIVERY_ID_CHARS: Final = 14
MAX_PARKED_LINES: Final = 5  # of one event
TERMINAL_COLUMNS: Final = 80
TIME_COLUMNS: Final = 10  # of the time of a line, with the separator


def format_line(line: LogValues) -> str | None:
    """Return a log line as text for a terminal, with its line end, or None to drop it."""
    values = dict(line)
    at = str(values.pop("timestamp"))[11:19]
    level = values.pop("level")
    event = values.pop("event")
    exception = values.pop("exception", "")
    row = LINES.get(event)
    text = row(values) if row is not None else None
    if text is None:
        if level in QUIET_LEVELS:
            return None
        text = _other(level, event, values)
    return f"{colour(DIM, at)}  {text}\n{exception}"


def _other(level: str, event: str, values: LogValues) -> str:
    listed = "".join(
        f"\n    {printable(item)}" for name in LISTED_VALUES for item in values.get(name) or ()
    )
    said = " ".join(
        f"{name}={quote_value(value)}"
        for name, value in values.items()
        if value is not None and name not in (*LISTED_VALUES, *HIDDEN_VALUES)
    )
    head = f"{colour(LEVEL_COLOURS.get(level, CYAN), level)}  {event.replace('_', ' ')}"
    return f"{head}  {said}".rstrip() + listed


def _event(values: LogValues) -> str | None:
    """Return the line of a request; None for one that `doctor` sent, which is not stored."""
    if values.get("dry"):
        return None
    source = printable(f"{values['source']} {values['type'] or ''}".rstrip())
    status, code, detail = _outcome(values)
    took = colour(DIM, format_milliseconds(values["ms"]))
    return "\n".join([f"{columns(source, status, code)}  {detail}  {took}", *_parked(values)])


def _parked(values: LogValues) -> Iterator[str]:
    """Yield the lines of the event's deliveries that planning refused."""
    parked = () if values["duplicate"] else values.get("parked") or ()
    show = show_command(values["event_id"])
    for delivery in parked[:MAX_PARKED_LINES]:
        line = _outcome_line(
            delivery, "dead, config", RED, delivery["cause"], show, columns_before=2
        )
        yield f"  {line}"
    if more := len(parked[MAX_PARKED_LINES:]):
        yield f"    {more} more: {show}"


def _outcome(values: LogValues) -> tuple[str, str, str]:
    """Return a request's status, its colour, and the routes that matched or what went wrong."""
    status = values["status"]
    routes = ", ".join(_name_routes(values))
    if values["duplicate"]:
        return f"{status} duplicate", DIM, show_command(values["event_id"])
    if values["spam"]:
        return f"{status} spam", YELLOW, show_command(values["event_id"])
    if values["problem"]:
        return f"{status} problem", YELLOW, printable(values["problem"])
    if routes and (names := values.get("left_out")):
        more = f" +{len(names) - 1}" if names[1:] else ""
        routes += f"  {colour(YELLOW, f'without {printable(names[0])}{more}')}"
    return (
        (f"{status}", GREEN, f"→ {routes}")
        if routes
        else (
            f"{status} {'parked' if values.get('parked') else 'no route'}",
            YELLOW,
            show_command(values["event_id"]),
        )
    )


def _name_routes(values: LogValues) -> Iterator[str]:
    """Yield the routes of an event that something is sent for, and its shadow routes as such."""
    parked = {delivery["route"] for delivery in values.get("parked") or ()}
    shadow = values.get("shadow") or ()
    for route in values.get("routes") or ():
        if route not in parked:
            yield printable(route) + (" (shadow)" if route in shadow else "")


def _rejected(values: LogValues) -> str:
    kept = values.get("reject_id")
    why = show_command(kept) if kept else printable(values["reason"])
    return f"{columns(printable(values['source']), '401 refused', RED)}  {why}"


def _form_refused(values: LogValues) -> str:
    why = ", ".join(map(printable, values.get("fields") or ())) or REFUSAL_CAUSES.get(
        values["code"], ""
    )
    status = printable(f"{values['status']} {values['code']}")
    return f"{columns(printable(values['source']), status, RED)}  {why}".rstrip()


def _no_secret(values: LogValues) -> str:
    """Return the line of a request to a source without a secret, with the value to set in .env."""
    missing = printable(str(values["missing"]).removeprefix("environment variable "))
    return (
        f"{columns(printable(values['source']), '503 no_secret', RED)}  {missing}: set it in .env"
    )


def _unknown_source(values: LogValues) -> str:
    hint = (
        f"did you mean {printable(values['near'])}?"
        if values.get("near")
        else "routes.yaml has no such source"
    )
    return f"{columns(printable(values['source']), '404', RED)}  {hint}"


def _run(values: LogValues) -> str:
    state = str(values["state"] or "end unknown")
    took = (
        colour(DIM, format_seconds(values["seconds"])) if values.get("seconds") is not None else ""
    )
    what = printable(f"  {values['route']} → {values['flow']}")
    hint = "" if state == "done" else f"{show_command(values['run_id'])}  "
    return f"{columns(what, state, RUN_COLOURS.get(state, YELLOW))}  {hint}{took}".rstrip()


def _reconciled(values: LogValues) -> str | None:
    """Return the line of a run that was found after its start had no answer."""
    if values["decided"] != "adopt":
        return None
    state = values["state"] if values["state"] in RUN_COLOURS else None
    word = f"{state} (found)" if state else "found"
    what = printable(f"  {values['route']} → {values['flow']}")
    hint = f"  {show_command(values['run_id'])}" if state not in (None, "done") else ""
    return f"{columns(what, word, RUN_COLOURS.get(state or 'done', GREEN)).rstrip()}{hint}"


def _flow_failed(values: LogValues) -> str | None:
    """Return the last line of a flow's traceback; `flowbridge show` and `-v` have all of it."""
    lines = str(values.get("traceback") or "").splitlines()
    return (
        f"{colour(YELLOW, 'warning')}  flow {printable(values['flow'])} failed:"
        f" {printable(lines[-1])}"
        if lines
        else None
    )


def _store_shared(values: LogValues) -> str:
    place = f" at http://{printable(values['bind'])}" if values["bind"] else ""
    head = (
        f"{colour(YELLOW, 'warning')}  another flowbridge is using this store:"
        f" {printable(values['data'])}"
    )
    return (
        f"{head}\n    process {values['pid']}{place}; both deliver events: stop one unless this is"
        " intended"
    )


def _attempt(values: LogValues) -> str | None:
    """Return the line of an attempt that did not start the flow; a run has a line of its own."""
    if values["outcome"] == "started":
        return None
    outcome = values["outcome"]
    return _outcome_line(
        values,
        outcome,
        RED if outcome == "rejected" else YELLOW,
        _attempt_reason(values),
        "flowbridge status" if outcome == "unauthorized" else _show_delivery(values),
    )


def _outcome_line(
    delivery: LogValues,
    word: str,
    code: str,
    reason: str,
    show: str,
    *,
    columns_before: int = TIME_COLUMNS,
) -> str:
    """Return what became of a delivery and why, in two lines if the terminal is too narrow."""
    what = cut(
        printable(f"  {delivery['route']} → {delivery['flow']}"),
        TERMINAL_COLUMNS - TIME_COLUMNS - STATUS_COLUMNS - 2,
    )
    head = columns(what, word, code)
    reason = printable(reason)
    tail = f"{reason}  {show}" if reason else show
    width = columns_before + max(len(what), SOURCE_COLUMNS) + STATUS_COLUMNS + 4 + len(tail)
    if width <= TERMINAL_COLUMNS:
        return f"{head}  {tail}"
    return f"{head.rstrip()}\n    {cut(reason, TERMINAL_COLUMNS - len(show) - 6)}  {show}"


def _show_delivery(delivery: LogValues) -> str:
    return f"flowbridge show {printable(str(delivery['delivery_id'])[-SHORT_DELIVERY_ID_CHARS:])}"


def _attempt_reason(values: LogValues) -> str:
    """Return the status of the platform's response, or the reason for none, without the host."""
    if values.get("status_code") is not None:
        return f"HTTP {values['status_code']}"
    detail = str(values.get("detail") or "")
    host, _, rest = detail.partition(": ")
    return rest if rest and " " not in host else detail


def _taken_over(values: LogValues) -> str:
    """Return the line of a call whose worker died, with the delivery's status."""
    return (
        f"{colour(YELLOW, 'warning')}  a worker died during a call\n   "
        f" {printable(values['status'])}  {_show_delivery(values)}"
    )


#: The event of a log line -> the function that formats it.
LINES: Final[Mapping[str, Callable[[LogValues], str | None]]] = {
    "event": _event,
    "rejected": _rejected,
    "form_refused": _form_refused,
    "no_secret": _no_secret,
    "unknown_source": _unknown_source,
    "attempt": _attempt,
    "taken_over": _taken_over,
    "run": _run,
    "reconciled": _reconciled,
    "flow_failed": _flow_failed,
    "config_reloaded": config_reloaded,
    "config_valid": config_valid,
    "flows_loaded": flows_loaded,
    "flows_not_loaded": flows_not_loaded,
    "flows_missing": flows_missing,
    "flows_found": flows_found,
    "restart_needed": restart_needed,
    "store_shared": _store_shared,
    "values_missing": values_missing,
}
