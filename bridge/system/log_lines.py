"""Show the log on a terminal: one readable line per event, and a line for whatever needs attention.
Pure.

A line that is not among `BRIEF` is shown from the level `warning` on; the rest is for `-v`, and for
JSON elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.core.plurals import number

SOURCE_WIDTH: Final = 20  # columns of source and type
STATUS_WIDTH: Final = 13  # columns of what became of a request
GREEN = "32"
YELLOW = "33"
RED = "31"
CYAN = "36"
DIM = "2"
QUIET_LEVELS: Final = ("debug", "info")
LEVEL_COLOURS: Final = {"warning": YELLOW, "error": RED, "critical": RED}
RUN_COLOURS: Final = {"done": GREEN, "failed": RED, "terminated": RED}
LISTED: Final = ("problems", "settings")  # values that are printed one a line
LEFT_OUT: Final = ("kept", "client")  # values that only `-v` shows
# while a value is missing
MISSING: Final = {"sources": "source {} answers 503", "platforms": "deliveries to platform {} wait"}
#: By the code of a form's refusal: which key of the source in routes.yaml decides it.
SEE_KEY: Final = {
    "origin_not_allowed": "see allowed_origins",
    "invalid": "see schema",
    "too_many": "see rate",
}
SHORT_ID: Final = 8  # last characters of an id, by which `flowbridge show` finds it
# the same of a delivery: its last eight are those of all deliveries of its route
SHORT_DELIVERY_ID: Final = 14
WIDTH: Final = 80  # columns of a terminal
TIME_WIDTH: Final = 10  # columns of the time of a line, with what separates it

Values = Mapping[str, Any]


def brief(line: Values) -> str | None:
    """Return a line of the log as a terminal shows it, with its line end; None where it is left
    out.
    """
    values = dict(line)
    at = str(values.pop("timestamp"))[11:19]
    level = values.pop("level")
    event = values.pop("event")
    exception = values.pop("exception", "")
    row = BRIEF.get(event)
    text = row(values) if row is not None else None
    if text is None:
        if level in QUIET_LEVELS:
            return None
        text = _general(level, event, values)
    return f"{colour(DIM, at)}  {text}\n{exception}"


def colour(code: str, text: str) -> str:
    """Return a text in a colour of the terminal."""
    return f"\x1b[{code}m{text}\x1b[0m"


def plain(value: object) -> str:
    """Return a value as a terminal may show it: in quotes where it is not one word, and never as
    something that a terminal obeys.
    """
    text = str(value)
    return text if text.isprintable() and text and " " not in text else repr(text)


def _general(level: str, event: str, values: Values) -> str:
    listed = "".join(
        f"\n    {_printable(one)}" for name in LISTED for one in values.get(name) or ()
    )
    said = " ".join(
        f"{name}={plain(value)}"
        for name, value in values.items()
        if value is not None and name not in (*LISTED, *LEFT_OUT)
    )
    head = f"{colour(LEVEL_COLOURS.get(level, CYAN), level)}  {event.replace('_', ' ')}"
    return f"{head}  {said}".rstrip() + listed


def _event(values: Values) -> str | None:
    """A request that `doctor` sent is not stored, so there is nothing to show of it."""
    if values.get("dry"):
        return None
    source = _printable(f"{values['source']} {values['type'] or ''}".rstrip())
    status, code, detail = _became(values)
    return f"{_columns(source, status, code)}  {detail}  {colour(DIM, _milliseconds(values['ms']))}"


def _became(values: Values) -> tuple[str, str, str]:
    """Return a request's status, its colour, and what was started by it."""
    status = values["status"]
    routes = ", ".join(map(_printable, values.get("routes") or ()))
    if values["duplicate"]:
        return f"{status} duplicate", DIM, _show(values["event_id"])
    if values["spam"]:
        return f"{status} spam", YELLOW, _show(values["event_id"])
    if values["problem"]:
        return f"{status} problem", YELLOW, _printable(values["problem"])
    if routes and (names := values.get("left_out")):
        more = f" +{len(names) - 1}" if names[1:] else ""
        routes += f"  {colour(YELLOW, f'without {_printable(names[0])}{more}')}"
    return (
        (f"{status}", GREEN, f"→ {routes}")
        if routes
        else (f"{status} no route", YELLOW, _show(values["event_id"]))
    )


