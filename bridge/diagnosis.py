"""Why a request failed verification: what would have made it pass, tried out on the kept copy when somebody looks. Pure.

Never on receipt: a flood of bad requests must not buy work, and the sender is told nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from bridge.errors import BadSignature
from bridge.locate import Locator
from bridge.model import Reject, Request
from bridge.providers import PROVIDERS
from bridge.rejects import obstacle, request_of
from bridge.routes import Config, Source
from bridge.signatures import NO_KEYS, AnyOf, HeaderSets, Hmac, Keys, Scheme, Secret
from bridge.signatures.envelope import Envelope
from bridge.signatures.timestamps import READ
from bridge.signatures.view import View

SHOWN = 60  # characters of a header's name


def diagnose(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> list[str]:
    """Return what is found, the most telling first; never a secret, a signature or a part of the body. Empty: nothing was found."""
    source = config.sources.get(reject.source)
    if source is None:
        return [obstacle(reject, config) or ""]
    request, now = request_of(reject), reject.received_at
    if verifies(reject, config, keys):
        return ["It verifies now, under the present routes.yaml: `flowbridge rejects readmit` lets it in."]
    found: list[str] = []
    for look in LOOKS:
        found += look(request, source, config, now)
    if reject.cut:
        found.append(f"{obstacle(reject, config)}, so the signature cannot be tried out.")
    return list(dict.fromkeys(found))


def verifies(reject: Reject, config: Config, keys: Keys = NO_KEYS) -> bool:
    """Return whether the reject would pass under the present configuration, as of when it came."""
    if obstacle(reject, config):
        return False
    source = config.sources[reject.source]
    return fits(source.scheme, request_of(reject), source.secrets, reject.received_at, keys)


def fits(scheme: Scheme, request: Request, secrets: Sequence[Secret], now: float, keys: Keys = NO_KEYS) -> bool:
    """Return whether the request is signed with one of the secrets."""
    try:
        scheme.verify(request, secrets, now, keys)
    except BadSignature:
        return False
    return True


def leaves(scheme: Scheme) -> Iterator[Scheme]:
    """Yield the schemes that a choice is made of."""
    parts = [one for _, one in scheme.by_secret] if isinstance(scheme, AnyOf) else []
    parts += [one for _, one in scheme.sets] if isinstance(scheme, HeaderSets) else []
    for part in parts:
        yield from leaves(part)
    if not parts:
        yield scheme


# -- what is looked for: (request, source, configuration, when it came) -> sentences


def _time(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether all is right but the time."""
    for scheme in _envelopes(source.scheme):
        if scheme.timestamp is None or (sent := sent_at(scheme, request)) is None:
            continue
        age = now - sent
        if abs(age) <= scheme.timestamp.tolerance:
            continue
        signed = fits(source.scheme, request, source.secrets, sent)
        when = f"{abs(age):.0f} seconds {'before' if age > 0 else 'after'} it came, and {scheme.timestamp.tolerance:g} are allowed"
        if signed and age > 0:
            return [f"The signature is right, but was made {when}: an old request sent again, or a clock that is wrong."]
        if signed:
            return [f"The signature is right, but was made {when}: this machine's clock is slow, or the sender's is fast."]
        return [f"It says that it was signed {when}."]
    return []


def _secret(request: Request, source: Source, config: Config, now: float) -> list[str]:
    """Whether another secret fits."""
    ended = [Secret(one.value) for one in source.secrets if one.not_after is not None and one.not_after <= now]
    if ended and fits(source.scheme, request, ended, now):
        return ["It is signed with a secret of this source whose not_after had passed: the sender still uses the old one."]
    for other in config.sources.values():
        if other.name == source.name or not other.secrets:
            continue
        always = [Secret(one.value) for one in other.secrets]
        if fits(source.scheme, request, always, now):
            return [f"It is signed with the secret of the source {other.name!r}: the two are swapped, or the sender has the wrong URL."]
        if other.provider.name != source.provider.name and fits(other.scheme, request, always, now):
            return [f"It is what the source {other.name!r} ({other.provider.title}) takes: the sender has the wrong URL."]
    return []


