"""Diagnosis of a request that failed verification. Pure.

It runs on the stored copy when an operator asks for it, and never on receipt: a flood of bad
requests must not cause work, and the sender learns nothing.

Each check gets the request, its source, the configuration and the time of receipt, and returns
sentences: among them, what proxies do to a request (rewritten bodies, renamed headers, other URLs).
It raises `BadSignature` if the request cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import Locator, compile_locator
from bridge.core.model import Reject
from bridge.ingest.rejects import describe_cut, readmission_obstacle, rebuild_request
from bridge.ingest.scheme_inspection import (
    find_signed_schemes,
    fits,
    headers_read,
    signature_headers,
    signed_at,
)
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.locations import leaf_schemes, proof_locators, signs_url
from bridge.providers.signatures.pins import pins_of
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import Secret
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken
from bridge.routing.model import Config, Source

MAX_HEADER_CHARS = 60  # of a header's name
MAX_VALUE_CHARS = 200  # of a pinned value or a URL
PUBLIC_URL_STEP = "set FLOWBRIDGE_PUBLIC_URL to the URL that the sender calls, without the path."


def _check_enrolment(_request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Find a source whose provider has not delivered its secret yet."""
    if source.provider.learn is None or source.secrets:
        return []
    return [
        f"The source has no secret yet: `flowbridge learn {source.name}` waits for"
        f" {source.provider.title} to send it."
    ]


