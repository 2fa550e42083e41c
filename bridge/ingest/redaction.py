"""Redaction: values at `redact` are replaced by fingerprints before planning and storing. Pure.

Equal values of a source have equal fingerprints, so ids, duplicates and ordering keys still work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from urllib.parse import quote, unquote_plus

import orjson

from bridge.core.errors import BridgeError, SettingsError
from bridge.core.fingerprints import fingerprint, keyed_digest
from bridge.core.http_messages import Request
from bridge.core.locators import FORM_MEDIA_TYPES, as_text
from bridge.core.masking import Path, Redaction, rewrite_values
from bridge.core.model import JSON, Body, Event
from bridge.ingest.body_stages import MaskedBody, StoredBody
from bridge.ingest.source_bodies import read_body, rebuild_event_request
from bridge.routing.model import Config, Source

ROOTS = ("body", "form", "headers", "query")
BODY_DROPPED = "stored without its body, because `redact` could not be applied to it"
JSON_TYPE = "application/json"
MARK_BEGINNING = "[redacted "


def compile_redaction(texts: tuple[str, ...]) -> Redaction:
    """Compile the paths of `redact`: as in `match`, with [] for each item. Raises `ValueError`."""
    paths: dict[str, list[Path]] = {root: [] for root in ROOTS}
    for text in texts:
        root, _, rest = text.partition(".")
        path = tuple(rest.replace("[]", ".0").split("."))
        if root not in ROOTS or "" in path:
            raise ValueError(
                f"`{text[:60]}` is not a valid path; write body.PATH, body.LIST[].NAME, form.NAME,"
                " headers.NAME or query.NAME"
            )
        if root in ("headers", "query") and len(path) != 1:
            path = (rest,)  # their names may hold dots
        paths[root].append(path)
    return Redaction(
        body=(*paths["body"], *paths["form"]),
        headers=frozenset(name.lower() for (name,) in paths["headers"]),
        query=frozenset(name for (name,) in paths["query"]),
    )


def redaction_mark(secret_key: str, source: str, value: str) -> str:
    """Return the text that replaces a value."""
    return f"{MARK_BEGINNING}{fingerprint(secret_key, source, value)}]"


def add_keys(source: Source, secret_key: str, *, seals: bool = False) -> Source:
    """Return the source with its fingerprint key, and its digest key if bodies are encrypted."""
    source = replace(source, digest_key=secret_key) if seals else source
    return (
        source
        if source.redact is None
        else replace(source, redact=replace(source.redact, secret_key=secret_key))
    )


def add_all_keys(config: Config, secret_key: str, *, seals: bool = False) -> Config:
    """Return the configuration with the keys of every source (see `add_keys`)."""
    sources = {
        name: add_keys(source, secret_key, seals=seals) for name, source in config.sources.items()
    }
    return replace(config, sources=sources)


def redact_body(
    masked: MaskedBody,
    source: Source,
    digest: str,
    read: Callable[[Request], Body],
    mark: Callable[[str], str] | None = None,
) -> StoredBody:
    """Return the request to store; redacted values cannot be recovered from it or its digest.

    `digest`: of the body as sent. `read`: parses a stored request. `mark`: returns the text that
    replaces a value, by default its fingerprint. Form fields are stored as JSON. A body in which
    values cannot be located is dropped, and its problem says so. Raises `SettingsError` without a
    key.
    """
    redaction = source.redact
    request = masked.request
    body = masked.said
    if redaction is None:
        return StoredBody(request, body, digest)
    marked = mark or partial(redaction_mark, redaction.secret_key, source.name)
    headers = {
        name: marked(value) if name in redaction.headers else value
        for name, value in request.headers.items()
    }
    pairs = request.query_string.split("&")
    query = "&".join(_parameter(pair, redaction, marked) for pair in pairs)
    url = request.url.partition("?")[0] + (f"?{query}" if query else "")
    kept = replace(request, headers=headers, query_string=query, url=url)
    if not redaction.body:
        return StoredBody(kept, body, sha256(request.body).hexdigest())
    is_fields = request.content_type in FORM_MEDIA_TYPES or body.form is not None
    raw = _dumped(read(request).value) if is_fields else request.body
    is_read = body.problem is None or body.value is not None
    written = None
    if is_read and raw is not None:
        written = rewrite_values(raw, redaction.body, lambda token: _mark_token(token, marked))
    if written is None:
        problem = "; ".join(filter(None, (body.problem, BODY_DROPPED)))
        hashed = keyed_digest(redaction.secret_key, source.name, request.body)
        return StoredBody(replace(kept, body=b""), Body(problem=problem), hashed)
    if is_fields:
        headers = headers | {"content-type": JSON_TYPE}
    kept = replace(kept, body=written, headers=headers)
    said = replace(read(kept), problem=body.problem, files=body.files)
    return StoredBody(kept, said, sha256(written).hexdigest())


def redact_copy(event: Event, source: Source) -> Event:
    """Return a stored event without the values of `redact`, for a copy outside of the store.

    Values that were redacted on receipt keep their fingerprints; others get a mark without one, so
    that no key is needed. Raises `BridgeError` where values cannot be located in the body.
    """
    if source.redact is None:
        return event
    request = rebuild_event_request(event)

    def read(event_request: Request) -> Body:
        content_type = event_request.headers.get("content-type", "")
        return read_body(source, content_type, event_request.body, event.files)

    try:
        stored = redact_body(MaskedBody(request, read(request)), source, "", read, _mark_copy)
    except SettingsError:  # it would be stored without its body
        stored = None
    if stored is None or (event.body and not stored.request.body):
        raise BridgeError(f"`redact` cannot be applied to the body of {event.id}")
    return replace(
        event,
        headers=stored.request.headers,
        query_string=stored.request.query_string,
        body=stored.request.body,
        body_sha256=stored.digest or event.body_sha256,
    )


def _mark_copy(value: str) -> str:
    return value if value.startswith(MARK_BEGINNING) else f"{MARK_BEGINNING[:-1]}]"


def _dumped(value: JSON) -> bytes | None:
    try:
        return orjson.dumps(value) if isinstance(value, dict | list) else None
    except TypeError:
        return None


def _parameter(pair: str, redaction: Redaction, marked: Callable[[str], str]) -> str:
    name, equals, value = pair.partition("=")
    return (
        f"{name}={quote(marked(unquote_plus(value)), safe='')}"
        if equals and unquote_plus(name) in redaction.query
        else pair
    )


def _mark_token(token: bytes, marked: Callable[[str], str]) -> bytes:
    """Return the mark of a JSON value; null is not replaced.

    The fingerprint of an object or a list is that of its JSON with sorted keys, or of its bytes
    where it nests too deep to be written again.
    """
    try:
        value = orjson.loads(token)
        if value is None:
            return token
        text = as_text(value)
        if text is None:
            text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except (ValueError, TypeError):
        text = token.decode("utf-8", "replace")
    return orjson.dumps(marked(text))
