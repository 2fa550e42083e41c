"""The status of a bridge, its sources, routes and platforms as JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from bridge.core.advice import Advice
from bridge.core.circuit_state import Circuit
from bridge.core.model import JSON
from bridge.core.status import (
    BackupStatus,
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
from bridge.core.times import iso
from bridge.monitoring.conditions import find_notes
from bridge.monitoring.refused_submissions import find_next_step
from bridge.services.records import json_schema
from bridge.services.records.advice_records import SENTENCE
from bridge.services.records.json_record import (
    ANY,
    COUNT,
    COUNT_BY_NAME,
    FLAG,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    Shape,
    ValueType,
    list_of,
    parse_time,
    unparsed,
    word_of,
)

_NUMBER_OR_NULL: Final = ValueType(json_schema.nullable(json_schema.NUMBER))
_COUNT_OR_NULL: Final = COUNT.or_null()


PROCESS: Final = JsonRecord(
    "",
    RunningProcess,
    Key("pid", COUNT),
    Key("host", TEXT),
    Key("role", TEXT),
    Key("since", TIME),
    Key("config_hash", TEXT_OR_NULL),
)
CONFIG_STATUS: Final[JsonRecord[Any]] = JsonRecord(
    "",
    ConfigStatus,
    Key("hash", TEXT_OR_NULL),
    Key("since", TIME_OR_NULL),
    Key("error", TEXTS),
    Key("error_since", TIME_OR_NULL),
    Key("restart", TEXTS),
    Key("file", TEXT, is_given=True),
    Key("held", TEXT_OR_NULL),
)
_REFUSALS: Final = ValueType(
    json_schema.list_of(
        json_schema.record(code=TEXT.schema, within_a_day=COUNT.schema, do=TEXT_OR_NULL.schema)
    ),
    lambda refused: [
        {"code": code, "within_a_day": count, "do": find_next_step(code).sentence}
        for code, count in refused.items()
    ],
    lambda rows: {row["code"]: row["within_a_day"] for row in rows},
)
_SOURCE: Final = (
    Key("name", TEXT),
    Key("configured", FLAG, "is_configured"),
    Key("last_event_at", TIME_OR_NULL, "last_at"),
    Key("today", COUNT),
    Key("rejected_today", COUNT),
    Key("files", COUNT),
    Key("files_keep", _COUNT_OR_NULL),
    Key("stored_today", COUNT),
    Key("daily_bytes", _COUNT_OR_NULL),
    Key("refused", _REFUSALS),
    Key("spam", COUNT),
)
SOURCE_STATUS: Final[JsonRecord[Any]] = JsonRecord("", SourceStatus, *_SOURCE)
SOURCE: Final = JsonRecord(
    "Source",
    SourceStatus,
    *_SOURCE,
    Key("provider", TEXT_OR_NULL, is_given=True),
    Key("path", TEXT_OR_NULL, is_given=True),
    Key("public", FLAG, "is_public"),
    Key("missing", TEXT_OR_NULL),
    Key("secret_doubt", TEXT_OR_NULL),
    Key(
        "secrets",
        list_of(
            ValueType(
                json_schema.record(not_after=TIME_OR_NULL.schema, used_at=TIME_OR_NULL.schema),
                lambda use: {"not_after": iso(use.not_after), "used_at": iso(use.used_at)},
            )
        ),
        is_given=True,
    ),
    Key("routes", TEXTS, is_given=True),
)
QUEUE: Final = JsonRecord(
    "",
    RouteQueue,
    Key("route", TEXT),
    Key("platform", TEXT),
    Key("queued", COUNT),
    Key("oldest_id", TEXT),
    Key("oldest_created_at", TIME, "oldest_at"),
    Key("due_at", TIME),
    Key("state", TEXT),
)
_FLOW: Final = ValueType(
    json_schema.record(name=TEXT.schema, platform=TEXT.schema, saved_item_id=TEXT.schema),
    lambda flow: {
        "name": flow.name,
        "platform": flow.platform,
        "saved_item_id": flow.saved_item_id,
    },
)
#: Written from the name of the route; all else is given.
ROUTE: Final[JsonRecord[str]] = JsonRecord(
    "Route",
    unparsed,
    Key("name", TEXT, get=str),
    Key("configured", FLAG, is_given=True),
    Key("source", TEXT_OR_NULL, is_given=True),
    Key("types", TEXTS, is_given=True),
    Key("mode", word_of(str, ("live", "paused", "shadow")).or_null(), is_given=True),
    Key("flows", list_of(_FLOW), is_given=True),
    Key("queue", list_of(QUEUE.type), is_given=True),
    Key("blocked", COUNT, is_given=True),
    Key("ended_within_a_day", COUNT, is_given=True),
    Key("failed_within_a_day", COUNT, is_given=True),
)
ROUTE_DETAILS: Final = ROUTE.extend(
    "RouteDetails", Key("definition", OBJECT.or_null(), is_given=True)
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
    Key("name", TEXT),
    Key("max_concurrent_runs", _COUNT_OR_NULL, "cap"),
    Key("calls", COUNT),
    Key("runs", COUNT),
    Key("circuit", TEXT, is_given=True),
    Key("open_until", TIME_OR_NULL, "open_until", get=_of_circuit("open_until")),
    Key("allowance", _COUNT_OR_NULL, "allowance", get=_of_circuit("allowance")),
    Key("full_until", TIME_OR_NULL),
)
PLATFORM_STATUS: Final[JsonRecord[Any]] = JsonRecord("", _make_platform, *_PLATFORM)
PLATFORM: Final = JsonRecord(
    "Platform",
    _make_platform,
    *_PLATFORM,
    Key("configured", FLAG, is_given=True),
    Key("type", TEXT_OR_NULL, is_given=True),
    Key("base_url", TEXT_OR_NULL, is_given=True),
    Key("missing", TEXT_OR_NULL),
    Key("routes", TEXTS, is_given=True),
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
    Key("key", TEXT),
    Key("severity", word_of(str, ("warning", "critical"))),
    Key("what", TEXT),
    Key("do", SENTENCE),
)
STUCK: Final = JsonRecord(
    "",
    UnresolvedDeliveries,
    Key("platform", TEXT),
    Key("kind", TEXT),
    Key("count", COUNT),
    Key("problem", TEXT),
    Key("fix", SENTENCE.or_null()),
    Key("needs_decision", FLAG),
    Key("since", TIME_OR_NULL),
)
OVERDUE: Final = JsonRecord(
    "", OverdueWork, Key("leases", COUNT), Key("looks", COUNT), Key("ahead", COUNT)
)
BACKUP: Final = JsonRecord(
    "",
    BackupStatus,
    Key("folder", TEXT),
    Key("every", _NUMBER_OR_NULL),
    Key("newest_at", TIME_OR_NULL),
    Key("tried_since", TIME_OR_NULL),
    Key("error", TEXT_OR_NULL),
)
CERTIFICATE: Final = JsonRecord(
    "",
    UrlCertificate,
    Key("url", TEXT),
    Key("ends_at", TIME_OR_NULL),
    Key("looked_at", TIME),
    Key("refused", TEXT_OR_NULL),
    Key("unreached", TEXT_OR_NULL),
)


def _group(**fields: str) -> ValueType:
    """Return the type of an object of values of the overview; `fields`: where each key has it."""
    get = {name: attrgetter(field) for name, field in fields.items()}
    return ValueType(
        json_schema.record(**dict.fromkeys(fields, COUNT.schema)),
        lambda now: {name: read(now) for name, read in get.items()},
        lambda shape: {field: shape[name] for name, field in fields.items()},
    )


def _write_hold(now: Overview) -> JSON:
    if now.hold_since is None:
        return None
    return {"since": iso(now.hold_since), "reason": now.hold_reason}


def _parse_hold(shape: Shape | None) -> dict[str, Any]:
    hold = shape or {"since": None, "reason": None}
    return {"hold_since": parse_time(hold["since"]), "hold_reason": hold["reason"]}


def _write_runs(now: Overview) -> JSON:
    return [
        {"route": route, "ended_within_a_day": runs.ended, "failed_within_a_day": runs.failed}
        for route, runs in sorted(now.runs_ended.items())
    ]


def _parse_runs(rows: Sequence[Shape]) -> dict[str, Any]:
    counts = {
        row["route"]: RunCounts(ended=row["ended_within_a_day"], failed=row["failed_within_a_day"])
        for row in rows
    }
    return {"runs_ended": counts}


def _write_database(report: Any) -> JSON:
    now = report.overview
    return {
        "version": report.store,
        "size": now.database_size,
        "clock_ahead": now.database_ahead,
    }


def _parse_database(shape: Shape) -> dict[str, Any]:
    return {
        "store": shape["version"],
        "database_size": shape["size"],
        "database_ahead": shape["clock_ahead"],
    }


def _write_clock_step(report: Any) -> JSON:
    step = report.overview.clock_step
    return None if step is None else {"at": iso(step.at), "seconds": round(step.seconds, 3)}


def _write_config(report: Any) -> JSON:
    return CONFIG_STATUS.write(report.overview.config, file=report.file)


def _write_platforms(report: Any) -> JSON:
    now = report.overview
    return [
        PLATFORM_STATUS.write(platform, circuit=find_circuit_state(platform, now.at))
        for platform in now.platforms
    ]


def _make_status(**fields: Any) -> ShownStatus:
    """Return the status from the parsed values of its keys; a group has several fields."""
    for group in GROUPS:
        fields |= fields.pop(group)
    own = {name: fields.pop(name) for name in ("file", "store", "python", "problems", "notes")}
    return ShownStatus(overview=Overview(running_versions=(), is_shared=False, **fields), **own)


def _of_overview(name: str, kind: ValueType, field: str = "") -> Key:
    return Key(name, kind, field or name, get=attrgetter(f"overview.{field or name}"))


#: Fields that the parsed value of a key stands for.
GROUPS: Final = ("database", "runs", "dead_counts", "unknown_counts", "hold", "disk")
_OVERVIEW: Final = attrgetter("overview")
_CONFIG: Final = ValueType(json_schema.OBJECT, None, CONFIG_STATUS.parse)
#: Written from a `StatusReport`.
STATUS: Final[JsonRecord[Any]] = JsonRecord(
    "Status",
    _make_status,
    Key("ok", FLAG, get=lambda report: not report.found),
    Key("problems", list_of(CONDITION.type), "problems", get=attrgetter("found")),
    Key("notes", TEXTS, "notes", get=lambda report: find_notes(report.overview)),
    _of_overview("at", TIME),
    _of_overview("version", TEXT),
    Key("python", TEXT),
    Key(
        "database",
        ValueType(json_schema.OBJECT, None, _parse_database),
        "database",
        get=_write_database,
    ),
    Key("config", _CONFIG, "config", get=_write_config),
    _of_overview("processes", list_of(PROCESS.type)),
    _of_overview("sources", list_of(SOURCE_STATUS.type)),
    _of_overview("today_cut", FLAG),
    _of_overview("queue", list_of(QUEUE.type)),
    _of_overview("blocked", COUNT_BY_NAME),
    Key(
        "platforms",
        ValueType(json_schema.OBJECT, None, list_of(PLATFORM_STATUS.type).parse),
        "platforms",
        get=_write_platforms,
    ),
    Key("runs", ValueType(json_schema.OBJECT, _write_runs, _parse_runs), "runs", get=_OVERVIEW),
    Key("dead", _group(total="dead", within_a_day="dead_today"), "dead_counts", get=_OVERVIEW),
    Key("unknown", _group(total="unknown", for_a_person="held"), "unknown_counts", get=_OVERVIEW),
    _of_overview("stuck", list_of(STUCK.type)),
    _of_overview("overdue", OVERDUE.type),
    Key("hold", ValueType(json_schema.OBJECT, _write_hold, _parse_hold), "hold", get=_OVERVIEW),
    _of_overview("counted_to", COUNT),
    Key("clock_step", ANY, get=_write_clock_step),
    Key("disk", _group(data="data", free="disk_free", total="disk_total"), "disk", get=_OVERVIEW),
    _of_overview("backup", BACKUP.type.or_null(), "backups"),
    _of_overview("certificate", CERTIFICATE.type.or_null()),
    parse_rest=lambda shape: {"file": shape["config"]["file"]},
)
