"""The query parameters of the API, one row each, and how they are read: all errors at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bridge.api.problems import ApiProblem, InvalidValue, parameter_error
from bridge.core.audit import AuditAction
from bridge.core.json_values import MAX_POINTER_CHARS, parse_pointer
from bridge.core.model import JSON, RunState, Status
from bridge.core.operations import NOW, OPEN_ITEMS, THEN, StepOutcome
from bridge.core.trends import TRENDS
from bridge.core.typos import find_typo
from bridge.services.filter_values import (
    DEAD_KINDS,
    parse_dead_kind,
    parse_excerpt,
    parse_moment,
    parse_raw_excerpt,
    parse_span,
)
from bridge.services.lists import (
    DEFAULT_PAGE_ITEMS,
    MAX_CURSOR_CHARS,
    MAX_PAGE_ITEMS,
    MAX_PAGE_REJECTS,
)
from bridge.services.where_filters import MAX_WHERE_FILTERS, parse_where
from bridge.store.queries.filters import NONE

MAX_NAME_CHARS: Final = 200
LABELS: Final = ("source", "route", "platform")  # of trends
MAX_PAGE_SUBMISSIONS: Final = 50  # each is read with its body
MAX_PAGE_DETAILS: Final = 20
MAX_WAIT_SECONDS: Final = 5.0
MAX_STREAM_DIGITS: Final = 12
NEWEST: Final = "newest"
OLDEST: Final = "oldest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter.

    `parse` returns its value, or raises `ValueError` with a message for the client.
    `reads_contents`: the answer depends on contents of payloads, so it needs the scope `bodies`.
    `max_count`: how often it may be given; its value is a list if that is more than once.
    """

    name: str
    doc: str
    parse: Callable[[str], Any] = str
    schema: Mapping[str, JSON] = field(default_factory=lambda: {"type": "string"})
    allowed: Sequence[str] = ()
    default: Any = None
    is_required: bool = False
    reads_contents: bool = False
    max_count: int = 1


def read_parameters(
    texts_by_name: Mapping[str, Sequence[str]], parameters: Sequence[Parameter]
) -> dict[str, Any]:
    """Return the values of all parameters by name.

    Raises `ApiProblem` with every parameter that is unknown, repeated or not valid.
    """
    parameters_by_name = {declared.name: declared for declared in parameters}
    errors = [
        _unknown(name, parameters_by_name)
        for name in texts_by_name
        if name not in parameters_by_name
    ]
    values: dict[str, Any] = {}
    for parameter in parameters:
        texts = texts_by_name.get(parameter.name, ())
        if parameter.is_required and not texts:
            errors.append(parameter_error(parameter.name, f"it is missing: {parameter.doc}"))
            continue
        if len(texts) > parameter.max_count:
            times = "once" if parameter.max_count == 1 else f"{parameter.max_count} times"
            errors.append(parameter_error(parameter.name, f"it may be given {times}"))
            continue
        try:
            parsed = [_parse(parameter, text) for text in texts]
        except ValueError as error:
            errors.append(
                parameter_error(
                    parameter.name, str(error), _near(parameter, texts), parameter.allowed
                )
            )
            continue
        values[parameter.name] = (
            (parsed or None)
            if parameter.max_count > 1
            else parsed[0]
            if parsed
            else parameter.default
        )
    if errors:
        names = ", ".join(dict.fromkeys(str(error.parameter) for error in errors))
        raise ApiProblem("invalid_parameter", f"not valid: {names}", errors=errors)
    return values


def _parse(parameter: Parameter, text: str) -> Any:
    if "\0" in text:
        raise ValueError("it contains a null character")
    if parameter.allowed and text not in parameter.allowed:
        raise ValueError(f"{text[:100]!r} is not one of {', '.join(parameter.allowed)}")
    return parameter.parse(text)


def _near(parameter: Parameter, texts: Sequence[str]) -> str | None:
    return next(
        (near for text in texts if (near := find_typo(text, list(parameter.allowed)))), None
    )


def _unknown(name: str, parameters_by_name: Mapping[str, Parameter]) -> InvalidValue:
    near = find_typo(name, list(parameters_by_name))
    meant = f"; did you mean {near}?" if near else ""
    return parameter_error(
        name[:100], f"there is no such parameter{meant}", near, list(parameters_by_name)
    )


