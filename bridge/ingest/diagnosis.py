"""Why a request failed verification: what would have made it pass, tried out on the kept copy when
somebody looks. Pure.

Never on receipt: a flood of bad requests must not buy work, and the sender is told nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import Locator, compile_locator
from bridge.core.model import Reject
from bridge.ingest import proxy_changes
from bridge.ingest.rejects import MOST, obstacle, request_of
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.key_source import NO_KEYS, Keys
from bridge.providers.signatures.locations import leaves, proofs, signs_url
from bridge.providers.signatures.pins import pins_of
from bridge.providers.signatures.request_view import View
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Basic, Token
from bridge.providers.signatures.signed_scheme import Envelope
from bridge.providers.signatures.timestamps import READ
from bridge.routing.model import Config, Source

SHOWN = 60  # characters of a header's name
MOST_SAID = 200  # characters of what is pinned
#: What was known when it came, where that is all that can be said.
REASONS = {
    "not_pinned": (
        "It is not from whom, or not for whom, the source's `pins` say; or it names a key on a host"
        " that is not the sender's."
    ),
    "no_secret": "The source had no secret that was live when it came.",
    "no_key": (
        "The sender's keys could not be fetched when it came, nor now: is its host reached from"
        " here?"
    ),
}
UNREADABLE = (
    "The proof cannot be looked for: the body is not the JSON that should hold it, or the form or"
    " query has too many fields."
)
PUBLIC_URL = "let FLOWBRIDGE_PUBLIC_URL be what the sender calls, without the path."
NOT_KEPT = (
    "What it showed as proof does not fit the secret here, and is not kept: once the two agree, let"
    " the sender send it again."
)


def diagnose(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> list[str]:
    """Return what is found, the most telling first; never a secret, a signature or a part of the
    body. Empty: nothing was found.
    """
    source = config.sources.get(reject.source)
    if source is None:
        return [obstacle(reject, config) or ""]
    if reject.event_ids:
        return ["It was readmitted, and is an event now."]
    request = request_of(reject)
    now = reject.received_at
    if verifies(reject, config, keys):
        return [
            "It verifies now, under the present routes.yaml: `flowbridge rejects readmit` lets"
            " it in."
        ]
    found: list[str] = []
    for look in LOOKS:
        try:
            found += look(request, source, config, now)
        except BadSignature:
            found += [] if reject.cut else [UNREADABLE]
    found += [REASONS[reject.reason]] if reject.reason in REASONS else []
    if reject.cut:
        found.append(
            f"Only the first {MOST} of its {reject.size} bytes are kept, so the signature cannot be"
            " tried out."
        )
    elif obstacle(reject, config):
        found.append(NOT_KEPT)
    elif not found and signs_url(source.scheme):
        found.append(
            f"Its sender signs the URL too, which is taken here for {_shown(request.url)}:"
            f" {PUBLIC_URL}"
        )
    return list(dict.fromkeys(found))


def verifies(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> bool:
    """Return whether the reject would pass under the present configuration, as of when it came."""
    if obstacle(reject, config):
        return False
    source = config.sources[reject.source]
    return fits(source.scheme, request_of(reject), source.secrets, reject.received_at, keys)


def fits(
    scheme: Scheme, request: Request, secrets: Sequence[Secret], now: float, keys: Keys = NO_KEYS
) -> bool:
    """Return whether the request is signed with one of the secrets."""
    try:
        scheme.verify(request, secrets, now, keys)
    except BadSignature:
        return False
    return True


# -- what is looked for: (request, source, configuration, when it came) -> sentences; BadSignature
# where that cannot be read


def _untaught(_request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether the sender has not told its secret yet."""
    if source.provider.learn is None or source.secrets:
        return []
    return [
        f"The source knows no secret yet: `flowbridge learn {source.name}` waits for"
        f" {source.provider.title} to tell it."
    ]


