"""Turn subscriptions and sources of Convoy into sources and routes.

A filter's meaning is that of Convoy's pkg/flatten and pkg/compare. Payload and filter are flattened
to dotted keys; `$` in a key is any index of a list. A plain value also passes where the value is a
list that contains it. Convoy leaves out a clause whose key the payload does not have, if another
clause passes; here, every clause must pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.importers.convoy_sources import read_convoy_source
from bridge.importers.document_reader import read_document
from bridge.importers.filter_operators import CONVOY_OPERATORS, equals
from bridge.importers.filter_places import FilterPlace, find_in_list
from bridge.importers.filter_spots import FILTER_PARTS, FilterSpot
from bridge.importers.filtered_routes import MAX_RETRIES, FilteredRoute, read_count
from bridge.importers.hook_references import NotCarried
from bridge.importers.model import FindingLog, ImportResult
from bridge.importers.payload_shapes import PayloadShapes, find_shapes
from bridge.importers.rule_clauses import TRUE, Condition, both, either
from bridge.importers.verified_sources import FileSources, ImportedSource, report_unused

MAX_WILDCARDS: Final = 3  # in one key, as Convoy allows
MAX_FILTER_CLAUSES: Final = 400
WILDCARD: Final = "$"


def read_convoy_filter(
    root: str, schema: JSON, log: FindingLog, shapes: PayloadShapes, *, is_part: bool = False
) -> Condition:
    """Return the condition that a part of the request passes a filter. Raises `NotCarried` if a
    part of the filter cannot be carried.

    `root`: body, headers or query. `is_part`: the filter has other clauses, read by themselves.
    """
    if not isinstance(schema, dict):
        raise NotCarried("a filter of Convoy is an object")
    spot = FilterSpot((root,), FilterPlace((root,)), log, shapes)
    return _test_all(spot, schema, is_part=is_part)


def _test_all(spot: FilterSpot, schema: Mapping[str, Any], *, is_part: bool = False) -> Condition:
    """Return the condition that all clauses of a filter pass."""
    parts: list[Condition] = []
    for key in ("$or", "$and"):
        if key in schema:
            parts.append(_join_filters(spot.at(key), key, schema[key]))
    clauses = _flatten({key: schema[key] for key in schema if key not in ("$or", "$and")}, "")
    if len(clauses) > MAX_FILTER_CLAUSES:
        raise NotCarried(f"a filter of more than {MAX_FILTER_CLAUSES} clauses")
    if len({path for path, _ in clauses}) < len(clauses):
        raise NotCarried("a key is there twice, and Convoy reads only one of the two")
    is_lone = len(clauses) + len(parts) == 1 and not is_part
    for path, test in clauses:
        if is_lone and test == {"$exist": False}:
            raise NotCarried("Convoy never matches `$exist: false` that stands alone")
        parts.append(_test_path(spot, path, test))
    if len(parts) > 1:
        spot.log.doubt(
            "Convoy leaves out a clause whose key is missing if another one passes; here every"
            " clause must pass"
        )
    return both(parts)


def _join_filters(spot: FilterSpot, key: str, value: JSON) -> Condition:
    if not isinstance(value, list) or not all(isinstance(clause, dict) for clause in value):
        raise NotCarried(f"`{key}` needs a list of filters")
    if len(value) > MAX_FILTER_CLAUSES:
        raise NotCarried(f"a list of more than {MAX_FILTER_CLAUSES} filters")
    conditions = [_test_all(spot.at(number), clause) for number, clause in enumerate(value)]
    return either(conditions) if key == "$or" else both(conditions)


def _flatten(value: JSON, path: str) -> list[tuple[str, JSON]]:
    """Return the clauses of a filter by dotted path: a value, or an object of operators."""
    if isinstance(value, list) and any(isinstance(element, dict) for element in value):
        pairs = [
            (str(number), element)
            for number, element in enumerate(value)
            if isinstance(element, dict)
        ]
    elif isinstance(value, dict) and not _is_operators(value) and (value or not path):
        pairs = list(value.items())
    else:
        return [(path, value)]
    clauses: list[tuple[str, JSON]] = []
    for key, inner in pairs:
        if key.startswith("$") and not key.startswith("$."):
            raise NotCarried(
                f"`{key[:20]}` is no operator that Convoy reads at {path or 'the top'}"
            )
        clauses += _flatten(inner, f"{path}.{key}" if path else key)
    return clauses


def _is_operators(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(key in CONVOY_OPERATORS for key in value)


def _test_path(spot: FilterSpot, path: str, test: JSON) -> Condition:
    """Return the condition that the values at a path pass; `$` in it is any element of a list."""
    parts = path.split(".")
    if "" in parts or any(WILDCARD in part and part != WILDCARD for part in parts):
        raise NotCarried(f"the key {path[:60]!r} has no counterpart")
    if parts[-1] == WILDCARD or parts.count(WILDCARD) > MAX_WILDCARDS:
        raise NotCarried(f"Convoy refuses `$` at the end of a key, and more than {MAX_WILDCARDS}")
    if WILDCARD in parts and spot.path[0] != "body":
        raise NotCarried("Convoy never matches `$` outside of the body")
    return _follow(spot, parts, test)


def _follow(spot: FilterSpot, parts: list[str], test: JSON) -> Condition:
    for number, part in enumerate(parts):
        if part == WILDCARD:
            if test == {"$exist": False}:
                raise NotCarried("Convoy never matches `$exist: false` inside of a list")
            inner = _follow(spot.element().at(part), parts[number + 1 :], test)
            return find_in_list(spot.place, inner)
        spot = spot.below(part)
    return _test_value(spot, test)


def _test_value(spot: FilterSpot, test: JSON) -> Condition:
    if isinstance(test, dict):
        if not test:
            raise NotCarried("an empty object tests nothing")
        return both(
            [_test_operator(spot.at(name), name, operand) for name, operand in test.items()]
        )
    if test is None or isinstance(test, list):
        raise NotCarried("Convoy never matches a plain null or list; `$in` and `$eq` do")
    spot.check_secret(test)
    spot.log.carry(f"a clause on {spot.name}")
    return spot.test_each(lambda inner: equals(inner.place, _as_text(spot, test)))


def _test_operator(spot: FilterSpot, name: str, value: JSON) -> Condition:
    if spot.is_text and name in ("$gt", "$gte", "$lt", "$lte"):
        raise NotCarried("a header or query parameter is a text, and it is ordered as a number")
    spot.check_secret(value)
    row = CONVOY_OPERATORS[name]
    condition = row.make(spot.place, _as_text(spot, value))
    doubt = row.doubt(value)
    if doubt is None:
        spot.log.carry(f"a clause on {spot.name}")
    else:
        spot.log.doubt(f"a clause on {spot.name}: {doubt}")
    return condition


def _as_text(spot: FilterSpot, value: JSON) -> JSON:
    """Return a value as a header or query parameter has it: Convoy reads 5 and "5" as equal."""
    if spot.is_text and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


MAX_SUBSCRIPTIONS: Final = 500
_TYPE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./:-]{0,200}")
_META: Final = frozenset(
    (
        "uid",
        "project_id",
        "created_at",
        "updated_at",
        "deleted_at",
        "alert_config",
        "delivery_mode",
        "app_id",
        "endpoint_id",
        "endpoint",
        "type",
        "device_metadata",
    )
)
_READ: Final = frozenset(
    (
        "name",
        "source_id",
        "source_metadata",
        "endpoint_metadata",
        "filter_config",
        "retry_config",
        "rate_limit_config",
        "function",
    )
)
_SOURCE_MARKS: Final = frozenset({"verifier", "event_type_location", "mask_id"})


def import_subscriptions(name: str, text: str, result: ImportResult) -> None:
    """Add the subscriptions and sources of a file to `result`.

    The file may also have one filter alone. Raises `InvalidRequest` if it has nothing of these.
    """
    document = read_document(name, text)
    entries = _find_entries(document)
    if not entries:
        raise InvalidRequest(
            f"{name}: a file of Convoy has subscriptions or sources, as its API gives them, or a"
            " filter"
        )
    if len(entries) > MAX_SUBSCRIPTIONS:
        raise InvalidRequest(f"{name}: more than {MAX_SUBSCRIPTIONS} subscriptions")
    sources = FileSources(result, "uid", read_convoy_source)
    alone: list[tuple[ImportedSource, FindingLog]] = []
    subscriptions: list[_Subscription] = []
    for number, keys in enumerate(entries):
        log = FindingLog(result, name, f"content[{number}]")
        if not isinstance(keys, dict):
            log.refuse("a subscription must be an object")
        elif _SOURCE_MARKS & keys.keys() and "filter_config" not in keys:
            alone.append((sources.find(keys, "convoy", log), log))
        else:
            subscriptions.append(_Subscription(result, keys, log, sources))
    for subscription in subscriptions:  # after the sources, which they name
        subscription.convert()
    used = {str(route["on"]).partition(" ")[0] for route in result.routes}
    for source, log in alone:
        if source.name not in used:
            log.doubt(f"no subscription in this file has the source {source.name}: add routes")


def _find_entries(document: JSON) -> list[Any]:
    """Return the subscriptions and sources of an answer of the API, or of a file without it."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict) or not document:
        return []
    data = document.get("data")
    if isinstance(data, dict | list) and {"status", "message"} & document.keys():
        return _find_entries(data)
    content = document.get("content")
    return content if isinstance(content, list) else [_find_entry(document)]