def _body(request: Request, source: Source, _config: Config, now: float) -> list[str]:
    """Whether the signature is that of a body that somebody rewrote on the way."""
    for what, body in rewritten(request.body):
        if body != request.body and fits(source.scheme, replace(request, body=body), source.secrets, now):
            return [f"The signature is right for the body {what}: something on the way (a proxy, a function) rewrote it."]
    return []


def rewritten(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ways in which bodies are changed on the way, each with what it may have been before."""
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
            yield f"written as {what}", json.dumps(value, **options).encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError):
        return


_WRITERS: dict[str, dict[str, Any]] = {
    "compact JSON": {"separators": (",", ":"), "ensure_ascii": False},
    "compact JSON with \\u escapes": {"separators": (",", ":")},
    "JSON with blanks after , and :": {"ensure_ascii": False},
    "JSON with blanks after , and : and with \\u escapes": {},
    "JSON indented by 2": {"indent": 2, "ensure_ascii": False},
    "JSON with its keys sorted": {"separators": (",", ":"), "ensure_ascii": False, "sort_keys": True},
}


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
            yield f"written as {encoding}, where {scheme.encoding} is expected", {"encoding": encoding}
    for key, what in _KEYS.items():
        if key != scheme.key and not scheme.plain:
            yield f"{what} (expected: {_KEYS.get(scheme.key, scheme.key)})", {"key": key}
    for algorithm in ("sha1", "sha256", "sha512"):
        if algorithm != scheme.algorithm:
            yield f"made with {algorithm}, where {scheme.algorithm} is expected", {"algorithm": algorithm}
    if scheme.prefix:
        yield f"it lacks the {scheme.prefix!r} before it", {"prefix": ""}


_KEYS = {
    "utf8": "the secret is used as it is written",
    "base64": "the secret is decoded from base64 first",
    "whsec": "whsec_ is left away and the rest decoded from base64 first",
    "hex": "the secret is decoded from hexadecimal first",
}


def _missing(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Which headers are not there, and what is there in their place."""
    wanted = [locator for scheme in _envelopes(source.scheme) for locator in scheme.compiled.at]
    if not wanted or any(View(request).find(locator) for locator in wanted if locator.kind != "body"):
        return []
    there = [name for name in request.headers if "signature" in name or "hmac" in name]
    near = [name for name in request.headers for locator in wanted if _alike(name, locator)]
    if near:
        return [f"The signature stands in the header {near[0][:SHOWN]!r}, not in {_named(wanted)}: a proxy renamed it."]
    beside = f"; there is {', '.join(repr(name[:SHOWN]) for name in there[:5])}" if there else ", and nothing like a signature at all"
    advice = "" if there else ": no secret is set at the sender, or a proxy removed it"
    return [f"The signature is missing: it is looked for in {_named(wanted)}{beside}{advice}."]


def _alike(name: str, locator: Locator) -> bool:
    return locator.kind == "header" and name != locator.name and _bare(name) == _bare(locator.name)


def _bare(name: str) -> str:
    return name.replace("_", "-").removeprefix("x-").replace("-", "")


def _named(wanted: Sequence[Locator]) -> str:
    return " or ".join(dict.fromkeys(str(locator) for locator in wanted))


def _sender(request: Request, source: Source, _config: Config, _now: float) -> list[str]:
    """Whether it looks like another provider's request: it has a header that only their rows name."""
    own = set(_headers(source.scheme))
    for row in PROVIDERS.values():
        if row.scheme is None or row.name == source.provider.name:
            continue
        marks = [name for name in _headers(row.scheme) if name in request.headers and name not in own]
        if marks and not own & set(request.headers):
            return [f"It looks like {row.title}: it has the header {marks[0]!r}, and {source.provider.title} does not send that."]
    return []


def _headers(scheme: Scheme) -> list[str]:
    return [at.name for one in _envelopes(scheme) for at in one.compiled.at if at.kind == "header" and at.name != "authorization"]


LOOKS = (_time, _secret, _body, _form, _missing, _sender)


# -- what schemes say of a request


def _envelopes(scheme: Scheme) -> list[Envelope]:
    return [one for one in leaves(scheme) if isinstance(one, Envelope)]


def sent_at(scheme: Envelope, request: Request) -> float | None:
    """Return when the request says it was signed, or None where it does not say."""
    if scheme.timestamp is None:
        return None
    view, where = View(request), scheme.compiled.time_at
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
