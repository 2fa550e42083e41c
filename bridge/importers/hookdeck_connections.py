"""Turn connections of Hookdeck, and bare filters, into sources and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.importers.document_reader import read_document
from bridge.importers.filter_spots import FILTER_PARTS
from bridge.importers.filtered_routes import MAX_RETRIES, FilteredRoute, read_count
from bridge.importers.hookdeck_filters import has_keys, read_hookdeck_filter, read_hookdeck_key
from bridge.importers.model import FindingLog, ImportResult
from bridge.importers.payload_shapes import PayloadShapes, find_shapes
from bridge.importers.verified_sources import (
    FileSources,
    ImportedSource,
    SourceWriter,
    report_unused,
)

#: Source types -> the provider that verifies the same with the same secret, and the secret's key.
SOURCE_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    **{
        type_: (provider, "webhook_secret_key")
        for type_, provider in (
            ("ADYEN", "adyen"),
            ("AIRTABLE", "airtable"),
            ("AIRWALLEX", "airwallex"),
            ("ASANA", "asana"),
            ("BIGCOMMERCE", "bigcommerce"),
            ("COMMERCELAYER", "commerce_layer"),
            ("COURIER", "courier"),
            ("CUSTOMERIO", "customer_io"),
            ("DOCUSIGN", "docusign"),
            ("FACEBOOK", "meta"),
            ("FRONTAPP", "front"),
            ("GITHUB", "github"),
            ("GOCARDLESS", "gocardless"),
            ("HUBSPOT", "hubspot"),
            ("INTERCOM", "intercom"),
            ("LINEAR", "linear"),
            ("LINKEDIN", "linkedin"),
            ("LITHIC", "lithic"),
            ("MAILGUN", "mailgun"),
            ("NYLAS", "nylas"),
            ("OPENAI", "openai"),
            ("ORB", "orb"),
            ("PADDLE", "paddle"),
            ("POLAR", "polar"),
            ("RAZORPAY", "razorpay"),
            ("RECHARGE", "recharge"),
            ("RECURLY", "recurly"),
            ("REPLICATE", "replicate"),
            ("RESEND", "resend"),
            ("SANITY", "sanity"),
            ("SENDGRID", "sendgrid"),
            ("SHOPIFY", "shopify"),
            ("SLACK", "slack"),
            ("SQUARE", "square"),
            ("STRIPE", "stripe"),
            ("SVIX", "svix"),
            ("TALLY", "tally"),
            ("TEBEX", "tebex"),
            ("TRELLO", "trello"),
            ("TWILIO", "twilio"),
            ("TWITCH", "twitch"),
            ("TYPEFORM", "typeform"),
            ("VERCEL", "vercel"),
            ("WHATSAPP", "meta"),
            ("WIX", "wix"),
            ("WOOCOMMERCE", "woocommerce"),
            ("WORKOS", "workos"),
            ("XERO", "xero"),
            ("ZENDESK", "zendesk"),
            ("ZOOM", "zoom"),
        )
    },
    "GITLAB": ("gitlab", "api_key"),
    "TELNYX": ("telnyx", "public_key"),
    "TWITTER": ("x", "api_key"),
}
#: Source types whose sender logs in with user and password.
PASSWORD_TYPES: Final = {
    "CHARGEBEE_BILLING": "chargebee",
    "PIPEDRIVE": "pipedrive",
    "POSTMARK": "postmark",
}
#: Source types of any sender: `auth_type` says how it is verified.
ANY_SENDER_TYPES: Final = frozenset({"", "HTTP", "WEBHOOK", "PUBLISH_API"})
_SOURCE_META: Final = frozenset({"id", "team_id", "description", "created_at", "updated_at", "url"})
_OLDER_CONFIG: Final = ("allowed_http_methods", "custom_response")  # beside the name
_SOURCE_READ: Final = frozenset(
    {"name", "type", "config", "verification", "disabled_at", *_OLDER_CONFIG}
)


def read_hookdeck_source(writer: SourceWriter, keys: dict[str, Any]) -> ImportedSource:
    """Read the keys of a source; there are none if only a connection names it."""
    log = writer.log
    if not keys:
        writer.fill_in()
    else:
        _verify(writer, keys)
    config = keys.get("config")
    _report_config(config if isinstance(config, dict) else {}, log.at("config"))
    _report_config({key: keys[key] for key in _OLDER_CONFIG if key in keys}, log)
    is_stopped = bool(keys.get("disabled_at"))
    if is_stopped:
        log.at("disabled_at").doubt("the source is disabled there, so its routes are paused")
    report_unused(keys, log, meta=_SOURCE_META, read=_SOURCE_READ, by="Hookdeck")
    provider = str(writer.keys["provider"])
    return ImportedSource(writer.name, provider, writer.is_open, is_stopped)


def _verify(writer: SourceWriter, keys: Mapping[str, Any]) -> None:
    kind, way, auth = _read_auth(keys)
    row = SOURCE_TYPES.get(kind)
    if row is not None:
        writer.verify_by_provider(row[0], auth.get(row[1]))
    elif kind in PASSWORD_TYPES:
        writer.verify_password(auth.get("username"), auth.get("password"), PASSWORD_TYPES[kind])
    elif kind not in ANY_SENDER_TYPES:
        writer.refuse(f"the source type {kind[:40]} has no provider here that is sure to be it")
    elif way == "HMAC":
        header, algorithm = auth.get("header_key"), auth.get("algorithm", "sha256")
        secret = auth.get("webhook_secret_key")
        writer.verify_hmac(header, algorithm, auth.get("encoding", "hex"), secret)
    elif way == "API_KEY":
        writer.verify_token(auth.get("header_key"), auth.get("api_key"))
    elif way == "BASIC_AUTH":
        writer.verify_password(auth.get("username"), auth.get("password"))
    elif way:
        writer.refuse(f"the verification {way[:40]} has no counterpart")
    else:
        writer.verify_nothing()


def _read_auth(keys: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return the type of the source, its way of verification, and the values of it."""
    kind = str(keys.get("type") or "").upper()
    config = keys.get("config")
    config = config if isinstance(config, dict) else {}
    auth = config.get("auth")
    way = str(config.get("auth_type") or "").upper()
    older = keys.get("verification")  # of the API before 2025
    if isinstance(older, dict) and older:
        way = str(older.get("type") or "").upper()
        auth = older.get("configs")
    auth = auth if isinstance(auth, dict) else {}
    if way in SOURCE_TYPES or way in PASSWORD_TYPES:
        return way, "", auth
    if not way:
        key_ways = (
            ("api_key", "API_KEY"),
            ("username", "BASIC_AUTH"),
            ("webhook_secret_key", "HMAC"),
        )
        way = next((name for key, name in key_ways if key in auth), "")
    return kind, way, auth