def _find_entry(document: dict[str, Any]) -> dict[str, Any]:
    """Return the subscription or source of a file; a filter alone becomes a subscription."""
    if "filter_config" in document or _SOURCE_MARKS & document.keys():
        return document
    if "filter" in document and document.keys() <= {"filter", "event_types"}:
        return {"filter_config": document}
    is_parts = document.keys() <= {*FILTER_PARTS, "is_flattened"}
    return {"filter_config": {"filter": document if is_parts else {"body": document}}}


@dataclass(slots=True)
class _Subscription:
    """Converts one subscription."""

    result: ImportResult
    keys: dict[str, Any]
    log: FindingLog
    sources: FileSources

    def convert(self) -> None:
        name = self.keys.get("name")
        name = name if isinstance(name, str) and name else ""
        source_id = self.keys.get("source_id")
        source = self.sources.find(
            self.keys.get("source_metadata"),
            name or "convoy",
            self.log.at("source_metadata"),
            source_id if isinstance(source_id, str) else "",
        )
        route = FilteredRoute.begin(self.result, name, source, self.log)
        config = self.keys.get("filter_config")
        config = config if isinstance(config, dict) else {}
        at = self.log.at("filter_config")
        self._read_types(config.get("event_types"), source, route, at.at("event_types"))
        self._read_filter(
            config.get("filter"), route, at.at("filter"), find_shapes(source.provider)
        )
        self._read_delivery(route)
        if self.keys.get("function"):
            route.refuse(
                self.log.at("function"),
                "a function is JavaScript, which is not carried: write what it makes as `inputs`",
            )
        report_unused(self.keys, self.log, meta=_META, read=_READ, by="Convoy")
        endpoint = self.keys.get("endpoint_metadata")
        work = endpoint.get("name") if isinstance(endpoint, dict) else None
        route.add(
            self.log.at("endpoint_metadata"),
            "set its platform and saved_item_id to the flow that does the work of the "
            + (
                f"endpoint {work[:60]}; for a URL, use a platform of `type: http`"
                if isinstance(work, str) and work
                else "subscription's endpoint"
            ),
        )

    def _read_types(
        self, types: Any, source: ImportedSource, route: FilteredRoute, log: FindingLog
    ) -> None:
        if not types or types == ["*"]:
            log.carry("every event")
            return
        listed = types if isinstance(types, list) else [types]
        if "*" in listed:
            log.carry("every event, because of `*`")
        elif not all(
            isinstance(event_type, str) and _TYPE.fullmatch(event_type) for event_type in listed
        ):
            route.refuse(log, "a type with other characters than letters, digits and . _ / : -")
        elif source.is_typed:
            route.types = list(dict.fromkeys(listed))
            log.carry(f"the types of `on`: {', '.join(route.types)}"[:300])
        else:
            route.refuse(
                log,
                f"the source {source.name} has no place of the event type in this file: set its"
                " `event_type`, and these types in `on`",
            )

    def _read_filter(
        self, schema: Any, route: FilteredRoute, log: FindingLog, shapes: PayloadShapes
    ) -> None:
        for key, part in schema.items() if isinstance(schema, dict) else ():
            at = log.at(key)
            if key == "is_flattened":
                at.carry("both forms of a filter are read")
            elif not part:
                at.carry("an empty filter: every event")
            elif key not in FILTER_PARTS:
                route.refuse(at, "a filter has headers, body, query and path only")
            elif key == "path":
                route.refuse(at, "the path is that of the source, /hooks/NAME")
            else:
                parts = part.items() if isinstance(part, dict) and len(part) > 1 else ()
                route.read_parts(
                    at,
                    partial(_read, key, part, at, shapes),
                    [
                        (at.at(name), partial(_read, key, {name: test}, at, shapes, is_part=True))
                        for name, test in parts
                    ],
                )

    def _read_delivery(self, route: FilteredRoute) -> None:
        retry, rate = self.keys.get("retry_config"), self.keys.get("rate_limit_config")
        count = read_count(retry.get("retry_count")) if isinstance(retry, dict) else None
        if count is not None:
            route.keys["retry"] = {"attempts": min(count, MAX_RETRIES) + 1}
            self.log.at("retry_config").doubt(
                "the attempts of the route; the waits between them are those of flowbridge"
            )
        elif retry:
            self.log.at("retry_config").carry("the project's retries; the route has the default")
        limit = read_count(rate.get("count")) if isinstance(rate, dict) else None
        if isinstance(rate, dict) and limit is not None:
            self._read_rate(limit, rate.get("duration"), route)
        elif rate:
            self.log.at("rate_limit_config").carry("it has no limit")

    def _read_rate(self, limit: int, duration: Any, route: FilteredRoute) -> None:
        log = self.log.at("rate_limit_config")
        period = {1: "s", 60: "min", 3600: "h"}.get(read_count(duration) or 0)
        if period is None:
            log.refuse("`rate` of a route is per second, minute or hour")
            return
        route.keys["rate"] = f"{limit}/{period}"
        log.carry(f"the rate of the route: {route.keys['rate']}")


def _read(
    key: str, schema: JSON, log: FindingLog, shapes: PayloadShapes, *, is_part: bool = False
) -> Condition:
    condition = read_convoy_filter(key, schema, log, shapes, is_part=is_part)
    if condition == TRUE:
        log.carry("every event")
    return condition