def _parse_name(text: str) -> str:
    if not 0 < len(text) <= MAX_NAME_CHARS:
        raise ValueError(f"it has {len(text)} characters; allowed are 1 to {MAX_NAME_CHARS}")
    return text


def make_limit(maximum: int, default: int) -> Parameter:
    """Return the parameter for the number of items of a page."""

    def parse(text: str) -> int:
        limit = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not 1 <= limit <= maximum:
            raise ValueError(f"{text[:20]!r} is not a number from 1 to {maximum}")
        return limit

    return Parameter(
        name="limit",
        doc="The number of items.",
        parse=parse,
        schema={"type": "integer", "minimum": 1, "maximum": maximum, "default": default},
        default=default,
    )


def stream_parameters(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Return the parameters of a list for its stream, which has another limit."""
    return with_limit(parameters, STREAM_LIMIT)


def with_limit(parameters: Sequence[Parameter], limit: Parameter) -> tuple[Parameter, ...]:
    """Return the parameters of a list with another limit."""
    return tuple(limit if parameter.name == limit.name else parameter for parameter in parameters)


def _parse_stream_limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MAX_STREAM_DIGITS:
        raise ValueError(f"{text[:20]!r} is not a number; 0 is no limit")
    return int(text)


def _parse_cursor(text: str) -> str:
    if not 0 < len(text) <= MAX_CURSOR_CHARS or not text.isascii():
        raise ValueError("it is not a cursor: pass `next` of the page before")
    return text


def _parse_wait(text: str) -> float:
    try:
        seconds = float(text[:20]) if text.isascii() else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise ValueError(f"{text[:20]!r} is not a number from 0 to {MAX_WAIT_SECONDS:g}")
    return seconds


def _parse_time(text: str) -> float:
    return parse_moment(text[:100], time.time())


def _parse_step(text: str) -> int:
    return int(parse_span(text[:100]))


TIME_DOC: Final = "15m, 1h, 2d (ago), a date, or ISO 8601"

LIMIT: Final = make_limit(MAX_PAGE_ITEMS, DEFAULT_PAGE_ITEMS)
STREAM_LIMIT: Final = Parameter(
    name="limit", doc="The number of items; 0 for all.", parse=_parse_stream_limit, default=0
)
#: Of a list whose items are read with their details.
DETAIL_LIMIT: Final = make_limit(MAX_PAGE_DETAILS, MAX_PAGE_DETAILS)
REJECT_LIMIT: Final = make_limit(MAX_PAGE_REJECTS, MAX_PAGE_REJECTS)
BEFORE: Final = Parameter(
    name="before",
    doc="`next` of the page before, with the same filters; or the id of the last record.",
    parse=_parse_cursor,
)
SOURCE: Final = Parameter(name="source", doc="Only from this source.", parse=_parse_name)
SINCE: Final = Parameter(name="since", doc=f"Only since this time: {TIME_DOC}.", parse=_parse_time)
TREND: Final = Parameter(
    name="name",
    doc=f"The trend: {', '.join(TRENDS)}.",
    allowed=tuple(TRENDS),
    schema={"type": "string", "enum": list(TRENDS)},
    is_required=True,
)
TREND_SINCE: Final = Parameter(
    name="since", doc=f"Since this time: {TIME_DOC}.", parse=_parse_time, is_required=True
)
TREND_LABELS: Final = tuple(
    Parameter(name=name, doc=f"Only of this {name}.", parse=_parse_name) for name in LABELS
)
STEP: Final = Parameter(
    name="step", doc="The time from one point to the next, such as 10m.", parse=_parse_step
)
TREND_PARAMETERS: Final = (TREND, TREND_SINCE, STEP, *TREND_LABELS)
UNTIL: Final = Parameter(name="until", doc=f"Only before this time: {TIME_DOC}.", parse=_parse_time)


def _one_of(name: str, doc: str, allowed: Sequence[str]) -> Parameter:
    schema: dict[str, JSON] = {"type": "string", "enum": list(allowed)}
    return Parameter(name=name, doc=doc, allowed=allowed, schema=schema)


def _flag(name: str, doc: str) -> Parameter:
    return Parameter(
        name=name,
        doc=doc,
        allowed=("true", "false"),
        schema={"type": "boolean"},
        parse=lambda text: text == "true",
    )


SCREEN: Final = _flag(
    "screen", "Also return, as `screen`, the advice that commands print for people."
)
PLACE: Final = Parameter(
    name="at",
    doc="A JSON pointer (RFC 6901) such as `/issue/title`: return the value at this place of the"
    " body, as JSON. The empty pointer is the whole body.",
    parse=parse_pointer,
    schema={"type": "string", "maxLength": MAX_POINTER_CHARS},
)
EXPLAINED_ROUTE: Final = Parameter(name="route", doc="Only this route.", parse=_parse_name)
EXPLAINED_ROUTES: Final = replace(
    _one_of(
        "routes",
        "The current routes (`now`, the default), or those that the event was planned with.",
        (NOW, THEN),
    ),
    default=NOW,
)
UNFINISHED: Final = _flag("unfinished", "Only with items left.")
ACTION: Final = _one_of(
    "action", "Only entries of this action.", [action.value for action in AuditAction]
)
OUTCOME: Final = _one_of(
    "outcome",
    "Only items with this outcome, or those that are not processed yet.",
    (*(outcome.value for outcome in StepOutcome), OPEN_ITEMS),
)


PLATFORM: Final = Parameter(name="platform", doc="Only of this platform.", parse=_parse_name)
FLOW: Final = Parameter(
    name="flow",
    doc="The newest runs of this flow, as its platform lists them: a name under `flows`, or"
    " PLATFORM/FLOW.",
    parse=_parse_name,
)
NAMED_FLOW: Final = replace(
    FLOW, doc="A name under `flows` of routes.yaml, or PLATFORM/FLOW.", is_required=True
)
SUBMISSION_LIMIT: Final = make_limit(MAX_PAGE_SUBMISSIONS, MAX_PAGE_SUBMISSIONS)
ORDER: Final = _one_of(
    "order", "`oldest` first, which only a stream can be, or `newest`.", (NEWEST, OLDEST)
)
AFTER: Final = Parameter(
    name="after", doc="`next` of the answer before; without it only `next` is answered."
)
WAIT: Final = Parameter(
    name="wait",
    doc=f"Seconds to wait for a change, at most {MAX_WAIT_SECONDS:g}.",
    parse=_parse_wait,
    schema={"type": "number", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": 0},
    default=0.0,
)


IN_FLIGHT: Final = _flag(
    "in_flight", "Without `after`: the next answer also has the deliveries that are in flight now."
)


def filter_parameters(*, of_events: bool) -> tuple[Parameter, ...]:
    """Return the filters of a list of events or deliveries, named as those of the commands."""
    statuses = [status.value for status in Status] + ([NONE] if of_events else [])
    filters = [
        SOURCE,
        Parameter(name="route", doc="Only with a delivery through this route.", parse=_parse_name),
        _one_of("status", "Only with a delivery in this status.", statuses),
        _one_of(
            "run",
            "Only with a delivery whose run has this state.",
            [state.value for state in RunState],
        ),
        Parameter(name="type", doc="Only of this type; `*` matches anything.", parse=_parse_name),
        Parameter(
            name="reason",
            doc="Only if the reason or problem contains this text.",
            parse=parse_excerpt,
            reads_contents=True,
        ),
        Parameter(
            name="dead_kind",
            doc="Only with a delivery that died for this kind of reason.",
            parse=parse_dead_kind,
            schema={"type": "string", "enum": list(DEAD_KINDS)},
        ),
        SINCE,
        UNTIL,
        Parameter(
            name="body",
            doc="Only if the raw body contains this text.",
            parse=parse_raw_excerpt,
            reads_contents=True,
        ),
        Parameter(
            name="where",
            doc="Only if the event has this value, as in `body.action=opened`; may be repeated.",
            parse=parse_where,
            schema={"type": "array", "items": {"type": "string"}},
            reads_contents=True,
            max_count=MAX_WHERE_FILTERS,
        ),
    ]
    if of_events:
        filters.append(_flag("spam", "Only marked as spam, or only others."))
    return (*filters, LIMIT, BEFORE)


#: Filters of operations: those of the lists that are no parameters of a page.
OPERATION_FILTERS: Final = tuple(
    parameter
    for parameter in filter_parameters(of_events=True)
    if parameter.name not in ("limit", "before", "spam")
)