def _time(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether all is right but the time."""
    for scheme in _envelopes(source.scheme):
        if scheme.timestamp is None or (sent := sent_at(scheme, request)) is None:
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


def _secret_format(_request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether a live secret looks like another value, such as an API key."""
    live = [one.value for one in source.secrets if one.not_after is None or one.not_after > now]
    doubts = [
        doubt for value in live if (doubt := source.provider.doubt_of_secret(value)) is not None
    ]
    return [f"A secret of the source may be wrong: {doubt}." for doubt in doubts]


def _secret(request: Request, source: Source, config: Config, now: float) -> list[str]:
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


def _body(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether the signature is that of a body that somebody rewrote on the way."""
    for what, body in proxy_changes.bodies(request.body):
        if body != request.body and fits(
            source.scheme, replace(request, body=body), source.secrets, now
        ):
            return [
                f"The signature is right for the body {what}: something on the way (a proxy, a"
                " function) rewrote it."
            ]
    return []


def _url(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether it is signed for the URL by another name."""
    for url in proxy_changes.urls(request) if signs_url(source.scheme) else ():
        if url != request.url and fits(
            source.scheme, replace(request, url=url), source.secrets, now
        ):
            return [
                f"The signature is right for the URL {_shown(url)}, which is taken here for"
                f" {_shown(request.url)}: {PUBLIC_URL}"
            ]
    return []


def _shown(url: str) -> str:
    return repr(url.partition("?")[0][:MOST_SAID])


def _moved(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether all is right once its headers have their names again."""
    wanted = [
        name
        for one in _envelopes(source.scheme)
        for name in _read(one)
        if name not in request.headers
    ]
    for name, once, headers in proxy_changes.renamed(request.headers, list(dict.fromkeys(wanted))):
        if fits(source.scheme, replace(request, headers=headers), source.secrets, now):
            return [
                f"All is right once the header {name[:SHOWN]!r} is called {once!r} again: a proxy"
                " renamed it."
            ]
    return []


def _form(request: Request, source: Source, _config: Config, now: float) -> list[str]:
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


def _missing(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
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
            f"The signature stands in the header {near[0][0][:SHOWN]!r}, not in {near[0][1]}: a"
            " proxy renamed it."
        ]
    beside = (
        f"; there is {', '.join(repr(name[:SHOWN]) for name in there[:5])}"
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
    return locator.kind == "header" and proxy_changes.is_like(name, locator.name)


def _named(wanted: Sequence[Locator]) -> str:
    return " or ".join(dict.fromkeys(str(locator) for locator in wanted))


def _pinned(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether it is for another than the source pins, where the request shows that."""
    pinned = dict(getattr(source.scheme, "pinned", ()))
    for pin in pins_of(source.scheme):
        said = View(request).find(compile_locator(pin.at)) if ":" in pin.at else None
        if said and pin.name in pinned and said not in pinned[pin.name]:
            return [f"It is for another {pin.name} than the source pins: {said[:MOST_SAID]!r}."]
    return []


def _sender(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether it looks like another provider's request: it has a header that only their rows
    name.
    """
    own = set(_headers(source.scheme))
    for row in PROVIDERS.values():
        if row.scheme is None or row.name == source.provider.name:
            continue
        marks = [
            name for name in _headers(row.scheme) if name in request.headers and name not in own
        ]
        if marks and not own & set(request.headers):
            return [
                f"It looks like {row.title}: it has the header {marks[0]!r}, and"
                f" {source.provider.title} does not send that."
            ]
    return []


def _headers(scheme: Scheme) -> list[str]:
    places = [at for one in _envelopes(scheme) for at in one.compiled.at]
    places += [at for one in leaves(scheme) if isinstance(one, Token) for at in one.compiled]
    return [at.name for at in places if at.kind == "header" and at.name != "authorization"]


LOOKS = (
    _untaught,
    _secret_format,
    _time,
    _secret,
    _body,
    _url,
    _moved,
    _form,
    _missing,
    _pinned,
    _sender,
)


# -- what schemes say of a request


def _envelopes(scheme: Scheme) -> list[Envelope]:
    return [one for one in leaves(scheme) if isinstance(one, Envelope)]


def _read(scheme: Envelope) -> list[str]:
    """Return the headers that the scheme reads."""
    locators = [
        *scheme.compiled.at,
        scheme.compiled.time_at,
        *(locator for locator, _ in scheme.compiled.requires),
    ]
    named = [
        locator.name for locator in locators if locator is not None and locator.kind == "header"
    ]
    return [*named, *(name for signed in scheme.compiled.signed for name in signed.headers)]


def sent_at(scheme: Envelope, request: Request) -> float | None:
    """Return when the request says it was signed, or None where it does not say."""
    if scheme.timestamp is None:
        return None
    view = View(request)
    where = scheme.compiled.time_at
    try:
        text = view.find(where) if where else _label(scheme, view)
        return READ[scheme.timestamp.unit](text) if text and len(text) <= 64 else None
    except (BadSignature, ValueError, OverflowError, TypeError, IndexError):
        return None


def _label(scheme: Envelope, view: View) -> str | None:
    for locator in scheme.compiled.at:
        text = view.find(locator) or ""
        if text.startswith(scheme.prefix):
            labels = scheme.parse.read(text[len(scheme.prefix) :])[1]
            if scheme.compiled.time_label in labels:
                return labels[scheme.compiled.time_label]
    return None
