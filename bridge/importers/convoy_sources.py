"""The sources of Convoy: their providers and verifiers, and where the event type is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.core.locators import compile_locator
from bridge.importers.model import FindingLog
from bridge.importers.verified_sources import (
    ImportedSource,
    SourceWriter,
    report_unused,
)

PROVIDERS_BY_NAME: Final = {"github": "github", "shopify": "shopify", "twitter": "x"}
#: Where Convoy reads a value -> the kind of a locator.
LOCATOR_KINDS: Final = {"header": "header", "body": "body", "query": "query", "queryparam": "query"}
_META: Final = frozenset(
    (
        "uid",
        "mask_id",
        "project_id",
        "url",
        "provider_config",
        "created_at",
        "updated_at",
        "deleted_at",
        "forward_headers",
    )
)
_READ: Final = frozenset(
    (
        "name",
        "type",
        "provider",
        "is_disabled",
        "verifier",
        "custom_response",
        "event_type_location",
        "idempotency_keys",
        "body_function",
        "header_function",
        "pub_sub",
    )
)


def read_convoy_source(writer: SourceWriter, keys: dict[str, Any]) -> ImportedSource:
    """Read the keys of a source; there are none if only a subscription names it."""
    log = writer.log
    if keys:
        _verify(writer, keys, log)
    else:
        writer.fill_in()
    has_type = _read_event_type(writer, keys.get("event_type_location"), log)
    _read_event_id(writer, keys.get("idempotency_keys"), log)
    is_stopped = keys.get("is_disabled") is True
    if is_stopped:
        log.at("is_disabled").doubt("the source is disabled there, so its routes are paused")
    is_changed = _report_functions(keys, log)
    report_unused(keys, log, meta=_META, read=_READ, by="Convoy")
    return ImportedSource(
        writer.name,
        str(writer.keys["provider"]),
        writer.is_open or is_changed,
        is_stopped,
        has_type,
    )


def _verify(writer: SourceWriter, keys: Mapping[str, Any], log: FindingLog) -> None:
    verifier = keys.get("verifier")
    verifier = verifier if isinstance(verifier, dict) else {}
    kind = str(verifier.get("type") or "")
    values = verifier.get(kind)
    values = values if isinstance(values, dict) else {}
    provider = str(keys.get("provider") or "")
    if keys.get("type") not in (None, "http"):
        log.at("type").doubt("flowbridge receives webhooks only; the sender must post to it")
    if provider in PROVIDERS_BY_NAME:
        hmac = verifier.get("hmac")
        secret = hmac.get("secret") if isinstance(hmac, dict) else None
        writer.verify_by_provider(PROVIDERS_BY_NAME[provider], secret)
    elif provider:
        writer.refuse(f"Convoy has no provider {provider[:40]!r}")
    elif kind == "hmac":
        header, encoding = values.get("header"), values.get("encoding")
        writer.verify_hmac(header, values.get("hash"), encoding, values.get("secret"))
    elif kind == "basic_auth":
        writer.verify_password(values.get("username"), values.get("password"))
    elif kind == "api_key" and not values.get("header_name"):
        writer.verify_token("Authorization", values.get("header_value"), "Bearer ")
        log.at("verifier").doubt("Convoy accepts any word before the key, here it is Bearer")
    elif kind == "api_key":
        writer.verify_token(values["header_name"], values.get("header_value"))
    elif kind in ("", "noop"):
        writer.verify_nothing()
    else:
        writer.refuse(f"Convoy has no verifier {kind[:40]!r}")


def _read_place(text: Any) -> str | None:
    """Return a place such as `request.body.data.id` as a locator; None if there is none for it."""
    parts = str(text).split(".", 2)
    kind = LOCATOR_KINDS.get(parts[1].lower()) if len(parts) == 3 else None
    if kind is None or parts[0] not in ("request", "req"):
        return None
    try:
        return str(compile_locator(f"{kind}:{parts[2]}"))
    except ValueError:
        return None


def _read_event_type(writer: SourceWriter, location: Any, log: FindingLog) -> bool:
    if not location:
        return False
    place = _read_place(location)
    if place is None or "${" in place:
        log.at("event_type_location").refuse("this place has no counterpart; set `event_type`")
        return False
    writer.keys["event_type"] = place
    log.at("event_type_location").carry(f"the event type: {place}")
    return True


def _read_event_id(writer: SourceWriter, places: Any, log: FindingLog) -> None:
    if not places:
        return
    at = log.at("idempotency_keys")
    paths = [_read_place(place) for place in places] if isinstance(places, list) else [None]
    if len(paths) != 1 or paths[0] is None or "${" in paths[0]:
        at.refuse("only one place can be the id of an event; set `event_id` and `dedup`")
        return
    writer.keys["event_id"] = paths[0]
    writer.keys.pop("dedup", None)
    at.carry(f"the id of an event, whose duplicates are dropped: {paths[0]}")


def _report_functions(keys: Mapping[str, Any], log: FindingLog) -> bool:
    """Report functions and answers, which are not carried; return whether a function changes the
    request.
    """
    for key in ("body_function", "header_function"):
        if keys.get(key):
            log.at(key).refuse("a function is JavaScript, which is not carried")
    response = keys.get("custom_response")
    if isinstance(response, dict) and any(response.values()):
        log.at("custom_response").refuse(
            "flowbridge answers 202 with its own JSON as soon as the event is stored"
        )
    queue = keys.get("pub_sub")
    if isinstance(queue, dict) and any(queue.values()):
        log.at("pub_sub").refuse("flowbridge reads no message broker")
    return bool(keys.get("body_function") or keys.get("header_function"))