def _rejected(values: Values) -> str:
    kept = values.get("reject_id")
    why = _show(kept) if kept else _printable(values["reason"])
    return f"{_columns(_printable(values['source']), '401 refused', RED)}  {why}"


def _form_refused(values: Values) -> str:
    why = ", ".join(map(_printable, values.get("fields") or ())) or SEE_KEY.get(values["code"], "")
    status = _printable(f"{values['status']} {values['code']}")
    return f"{_columns(_printable(values['source']), status, RED)}  {why}".rstrip()


def _no_secret(values: Values) -> str:
    """Return the line of a request to a source whose secret is missing: which value to set in
    .env.
    """
    missing = _printable(str(values["missing"]).removeprefix("environment variable "))
    return (
        f"{_columns(_printable(values['source']), '503 no_secret', RED)}  {missing}: set it in .env"
    )


def _unknown_source(values: Values) -> str:
    hint = (
        f"did you mean {_printable(values['near'])}?"
        if values.get("near")
        else "routes.yaml has no such source"
    )
    return f"{_columns(_printable(values['source']), '404', RED)}  {hint}"


def _run(values: Values) -> str:
    state = str(values["state"] or "not seen to end")
    took = colour(DIM, _seconds(values["seconds"])) if values.get("seconds") is not None else ""
    what = _printable(f"  {values['route']} → {values['flow']}")
    hint = "" if state == "done" else f"{_show(values['run_id'])}  "
    return f"{_columns(what, state, RUN_COLOURS.get(state, YELLOW))}  {hint}{took}".rstrip()


def _flow_failed(values: Values) -> str | None:
    """Return the last line of a flow's traceback; `flowbridge show` has the rest, which only `-v`
    prints.
    """
    lines = str(values.get("traceback") or "").splitlines()
    return (
        f"{colour(YELLOW, 'warning')}  flow {_printable(values['flow'])} failed:"
        f" {_printable(lines[-1])}"
        if lines
        else None
    )


def _reloaded(values: Values) -> str:
    what = "routes.yaml can be used again" if values.get("mended") else "routes.yaml was read again"
    return (
        f"{colour(GREEN, what)}: {number(values['sources'], 'source')},"
        f" {number(values['routes'], 'route')}"
    )


def _valid(_values: Values) -> str:
    return f"{colour(GREEN, 'routes.yaml can be used again')}: it is as before"


def _flows_loaded(values: Values) -> str | None:
    """Return the line of a flows.py that could not be loaded before; none for another, since
    nothing was wrong.
    """
    return (
        f"{colour(GREEN, 'flows.py can be used again')}: {number(values['flows'], 'flow')}"
        if values.get("mended")
        else None
    )


def _flows_not_loaded(values: Values) -> str:
    kept = "flows that were loaded before still run; " if values.get("kept") else ""
    return (
        f"{colour(RED, 'error')}  flows.py cannot be used: {_printable(str(values['error']))}"
        f"\n    {kept}no restart is needed after the fix: flowbridge check"
    )


