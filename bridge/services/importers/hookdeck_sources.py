"""The sources of Hookdeck: their types as providers, and their verification. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.services.importers.model import FindingLog
from bridge.services.importers.verified_sources import (
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
_META: Final = frozenset({"id", "team_id", "description", "created_at", "updated_at", "url"})
_OLDER_CONFIG: Final = ("allowed_http_methods", "custom_response")  # beside the name
_READ: Final = frozenset({"name", "type", "config", "verification", "disabled_at", *_OLDER_CONFIG})


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
    report_unused(keys, log, meta=_META, read=_READ, by="Hookdeck")
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
        shown = (("api_key", "API_KEY"), ("username", "BASIC_AUTH"), ("webhook_secret_key", "HMAC"))
        way = next((name for key, name in shown if key in auth), "")
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
