"""The status of a bridge, its sources, routes and platforms as JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final

from bridge.core.advice import Advice
from bridge.core.circuit_state import Circuit
from bridge.core.model import JSON
from bridge.core.status import (
    BackupStatus,
    ClockStep,
    ConfigStatus,
    OverdueWork,
    Overview,
    PlatformStatus,
    RouteQueue,
    RunCounts,
    RunningProcess,
    SourceStatus,
    UnresolvedDeliveries,
    UrlCertificate,
)
from bridge.monitoring.conditions import find_notes
from bridge.monitoring.refused_submissions import find_next_step
from bridge.services.records.advice_records import COMMAND, SENTENCE
from bridge.services.records.json_record import (
    COUNT,
    COUNT_BY_NAME,
    COUNT_OR_NULL,
    FLAG,
    NAME,
    NAME_OR_NULL,
    NAMES,
    NUMBER,
    OBJECT,
    OWN_TEXT,
    OWN_TEXT_OR_NULL,
    OWN_TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    as_written,
    list_of,
    public,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.routing.model import Flow
    from bridge.services.bridge_checks.secret_use import SecretUse

_NUMBER_OR_NULL: Final = NUMBER.or_null()


PROCESS: Final = JsonRecord(
    "",
    RunningProcess,
    Key("pid", COUNT),
    Key("host", NAME),
    Key("role", NAME),
    Key("since", TIME),
    Key("config_hash", NAME_OR_NULL),
)
CONFIG_STATUS: Final[JsonRecord[Any]] = JsonRecord(
    "",
    ConfigStatus,
    Key("hash", NAME_OR_NULL),
    Key("since", TIME_OR_NULL),
    Key("error", OWN_TEXTS),
    Key("error_since", TIME_OR_NULL),
    Key("restart", NAMES),
    Key("file", NAME, is_given=True),
    Key("held", NAME_OR_NULL),
)


def _items_of(pair: JsonRecord[Any]) -> ValueType:
    """Return the type of a mapping that is written as a list of pairs, by name."""
    items = list_of(pair.type)
    return ValueType(
        items.schema,
        lambda values: items.write and items.write(values.items()),
        lambda rows: items.parse and dict(items.parse(rows)),
        lambda values: items.hide and items.hide(values.items()),
    )


#: Submissions of a form that were refused: a pair of the code and the count.
REFUSAL: Final[JsonRecord[tuple[str, int]]] = JsonRecord(
    "",
    lambda code, count: (code, count),
    Key("code", NAME, "code", get=itemgetter(0)),
    Key("within_a_day", COUNT, "count", get=itemgetter(1)),
    Key("what_to_do", SENTENCE.or_null(), get=lambda pair: find_next_step(pair[0])),
)


_SOURCE: Final = (
    Key("name", NAME),
    Key("configured", FLAG, "is_configured"),
    Key("last_event_at", TIME_OR_NULL, "last_at"),
    Key("today", COUNT),
    Key("rejected_today", COUNT),
    Key("files", COUNT),
    Key("files_keep", COUNT_OR_NULL),
    Key("stored_today", COUNT),
    Key("daily_bytes", COUNT_OR_NULL),
    Key("refused", _items_of(REFUSAL)),
    Key("spam", COUNT),
)
SECRET_USE: Final[JsonRecord[SecretUse]] = JsonRecord(
    "", unparsed, Key("not_after", TIME_OR_NULL), Key("last_used_at", TIME_OR_NULL, "used_at")
)
SOURCE_STATUS: Final[JsonRecord[Any]] = JsonRecord("", SourceStatus, *_SOURCE)
SOURCE: Final = JsonRecord(
    "Source",
    SourceStatus,
    *_SOURCE,
    Key("provider", NAME_OR_NULL, is_given=True),
    Key("path", NAME_OR_NULL, is_given=True),
    Key("public", FLAG, "is_public"),
    Key("missing", OWN_TEXT_OR_NULL),
    Key("secret_doubt", OWN_TEXT_OR_NULL),
    Key("secrets", list_of(SECRET_USE.type), is_given=True),
    Key("routes", NAMES, is_given=True),
)
QUEUE: Final = JsonRecord(
    "",
    RouteQueue,
    Key("route", NAME),
    Key("platform", NAME),
    Key("queued", COUNT),
    Key("oldest_id", NAME),
    Key("oldest_created_at", TIME, "oldest_at"),
    Key("due_at", TIME),
    Key("state", NAME),
)
ROUTE_FLOW: Final[JsonRecord[Flow]] = JsonRecord(
    "", unparsed, Key("name", NAME), Key("platform", NAME), Key("saved_item_id", NAME)
)
#: Written from the name of the route; all else is given.
ROUTE: Final[JsonRecord[str]] = JsonRecord(
    "Route",
    unparsed,
    Key("name", NAME, get=str),
    Key("configured", FLAG, is_given=True),
    Key("source", NAME_OR_NULL, is_given=True),
    Key("types", NAMES, is_given=True),
    Key("mode", word_of(str, ("live", "paused", "shadow")).or_null(), is_given=True),
    Key("flows", list_of(ROUTE_FLOW.type), is_given=True),
    Key("queue", list_of(QUEUE.type), is_given=True),
    Key("blocked", COUNT, is_given=True),
    Key("ended_within_a_day", COUNT, is_given=True),
    Key("failed_within_a_day", COUNT, is_given=True),
)
ROUTE_DETAILS: Final = ROUTE.extend(
    "RouteDetails", Key("definition", public(OBJECT).or_null(), is_given=True)
)


def _make_platform(
    *,
    open_until: float | None,
    allowance: int | None,
    full_until: float | None,
    **fields: Any,
) -> PlatformStatus:
    """Return a platform with the parts of its circuit that are shown."""
    circuit = Circuit(
        platform=fields["name"],
        open_until=open_until,
        allowance=allowance,
        raise_at=full_until or 0.0,
    )
    return PlatformStatus(circuit=circuit, **fields)


def _of_circuit(name: str) -> Callable[[PlatformStatus], JSON]:
    return lambda platform: platform.circuit and getattr(platform.circuit, name)


_PLATFORM: Final = (
    Key("name", NAME),
    Key("max_concurrent_runs", COUNT_OR_NULL, "cap"),
    Key("calls", COUNT),
    Key("runs", COUNT),
    Key("circuit", NAME, is_given=True),
    Key("open_until", TIME_OR_NULL, "open_until", get=_of_circuit("open_until")),
    Key("allowance", COUNT_OR_NULL, "allowance", get=_of_circuit("allowance")),
    Key("full_until", TIME_OR_NULL),
)
PLATFORM_STATUS: Final[JsonRecord[Any]] = JsonRecord("", _make_platform, *_PLATFORM)
PLATFORM: Final = JsonRecord(
    "Platform",
    _make_platform,
    *_PLATFORM,
    Key("configured", FLAG, is_given=True),
    Key("type", NAME_OR_NULL, is_given=True),
    Key("base_url", NAME_OR_NULL, is_given=True),
    Key("missing", OWN_TEXT_OR_NULL),
    Key("routes", NAMES, is_given=True),
)


def find_circuit_state(platform: PlatformStatus, at: float) -> str:
    """Return the state of a platform's circuit at a time."""
    return platform.circuit.state(at) if platform.circuit else "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """A condition that needs attention, and the next step (`do`)."""

    what: str
    do: Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStatus:
    """The status of a bridge as a screen shows it.

    `overview` has what the JSON has. `file`: the path of routes.yaml. `store`: the database and its
    version. `python`: the version of Python.
    """

    overview: Overview
    file: str
    store: str
    python: str
    problems: Sequence[ShownProblem]
    notes: Sequence[str]


CONDITION: Final[JsonRecord[Any]] = JsonRecord(
    "Condition",
    lambda *, what, do, **_: ShownProblem(what=what, do=do),
    Key("key", NAME),
    Key("severity", word_of(str, ("warning", "critical"))),
    Key("summary", OWN_TEXT, "what"),
    Key("what_to_do", SENTENCE, "do"),
    Key("advice", list_of(COMMAND.type), get=attrgetter("do.commands")),
)
STUCK: Final = JsonRecord(
    "",
    UnresolvedDeliveries,
    Key("platform", NAME),
    Key("kind", NAME),
    Key("count", COUNT),
    Key("problem", OWN_TEXT),
    Key("what_to_do", SENTENCE.or_null(), "fix"),
    Key("needs_decision", FLAG),
    Key("since", TIME_OR_NULL),
)
OVERDUE: Final = JsonRecord(
    "", OverdueWork, Key("leases", COUNT), Key("looks", COUNT), Key("ahead", COUNT)
)
BACKUP: Final = JsonRecord(
    "",
    BackupStatus,
    Key("folder", NAME),
    Key("every", _NUMBER_OR_NULL),
    Key("last_backup_at", TIME_OR_NULL, "newest_at"),
    Key("tried_since", TIME_OR_NULL),
    Key("error", OWN_TEXT_OR_NULL),
)
CERTIFICATE: Final = JsonRecord(
    "",
    UrlCertificate,
    Key("url", NAME),
    Key("ends_at", TIME_OR_NULL),
    Key("last_checked_at", TIME, "looked_at"),
    Key("refused", OWN_TEXT_OR_NULL),
    Key("unreached", OWN_TEXT_OR_NULL),
)


# -- parts of the overview, each with several of its fields

DEAD: Final[JsonRecord[Any]] = JsonRecord(
    "", dict, Key("total", COUNT, "dead"), Key("within_a_day", COUNT, "dead_today")
)
UNKNOWN: Final[JsonRecord[Any]] = JsonRecord(
    "", dict, Key("total", COUNT, "unknown"), Key("for_a_person", COUNT, "held")
)
DISK: Final[JsonRecord[Any]] = JsonRecord(
    "",
    dict,
    Key("data", NAME),
    Key("free", COUNT_OR_NULL, "disk_free"),
    Key("total", COUNT_OR_NULL, "disk_total"),
)
HOLD_STATUS: Final[JsonRecord[Any]] = JsonRecord(
    "",
    dict,
    Key("since", TIME, "hold_since"),
    Key("reason", OWN_TEXT_OR_NULL, "hold_reason"),
)
#: Written from a report, which has the name and version of the database.
DATABASE: Final[JsonRecord[Any]] = JsonRecord(
    "",
    dict,
    Key("version", NAME, "store"),
    Key("size", COUNT, "database_size", get=attrgetter("overview.database_size")),
    Key(
        "clock_ahead",
        _NUMBER_OR_NULL,
        "database_ahead",
        get=attrgetter("overview.database_ahead"),
    ),
)
#: The runs of a route that ended within a day: a pair of its name and the counts.
ENDED_RUNS: Final[JsonRecord[tuple[str, RunCounts]]] = JsonRecord(
    "",
    lambda route, ended, failed: (route, RunCounts(ended=ended, failed=failed)),
    Key("route", NAME, "route", get=itemgetter(0)),
    Key("ended_within_a_day", COUNT, "ended", get=lambda pair: pair[1].ended),
    Key("failed_within_a_day", COUNT, "failed", get=lambda pair: pair[1].failed),
)
CLOCK_STEP: Final = JsonRecord(
    "",
    ClockStep,
    Key("at", TIME),
    Key("seconds", NUMBER, "seconds", get=lambda step: round(step.seconds, 3)),
)


def _sort_runs(report: Any) -> dict[str, RunCounts]:
    return dict(sorted(report.overview.runs_ended.items()))


def _find_hold(report: Any) -> Overview | None:
    return None if report.overview.hold_since is None else report.overview


def _write_config(report: Any) -> JSON:
    return CONFIG_STATUS.write(report.overview.config, file=report.file)


def _write_platforms(report: Any) -> JSON:
    now = report.overview
    return [
        PLATFORM_STATUS.write(platform, circuit=find_circuit_state(platform, now.at))
        for platform in now.platforms
    ]


def _make_status(**fields: Any) -> ShownStatus:
    """Return the status from the parsed values of its keys; a part has several fields."""
    for part in PARTS:
        fields |= fields.pop(part) or {}
    own = {name: fields.pop(name) for name in ("file", "store", "python", "problems", "notes")}
    overview = Overview(running_versions=(), is_shared=False, **_NO_HOLD | fields)
    return ShownStatus(overview=overview, **own)


def _of_overview(name: str, kind: ValueType, field: str = "") -> Key:
    return Key(name, kind, field or name, get=attrgetter(f"overview.{field or name}"))


PARTS: Final = ("database", "dead_counts", "unknown_counts", "hold", "disk")
_NO_HOLD: Final = {"hold_since": None, "hold_reason": None}
_OVERVIEW: Final = attrgetter("overview")
#: Written from a `StatusReport`, whose overview is without contents if they may not be seen.
STATUS: Final[JsonRecord[Any]] = JsonRecord(
    "Status",
    _make_status,
    Key("ok", FLAG, get=lambda report: not report.found),
    Key("problems", list_of(CONDITION.type), "problems", get=attrgetter("found")),
    Key("notes", OWN_TEXTS, "notes", get=lambda report: find_notes(report.overview)),
    _of_overview("at", TIME),
    _of_overview("version", NAME),
    Key("python", NAME),
    Key("database", DATABASE.type, "database", get=lambda report: report),
    Key("config", as_written(CONFIG_STATUS.type), "config", get=_write_config),
    _of_overview("processes", list_of(PROCESS.type)),
    _of_overview("sources", list_of(SOURCE_STATUS.type)),
    _of_overview("today_cut", FLAG),
    _of_overview("queue", list_of(QUEUE.type)),
    _of_overview("blocked", public(COUNT_BY_NAME)),
    Key(
        "platforms",
        as_written(list_of(PLATFORM_STATUS.type)),
        "platforms",
        get=_write_platforms,
    ),
    Key("runs", _items_of(ENDED_RUNS), "runs_ended", get=_sort_runs),
    Key("dead", DEAD.type, "dead_counts", get=_OVERVIEW),
    Key("unknown", UNKNOWN.type, "unknown_counts", get=_OVERVIEW),
    _of_overview("stuck", list_of(STUCK.type)),
    _of_overview("overdue", OVERDUE.type),
    Key("hold", HOLD_STATUS.type.or_null(), "hold", get=_find_hold),
    _of_overview("counted_to", COUNT),
    _of_overview("clock_step", CLOCK_STEP.type.or_null()),
    Key("disk", DISK.type, "disk", get=_OVERVIEW),
    _of_overview("backup", BACKUP.type.or_null(), "backups"),
    _of_overview("certificate", CERTIFICATE.type.or_null()),
    parse_rest=lambda shape: {"file": shape["config"]["file"]},
)