def _flows_missing(values: Values) -> str:
    lines = [
        f"\n    {_printable(f'route {route}: {flow}')}" for route, flow in values["flows"].items()
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


def _flows_found(values: Values) -> str:
    """Return the line of routes whose flows were missing: they are there now, or the routes name
    others.
    """
    return (
        f"{colour(GREEN, 'no flow is missing any more')} for"
        f" {_printable(', '.join(values['flows']))}"
    )


def _shared(values: Values) -> str:
    place = f" at http://{_printable(values['bind'])}" if values["bind"] else ""
    head = (
        f"{colour(YELLOW, 'warning')}  another flowbridge runs on this store:"
        f" {_printable(values['data'])}"
    )
    return (
        f"{head}\n    process {values['pid']}{place}; both deliver events, so stop one unless you"
        " want two"
    )


def _restart(values: Values) -> str:
    named = "".join(f"\n    {_printable(name)}" for name in values["settings"])
    return (
        f"{colour(YELLOW, 'warning')}  settings in .env changed; restart flowbridge to use them"
        + named
    )


def _missing(values: Values) -> str:
    """Return which sources answer 503 and which platforms are not called, each with the value that
    is missing.
    """
    found = [(name.partition("."), why) for name, why in values["missing"].items()]
    parts = [(MISSING[kind], name, why) for (kind, _, name), why in found]
    lines = [
        f"\n    {_printable(what.format(name))}:"
        f" {_printable(why.removeprefix('environment variable '))}"
        for what, name, why in parts
    ]
    return (
        f"{colour(YELLOW, 'warning')}  values are missing; set them in .env (no restart needed)"
        + "".join(lines)
    )


def _attempt(values: Values) -> str | None:
    """Return the line of an attempt; none for one that started the flow, since the line of its run
    says so.
    """
    if values["outcome"] == "started":
        return None
    what = _cut(
        _printable(f"  {values['route']} → {values['flow']}"), WIDTH - TIME_WIDTH - STATUS_WIDTH - 2
    )
    is_of_all = values["outcome"] == "unauthorized"
    show = (
        "flowbridge status"
        if is_of_all
        else f"flowbridge show {_printable(str(values['delivery_id'])[-SHORT_DELIVERY_ID:])}"
    )
    head = _columns(what, values["outcome"], RED if values["outcome"] == "rejected" else YELLOW)
    reason = _attempt_reason(values)
    tail = f"{reason}  {show}" if reason else show
    if TIME_WIDTH + max(len(what), SOURCE_WIDTH) + STATUS_WIDTH + 4 + len(tail) <= WIDTH:
        return f"{head}  {tail}"
    return f"{head.rstrip()}\n    {_cut(reason, WIDTH - len(show) - 6)}  {show}"


def _attempt_reason(values: Values) -> str:
    """Return the status of a platform's answer, or why there was none, without the host that was
    called.
    """
    if values.get("status_code") is not None:
        return f"HTTP {values['status_code']}"
    detail = _printable(values.get("detail") or "")
    host, _, rest = detail.partition(": ")
    return rest if rest and " " not in host else detail


def _taken_over(values: Values) -> str:
    """Return the line of a call that a worker did not live to end: its answer is lost where the
    delivery is unknown.
    """
    show = f"flowbridge show {_printable(str(values['delivery_id'])[-SHORT_DELIVERY_ID:])}"
    return (
        f"{colour(YELLOW, 'warning')}  a worker died during a call\n   "
        f" {_printable(values['status'])}  {show}"
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _columns(what: str, status: str, code: str) -> str:
    return f"{what:{SOURCE_WIDTH}}  {colour(code, status)}{' ' * (STATUS_WIDTH - len(status))}"


def _show(id_: object) -> str:
    """Return the command that shows what has this id, with the shortest form of it that is
    unique.
    """
    return f"flowbridge show {_printable(str(id_)[-SHORT_ID:])}"


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _milliseconds(ms: float) -> str:
    return f"{ms:.0f} ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


#: How the lines of an event's way are shown.
BRIEF: Final[Mapping[str, Callable[[Values], str | None]]] = {
    "event": _event,
    "rejected": _rejected,
    "form_refused": _form_refused,
    "no_secret": _no_secret,
    "unknown_source": _unknown_source,
    "attempt": _attempt,
    "taken_over": _taken_over,
    "run": _run,
    "flow_failed": _flow_failed,
    "config_reloaded": _reloaded,
    "config_valid": _valid,
    "flows_loaded": _flows_loaded,
    "flows_not_loaded": _flows_not_loaded,
    "flows_missing": _flows_missing,
    "flows_found": _flows_found,
    "restart_needed": _restart,
    "store_shared": _shared,
    "values_missing": _missing,
}