def _check_time(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Find a timestamp outside the tolerance."""
    for scheme in find_signed_schemes(source.scheme):
        if scheme.timestamp is None or (sent := signed_at(scheme, request)) is None:
            continue
        age = now - sent
        if abs(age) <= scheme.timestamp.tolerance:
            continue
        signed = fits(source.scheme, request, source.secrets, sent)
        when = (
            f"{abs(age):.0f} seconds {'before' if age > 0 else 'after'} it arrived, and"
            f" {scheme.timestamp.tolerance:g} are allowed"
        )
        if signed and age > 0:
            return [
                f"The signature is right, but was made {when}: an old request was sent again, or a"
                " clock is wrong."
            ]
        if signed:
            return [
                f"The signature is right, but was made {when}: this machine's clock is behind, or"
                " the sender's is ahead."
            ]
        return [f"Its timestamp says that it was signed {when}."]
    return []


def _check_secret_format(
    _request: Request, source: Source, _config: Config, now: float
) -> list[str]:
    """Find a valid secret that looks like another value, such as an API key."""
    live = [
        secret.value
        for secret in source.secrets
        if secret.not_after is None or secret.not_after > now
    ]
    doubts = [
        doubt for value in live if (doubt := source.provider.doubt_of_secret(value)) is not None
    ]
    return [f"A secret of the source may be wrong: {doubt}." for doubt in doubts]


def _check_secret(request: Request, source: Source, config: Config, now: float) -> list[str]:
    """Find another secret that verifies the request."""
    ended = [
        Secret(secret.value)
        for secret in source.secrets
        if secret.not_after is not None and secret.not_after <= now
    ]
    if ended and fits(source.scheme, request, ended, now):
        return [
            "It is signed with an expired secret of this source (`not_after`): the sender still"
            " uses the old secret."
        ]
    for other in config.sources.values():
        if other.name == source.name or not other.secrets:
            continue
        always = [Secret(secret.value) for secret in other.secrets]
        if fits(source.scheme, request, always, now):
            return [
                f"It is signed with the secret of the source {other.name!r}: the secrets are"
                " swapped, or the sender uses the wrong URL."
            ]
        if other.provider.name != source.provider.name and fits(other.scheme, request, always, now):
            return [
                f"It verifies for the source {other.name!r} ({other.provider.title}): the sender"
                " uses the wrong URL."
            ]
    return []


def _check_body(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Find a change of the body in transit."""
    for what, body in original_bodies(request.body):
        if body != request.body and fits(
            source.scheme, replace(request, body=body), source.secrets, now
        ):
            return [
                f"The signature is right for the body {what}: a proxy or a function in between"
                " rewrote it."
            ]
    return []


def _check_url(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Find another URL that the signature is for."""
    for url in original_urls(request) if signs_url(source.scheme) else ():
        if url != request.url and fits(
            source.scheme, replace(request, url=url), source.secrets, now
        ):
            return [
                f"The signature is right for the URL {show_url(url)}, but here the URL is"
                f" {show_url(request.url)}: {PUBLIC_URL_STEP}"
            ]
    return []


def show_url(url: str) -> str:
    return repr(url.partition("?")[0][:MAX_VALUE_CHARS])


def _check_renamed_headers(
    request: Request, source: Source, _config: Config, now: float
) -> list[str]:
    """Find a header that a proxy renamed."""
    missing_names = [
        name
        for scheme in find_signed_schemes(source.scheme)
        for name in headers_read(scheme)
        if name not in request.headers
    ]
    for name, once, headers in original_headers(
        request.headers, list(dict.fromkeys(missing_names))
    ):
        if fits(source.scheme, replace(request, headers=headers), source.secrets, now):
            return [
                f"The signature is right if the header {name[:MAX_HEADER_CHARS]!r} is read as"
                f" {once!r}: a proxy renamed it."
            ]
    return []


def _check_variants(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Find another encoding, key format or algorithm that verifies the request."""
    for scheme in leaf_schemes(source.scheme):
        if not isinstance(scheme, Hmac):
            continue
        for what, changes in _variants(scheme):
            try:
                other = replace(scheme, **changes)
            except ValueError:
                continue
            if fits(other, request, source.secrets, now):
                return [f"The signature is right, but {what}."]
    return []


def _variants(scheme: Hmac) -> Iterator[tuple[str, dict[str, Any]]]:
    for encoding in ("hex", "base64", "base64url"):
        if encoding != scheme.encoding:
            yield (
                f"written as {encoding}, where {scheme.encoding} is expected",
                {"encoding": encoding},
            )
    for key, what in _KEYS.items():
        if key != scheme.key and not scheme.plain:
            yield f"{what} (expected: {_KEYS.get(scheme.key, scheme.key)})", {"key": key}
    for algorithm in ("sha1", "sha256", "sha512"):
        if algorithm != scheme.algorithm:
            yield (
                f"made with {algorithm}, where {scheme.algorithm} is expected",
                {"algorithm": algorithm},
            )
    if scheme.prefix:
        yield f"the prefix {scheme.prefix!r} is missing", {"prefix": ""}


_KEYS = {
    "utf8": "the secret is used as text",
    "base64": "the secret is decoded from base64",
    "whsec": "the secret is decoded from base64 after `whsec_`",
    "hex": "the secret is decoded from hexadecimal",
}


def _check_missing_proof(
    request: Request, source: Source, _config: Config, _now: float
) -> list[str]:
    """Find a missing signature or token, and headers that look like one."""
    locators = [compile_locator(text) for text in proof_locators(source.scheme)]
    if not locators or any(_is_there(request, locator) for locator in locators):
        return []
    similar_names = [name for name in request.headers if "signature" in name or "hmac" in name]
    near = [
        (name, locator)
        for name in request.headers
        for locator in locators
        if _is_like(name, locator)
    ]
    if near:
        return [
            f"The signature is in the header {near[0][0][:MAX_HEADER_CHARS]!r}, not in"
            f" {near[0][1]}: a proxy renamed it."
        ]
    beside = (
        f"; found instead: {', '.join(repr(name[:MAX_HEADER_CHARS]) for name in similar_names[:5])}"
        if similar_names
        else ", and no header looks like a signature"
    )
    advice = (
        ""
        if similar_names or not source.scheme.needs_secret
        else ": the sender has no secret, or a proxy removed the header"
    )
    what = (
        "token or password"
        if all(
            isinstance(scheme, SharedToken | BasicAuth) for scheme in leaf_schemes(source.scheme)
        )
        else "signature"
    )
    return [f"The {what} is missing: expected in {_named(locators)}{beside}{advice}."]


def _is_there(request: Request, locator: Locator) -> bool:
    if locator.kind == "header" and locator.name.endswith("*"):
        return any(name.startswith(locator.name[:-1]) for name in request.headers)
    return bool(RequestView(request).find(locator))


def _is_like(name: str, locator: Locator) -> bool:
    return locator.kind == "header" and is_similar_header(name, locator.name)


def _named(locators: Sequence[Locator]) -> str:
    return " or ".join(dict.fromkeys(str(locator) for locator in locators))


def _check_pins(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Find a value that differs from the source's pins."""
    pinned = dict(getattr(source.scheme, "pinned", ()))
    for pin in pins_of(source.scheme):
        said = RequestView(request).find(compile_locator(pin.at)) if ":" in pin.at else None
        if said and pin.name in pinned and said not in pinned[pin.name]:
            return [f"Its {pin.name} is not pinned by the source: {said[:MAX_VALUE_CHARS]!r}."]
    return []


def _check_sender(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Find a header that only another provider's requests have."""
    own = set(signature_headers(source.scheme))
    for row in PROVIDERS.values():
        if row.scheme is None or row.name == source.provider.name:
            continue
        marks = [
            name
            for name in signature_headers(row.scheme)
            if name in request.headers and name not in own
        ]
        if marks and not own & set(request.headers):
            return [
                f"It looks like {row.title}: it has the header {marks[0]!r}, and"
                f" {source.provider.title} does not send that."
            ]
    return []


CHECKS = (
    _check_enrolment,
    _check_secret_format,
    _check_time,
    _check_secret,
    _check_body,
    _check_url,
    _check_renamed_headers,
    _check_variants,
    _check_missing_proof,
    _check_pins,
    _check_sender,
)


MAX_NAME_PARTS = 12  # of a header's name, joined by hyphens
# headers in which proxies send the original host
HOST_HEADERS = ("x-forwarded-host", "x-original-host", "host")
_WRITERS: dict[str, dict[str, Any]] = {
    "compact JSON": {"separators": (",", ":"), "ensure_ascii": False},
    "compact JSON with \\u escapes": {"separators": (",", ":")},
    "JSON with blanks after , and :": {"ensure_ascii": False},
    "JSON with blanks after , and : and with \\u escapes": {},
    "JSON indented by 2": {"indent": 2, "ensure_ascii": False},
    "JSON with its keys sorted": {
        "separators": (",", ":"),
        "ensure_ascii": False,
        "sort_keys": True,
    },
}


def original_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the possible original bodies, each with a description of the change."""
    yield "without the line end it came with", body.rstrip(b"\r\n")
    yield "with a line end after it", body + b"\n"
    yield "with CR LF after it", body + b"\r\n"
    yield "with CR LF for its line ends", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "with LF for its line ends", body.replace(b"\r\n", b"\n")
    yield "without the byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    try:
        for what, options in _WRITERS.items():
            yield (
                f"written as {what}",
                json.dumps(value, **options).encode("utf-8", "surrogatepass"),
            )
    except (RecursionError, ValueError):
        return


def original_headers(
    headers: Mapping[str, str], expected_names: Collection[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (present name, wanted name, possible original headers) for each possible renaming.

    First all usual changes of proxies at once (a prefix `x-original-`, `_` for `-`), then each
    other header as the wanted one.
    """
    before = {
        once: name for name in headers for once in original_names(name) if once not in headers
    }
    renamed = {original: before[original] for original in expected_names if original in before}
    respelled = {**headers, **{once: headers[name] for once, name in before.items()}}
    for expected, name in renamed.items():
        yield name, expected, respelled
    for expected in expected_names:
        for name, value in headers.items():
            if name not in expected_names and renamed.get(expected) != name:
                yield name, expected, {**headers, expected: value}


def original_names(name: str) -> list[str]:
    """Return the names a header may have had before a proxy renamed it."""
    parts = name.replace("_", "-").split("-")[-MAX_NAME_PARTS:]
    names = ["-".join(parts[at:]) for at in range(len(parts))]
    return [*names, *(f"x-{tail}" for tail in names)]


def is_similar_header(name: str, other: str) -> bool:
    """Return whether a header's name is `other` with a prefix, without `x-`, or respelled."""
    bare = name.replace("_", "-")
    return bare != other and (bare.endswith(f"-{other}") or _letters(bare) == _letters(other))


def _letters(name: str) -> str:
    return name.removeprefix("x-").replace("-", "")


def original_urls(request: Request) -> Iterator[str]:
    """Yield the URLs that the sender may have called."""
    try:
        called = urlsplit(request.url)
    except ValueError:
        return
    hosts = [called.netloc, *(request.headers.get(name, "").strip() for name in HOST_HEADERS)]
    paths = (called.path, called.path.rstrip("/"), called.path.rstrip("/") + "/")
    for host in dict.fromkeys(filter(None, hosts)):
        for scheme in ("https", "http"):
            for path in dict.fromkeys(paths):
                yield f"{scheme}://{host}{path}" + (f"?{called.query}" if called.query else "")


#: The reason recorded on receipt -> the sentence, if the checks cannot find more.
REASONS = {
    "malformed": (
        "Its signature, or the header that holds it, is not in the form that the sender uses:"
        " probably something else sent the request, or a proxy changed the header."
    ),
    "not_pinned": (
        "Its origin or recipient does not match the source's `pins`, or it names a key on a host"
        " that does not belong to the sender."
    ),
    "no_secret": "The source had no valid secret when the request arrived.",
    "no_key": (
        "The sender's public keys could not be fetched, then or now: check that this machine can"
        " reach the sender's host."
    ),
}
UNREADABLE = (
    "The signature cannot be read: the body is not the expected JSON, or the form or query has too"
    " many fields."
)
NO_FINDING = (
    "no variant of the secret, time and body matched: probably the sender uses another secret, or"
    " the body was changed in transit"
)
NOT_KEPT = (
    "Its credential does not match the secret here, and is not stored. Set the same secret on both"
    " sides, then send the request again from the sender."
)


def diagnose(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> list[str]:
    """Return the findings, the most specific first; an empty list if nothing is found.

    They never contain a secret, a signature or a part of the body.
    """
    source = config.sources.get(reject.source)
    if source is None:
        return [readmission_obstacle(reject, config) or ""]
    if reject.event_ids:
        return ["It was readmitted and is now an event."]
    request = rebuild_request(reject)
    now = reject.received_at
    if verifies(reject, config, keys):
        return [
            "It verifies now, with the current routes.yaml: `flowbridge rejects readmit` accepts"
            " it."
        ]
    findings: list[str] = []
    for look in CHECKS:
        try:
            findings += look(request, source, config, now)
        except BadSignature:
            findings += [] if reject.cut else [UNREADABLE]
    findings += [REASONS[reject.reason]] if reject.reason in REASONS else []
    if reject.cut:
        stored = describe_cut(reject)
        findings.append(
            f"{stored[0].upper()}{stored[1:]}, so its signature cannot be checked again."
        )
    elif readmission_obstacle(reject, config):
        findings.append(NOT_KEPT)
    elif not findings and signs_url(source.scheme):
        findings.append(
            f"Its sender also signs the URL. Here the URL is {show_url(request.url)}:"
            f" {PUBLIC_URL_STEP}"
        )
    return list(dict.fromkeys(findings))


def explain_failure(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> str:
    """Return the most specific finding, or that nothing was found."""
    return next(iter(diagnose(reject, config, keys)), NO_FINDING)


def verifies(reject: Reject, config: Config, keys: KeySource = NO_KEYS) -> bool:
    """Return whether the reject verifies with the current configuration, at its time of receipt."""
    if readmission_obstacle(reject, config):
        return False
    source = config.sources[reject.source]
    return fits(source.scheme, rebuild_request(reject), source.secrets, reject.received_at, keys)
