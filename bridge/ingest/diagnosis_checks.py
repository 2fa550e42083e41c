"""The checks that look for the cause of a failed verification. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bridge.core.http_messages import Request
from bridge.core.locators import Locator, compile_locator
from bridge.ingest import proxy_changes
from bridge.ingest.scheme_inspection import (
    find_envelopes,
    fits,
    headers_read,
    signature_headers,
    signed_at,
)
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.locations import leaves, proofs, signs_url
from bridge.providers.signatures.pins import pins_of
from bridge.providers.signatures.request_view import View
from bridge.providers.signatures.scheme import Secret
from bridge.providers.signatures.shared_token import Basic, Token
from bridge.routing.model import Config, Source

MAX_HEADER_CHARS = 60  # characters of a header's name
MAX_VALUE_CHARS = 200  # characters of what is pinned
PUBLIC_URL_STEP = "let FLOWBRIDGE_PUBLIC_URL be what the sender calls, without the path."


def _check_enrolment(_request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether the sender has not told its secret yet."""
    if source.provider.learn is None or source.secrets:
        return []
    return [
        f"The source knows no secret yet: `flowbridge learn {source.name}` waits for"
        f" {source.provider.title} to tell it."
    ]


def _check_time(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether all is right but the time."""
    for scheme in find_envelopes(source.scheme):
        if scheme.timestamp is None or (sent := signed_at(scheme, request)) is None:
            continue
        age = now - sent
        if abs(age) <= scheme.timestamp.tolerance:
            continue
        signed = fits(source.scheme, request, source.secrets, sent)
        when = (
            f"{abs(age):.0f} seconds {'before' if age > 0 else 'after'} it came, and"
            f" {scheme.timestamp.tolerance:g} are allowed"
        )
        if signed and age > 0:
            return [
                f"The signature is right, but was made {when}: an old request sent again, or a"
                " clock that is wrong."
            ]
        if signed:
            return [
                f"The signature is right, but was made {when}: this machine's clock is slow, or the"
                " sender's is fast."
            ]
        return [f"It says that it was signed {when}."]
    return []


def _check_secret_format(
    _request: Request, source: Source, _config: Config, now: float
) -> list[str]:
    """Whether a live secret looks like another value, such as an API key."""
    live = [one.value for one in source.secrets if one.not_after is None or one.not_after > now]
    doubts = [
        doubt for value in live if (doubt := source.provider.doubt_of_secret(value)) is not None
    ]
    return [f"A secret of the source may be wrong: {doubt}." for doubt in doubts]


def _check_secret(request: Request, source: Source, config: Config, now: float) -> list[str]:
    """Whether another secret fits."""
    ended = [
        Secret(one.value)
        for one in source.secrets
        if one.not_after is not None and one.not_after <= now
    ]
    if ended and fits(source.scheme, request, ended, now):
        return [
            "It is signed with a secret of this source whose not_after had passed: the sender still"
            " uses the old one."
        ]
    for other in config.sources.values():
        if other.name == source.name or not other.secrets:
            continue
        always = [Secret(one.value) for one in other.secrets]
        if fits(source.scheme, request, always, now):
            return [
                f"It is signed with the secret of the source {other.name!r}: the two are swapped,"
                " or the sender has the wrong URL."
            ]
        if other.provider.name != source.provider.name and fits(other.scheme, request, always, now):
            return [
                f"It is what the source {other.name!r} ({other.provider.title}) takes: the sender"
                " has the wrong URL."
            ]
    return []


def _check_body(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether the signature is that of a body that somebody rewrote on the way."""
    for what, body in proxy_changes.original_bodies(request.body):
        if body != request.body and fits(
            source.scheme, replace(request, body=body), source.secrets, now
        ):
            return [
                f"The signature is right for the body {what}: something on the way (a proxy, a"
                " function) rewrote it."
            ]
    return []


def _check_url(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether it is signed for the URL by another name."""
    for url in proxy_changes.original_urls(request) if signs_url(source.scheme) else ():
        if url != request.url and fits(
            source.scheme, replace(request, url=url), source.secrets, now
        ):
            return [
                f"The signature is right for the URL {show_url(url)}, which is taken here for"
                f" {show_url(request.url)}: {PUBLIC_URL_STEP}"
            ]
    return []


def show_url(url: str) -> str:
    return repr(url.partition("?")[0][:MAX_VALUE_CHARS])


def _check_renamed_headers(
    request: Request, source: Source, _config: Config, now: float
) -> list[str]:
    """Whether all is right once its headers have their names again."""
    wanted = [
        name
        for one in find_envelopes(source.scheme)
        for name in headers_read(one)
        if name not in request.headers
    ]
    for name, once, headers in proxy_changes.original_headers(
        request.headers, list(dict.fromkeys(wanted))
    ):
        if fits(source.scheme, replace(request, headers=headers), source.secrets, now):
            return [
                f"The signature is right if the header {name[:MAX_HEADER_CHARS]!r} is read as"
                f" {once!r}: a proxy renamed it."
            ]
    return []


def _check_variants(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether it is signed in another way than the source expects."""
    for scheme in leaves(source.scheme):
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
        yield f"it lacks the {scheme.prefix!r} before it", {"prefix": ""}


_KEYS = {
    "utf8": "the secret is used as it is written",
    "base64": "the secret is decoded from base64 first",
    "whsec": "whsec_ is left away and the rest decoded from base64 first",
    "hex": "the secret is decoded from hexadecimal first",
}


def _check_missing_proof(
    request: Request, source: Source, _config: Config, _now: float
) -> list[str]:
    """Whether there is no proof where it is looked for, and what is there in its place."""
    wanted = [compile_locator(text) for text in proofs(source.scheme)]
    if not wanted or any(_is_there(request, locator) for locator in wanted):
        return []
    there = [name for name in request.headers if "signature" in name or "hmac" in name]
    near = [
        (name, locator) for name in request.headers for locator in wanted if _is_like(name, locator)
    ]
    if near:
        return [
            f"The signature is in the header {near[0][0][:MAX_HEADER_CHARS]!r}, not in"
            f" {near[0][1]}: a proxy renamed it."
        ]
    beside = (
        f"; there is {', '.join(repr(name[:MAX_HEADER_CHARS]) for name in there[:5])}"
        if there
        else ", and nothing like a signature at all"
    )
    advice = (
        ""
        if there or not source.scheme.needs_secret
        else ": no secret is set at the sender, or a proxy removed it"
    )
    what = (
        "token or password"
        if all(isinstance(one, Token | Basic) for one in leaves(source.scheme))
        else "signature"
    )
    return [f"The {what} is missing: it is looked for in {_named(wanted)}{beside}{advice}."]


def _is_there(request: Request, locator: Locator) -> bool:
    if locator.kind == "header" and locator.name.endswith("*"):
        return any(name.startswith(locator.name[:-1]) for name in request.headers)
    return bool(View(request).find(locator))


def _is_like(name: str, locator: Locator) -> bool:
    return locator.kind == "header" and proxy_changes.is_similar_header(name, locator.name)


def _named(wanted: Sequence[Locator]) -> str:
    return " or ".join(dict.fromkeys(str(locator) for locator in wanted))


def _check_pins(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether it is for another than the source pins, where the request shows that."""
    pinned = dict(getattr(source.scheme, "pinned", ()))
    for pin in pins_of(source.scheme):
        said = View(request).find(compile_locator(pin.at)) if ":" in pin.at else None
        if said and pin.name in pinned and said not in pinned[pin.name]:
            return [
                f"It is for another {pin.name} than the source pins: {said[:MAX_VALUE_CHARS]!r}."
            ]
    return []


def _check_sender(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether it looks like another provider's request: it has a header that only their rows
    name.
    """
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
