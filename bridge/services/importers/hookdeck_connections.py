"""Turn connections of Hookdeck, and bare filters, into sources and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.services.importers.document_reader import read_document
from bridge.services.importers.filter_spots import FILTER_PARTS
from bridge.services.importers.filtered_routes import MAX_RETRIES, FilteredRoute, read_count
from bridge.services.importers.hookdeck_filters import (
    has_keys,
    read_hookdeck_filter,
    read_hookdeck_key,
)
from bridge.services.importers.hookdeck_sources import read_hookdeck_source
from bridge.services.importers.model import FindingLog, ImportResult
from bridge.services.importers.payload_shapes import PayloadShapes, find_shapes
from bridge.services.importers.verified_sources import FileSources, report_unused

MAX_CONNECTIONS: Final = 500
MAX_RULES: Final = 50  # of one connection
MAX_CONCURRENT: Final = 10_000  # runs of a route
MAX_DURATION_MS: Final = 7 * 86_400_000  # Hookdeck retries for at most a week
RULE_TYPES: Final = ("filter", "retry", "delay", "transform", "deduplicate")
_CONNECTION_KEYS: Final = frozenset({"source", "destination", "rules", "source_id"})
_META: Final = frozenset({"id", "team_id", "full_name", "description", "created_at", "updated_at"})
_READ: Final = frozenset(
    {"name", "source", "destination", "rules", "disabled_at", "paused_at", "source_id"}
)
_UNITS: Final = (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_PERIODS: Final = {"second": "s", "minute": "min", "hour": "h"}
_DESTINATION_META: Final = _META | {"url", "cli_path"}


def import_connections(name: str, text: str, result: ImportResult) -> None:
    """Add the connections of a file to `result`.

    The file may also have rules, or one filter of a body. Raises `InvalidRequest` if it has nothing
    of these.
    """
    document = read_document(name, text)
    found, place = _find_connections(document)
    if not found:
        raise InvalidRequest(
            f"{name}: a file of Hookdeck has connections, as its API lists them, rules, or a filter"
        )
    if len(found) > MAX_CONNECTIONS:
        raise InvalidRequest(f"{name}: more than {MAX_CONNECTIONS} connections")
    if isinstance(document, dict) and place == "models":
        rest = {key: value for key, value in document.items() if key != "models"}
        if rest:
            FindingLog(result, name, "answer").carry(f"only the API uses {', '.join(rest)}"[:200])
    sources = FileSources(result, "id", read_hookdeck_source)
    for number, keys in enumerate(found):
        log = FindingLog(result, name, place if place == "filter" else f"{place}[{number}]")
        if isinstance(keys, dict):
            _Connection(result, keys, log, sources).convert()
        else:
            log.refuse("a connection must be an object")


def _find_connections(document: JSON) -> tuple[list[Any], str]:
    """Return the connections, and how the report names their place."""
    if isinstance(document, list):
        is_rules = any(isinstance(one, dict) and one.get("type") in RULE_TYPES for one in document)
        return ([{"rules": document}], "filter") if is_rules else (document, "connections")
    if not isinstance(document, dict) or not document:
        return [], ""
    listed = document.get("models")
    if isinstance(listed, list):
        return listed, "models"
    if _CONNECTION_KEYS & document.keys():
        return [document], "connections"
    return [{"rules": [_find_rule(document)]}], "filter"


def _find_rule(document: dict[str, Any]) -> dict[str, Any]:
    """Return the rule of a file. It has a rule, the parts of a filter, or the filter of a body."""
    if document.get("type") in RULE_TYPES:
        return document
    is_parts = document.keys() <= set(FILTER_PARTS)
    return {"type": "filter", **(document if is_parts else {"body": document})}


@dataclass(slots=True)
class _Connection:
    """Converts one connection."""

    result: ImportResult
    keys: dict[str, Any]
    log: FindingLog
    sources: FileSources
    transforms: list[int] = field(default_factory=list)

    def convert(self) -> None:
        name = self.keys.get("name")
        name = name if isinstance(name, str) and name else ""
        source = self.sources.find(self.keys.get("source"), name or "hookdeck", self._source_log)
        route = FilteredRoute.begin(self.result, name, source, self.log)
        self._read_rules(route, find_shapes(source.provider))
        for key in ("disabled_at", "paused_at"):
            if self.keys.get(key):
                route.is_stopped = True
                self.log.at(key).doubt("it is off there, so the route is paused")
        destination = self.keys.get("destination")
        destination = destination if isinstance(destination, dict) else {}
        at = self.log.at("destination")
        self._read_destination(destination, route, at)
        report_unused(self.keys, self.log, meta=_META, read=_READ, by="Hookdeck")
        work = destination.get("name")
        route.add(
            at,
            "set its platform and saved_item_id to the flow that does the work of the "
            + (
                f"destination {work[:60]}; for a URL, use a platform of `type: http`"
                if isinstance(work, str)
                else "connection's destination"
            ),
        )

    @property
    def _source_log(self) -> FindingLog:
        return self.log.at("source")

    # -- rules

    def _read_rules(self, route: FilteredRoute, shapes: PayloadShapes) -> None:
        rules = self.keys.get("rules")
        rules = rules if isinstance(rules, list) else []
        if len(rules) > MAX_RULES:
            raise InvalidRequest(f"{self.log.file}: more than {MAX_RULES} rules of a connection")
        is_changed = False
        for number, rule in enumerate(rules):
            at = self.log.at("rules", number)
            kind = rule.get("type") if isinstance(rule, dict) else None
            if kind == "filter" and is_changed:
                route.refuse(at, "the filter reads the payload that a transformation has made")
            elif kind == "filter":
                _read_filter(rule, route, at, shapes)
            elif kind in ("transform", "transformation"):
                is_changed = True
                route.refuse(
                    at,
                    "a transformation is JavaScript, which is not carried: write what it makes as"
                    " `inputs`, and what it drops as `match`",
                )
            elif isinstance(rule, dict) and str(kind) in _RULES:
                _RULES[str(kind)](rule, route, at)
            else:
                route.refuse(at, f"Hookdeck has no rule type {str(kind)[:40]!r}")

    def _read_destination(
        self, destination: Mapping[str, Any], route: FilteredRoute, log: FindingLog
    ) -> None:
        config = destination.get("config")
        config = config if isinstance(config, dict) else dict(destination)  # older APIs
        limit, period = read_count(config.get("rate_limit")), config.get("rate_limit_period")
        at = log.at("rate_limit")
        if limit is not None and str(period) in _PERIODS:
            route.keys["rate"] = f"{limit}/{_PERIODS[str(period)]}"
            at.carry(f"the rate of the route: {route.keys['rate']}")
        elif limit is not None and period == "concurrent" and limit <= MAX_CONCURRENT:
            route.keys["max_concurrent_runs"] = limit
            at.carry("the concurrent runs of the route")
        elif config.get("rate_limit"):
            at.refuse("this limit has no counterpart")
        if config.get("auth") or config.get("auth_type") or config.get("auth_method"):
            log.at("auth").refuse(
                "the credentials or the signature of the destination: a platform has its own"
            )


def _read_filter(
    rule: Mapping[str, Any], route: FilteredRoute, log: FindingLog, shapes: PayloadShapes
) -> None:
    if not any(rule.get(key) is not None for key in FILTER_PARTS):
        log.carry("an empty filter: every event")
    for key, schema in rule.items():
        at = log.at(key)
        if key == "type" or (schema is None and key in FILTER_PARTS):
            continue
        if key not in FILTER_PARTS:
            route.refuse(at, "a filter has headers, body, query and path only")
        elif key == "path":
            route.refuse(at, "the path is that of the source, /hooks/NAME; use one source for each")
        else:
            _read_part(key, schema, route, at, shapes)


def _read_part(
    root: str, schema: JSON, route: FilteredRoute, log: FindingLog, shapes: PayloadShapes
) -> None:
    """Read the filter of a part, each key by itself: one may have no counterpart."""
    if isinstance(schema, str) and schema.lstrip()[:1] == "{":
        schema = _read_text(log, schema)
    if not has_keys(schema):
        route.read(log, partial(read_hookdeck_filter, root, schema, log, shapes))
        return
    if not schema:
        log.carry("an empty filter: every event")
    for key, one in schema.items():
        route.read(log.at(key), partial(read_hookdeck_key, root, key, one, log, shapes))


def _read_text(log: FindingLog, text: str) -> JSON:
    """Return a text that holds a filter as JSON as the filter, another text as it is."""
    try:
        found = read_document(log.file, text)
    except InvalidRequest:
        return text
    log.doubt("a text that holds JSON: read as the filter")
    return found


def _read_retry(rule: Mapping[str, Any], route: FilteredRoute, log: FindingLog) -> None:
    count, interval = read_count(rule.get("count")), read_count(rule.get("interval"))
    retry: dict[str, Any] = {}
    if count is not None:
        retry["attempts"] = min(count, MAX_RETRIES) + 1
    if interval is not None:
        doublings = 0 if rule.get("strategy") == "linear" else min(count or 1, 40) - 1
        retry["first"] = _write_duration(interval)
        retry["max"] = _write_duration(interval * 2**doublings)
    if retry:
        route.keys["retry"] = retry
        log.doubt("the retry of the route; the answer of the platform decides what is retried")
    else:
        log.refuse("it has no count and no interval, so the route has the default")
    if rule.get("response_status_codes"):
        log.at("response_status_codes").refuse("the answer of the platform decides")


def _read_delay(rule: Mapping[str, Any], route: FilteredRoute, log: FindingLog) -> None:
    delay = read_count(rule.get("delay"))
    if delay is None:
        log.refuse("a delay needs a number of milliseconds")
        return
    route.keys["delay"] = _write_duration(delay)
    log.carry(f"the delay of the route: {route.keys['delay']}")


def _read_deduplicate(_: Mapping[str, Any], route: FilteredRoute, log: FindingLog) -> None:
    route.refuse(
        log,
        "duplicates are those of a source, by the sender's id or the body: set `dedup`, `event_id`"
        " and `dedup_for` of the source",
    )


_RULES: Final[Mapping[str, Callable[[Mapping[str, Any], FilteredRoute, FindingLog], None]]] = {
    "retry": _read_retry,
    "delay": _read_delay,
    "deduplicate": _read_deduplicate,
}


def _write_duration(milliseconds: int) -> str:
    most = min(milliseconds, MAX_DURATION_MS)
    unit, size = next((unit, size) for unit, size in _UNITS if most % size == 0)
    return f"{most // size}{unit}"