def _report_config(config: dict[str, Any], log: FindingLog) -> None:
    methods = config.get("allowed_http_methods")
    if methods == ["POST"]:
        log.at("allowed_http_methods").carry("only POST is accepted")
    elif methods:
        log.at("allowed_http_methods").refuse("only POST is accepted")
    if config.get("custom_response"):
        log.at("custom_response").refuse(
            "flowbridge answers 202 with its own JSON as soon as the event is stored"
        )
    read = frozenset({"auth", "auth_type", "allowed_http_methods", "custom_response"})
    report_unused(config, log, meta=frozenset(), read=read, by="Hookdeck")


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
    connections, place = _find_connections(document)
    if not connections:
        raise InvalidRequest(
            f"{name}: a file of Hookdeck has connections, as its API lists them, rules, or a filter"
        )
    if len(connections) > MAX_CONNECTIONS:
        raise InvalidRequest(f"{name}: more than {MAX_CONNECTIONS} connections")
    if isinstance(document, dict) and place == "models":
        rest = {key: value for key, value in document.items() if key != "models"}
        if rest:
            FindingLog(result, name, "answer").carry(f"only the API uses {', '.join(rest)}"[:200])
    sources = FileSources(result, "id", read_hookdeck_source)
    for number, keys in enumerate(connections):
        log = FindingLog(result, name, place if place == "filter" else f"{place}[{number}]")
        if isinstance(keys, dict):
            _Connection(result, keys, log, sources).convert()
        else:
            log.refuse("a connection must be an object")


def _find_connections(document: JSON) -> tuple[list[Any], str]:
    """Return the connections, and how the report names their place."""
    if isinstance(document, list):
        is_rules = any(
            isinstance(rule, dict) and rule.get("type") in RULE_TYPES for rule in document
        )
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
    for key, test in schema.items():
        route.read(log.at(key), partial(read_hookdeck_key, root, key, test, log, shapes))


def _read_text(log: FindingLog, text: str) -> JSON:
    """Return a text that holds a filter as JSON as the filter, another text as it is."""
    try:
        document = read_document(log.file, text)
    except InvalidRequest:
        return text
    log.doubt("a text that holds JSON: read as the filter")
    return document


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
    duration = min(milliseconds, MAX_DURATION_MS)
    unit, size = next((unit, size) for unit, size in _UNITS if duration % size == 0)
    return f"{duration // size}{unit}"
