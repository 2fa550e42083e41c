"""Targets: the rows of the provider table. A signed sample is changed; what gets in must be what
was signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import orjson
from senders import KEY, Sender, sender
from signing import NOW

from bridge.core.errors import BadSignature, Refused
from bridge.core.http_messages import Request
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.signed_scheme import SignedScheme
from fuzz.choices import Choices, Finding, bounded

NAMES = tuple(name for name, row in PROVIDERS.items() if row.scheme is not None and name != "form")
SAMPLES = tuple((name, sample.type) for name in NAMES for sample in PROVIDERS[name].samples)
TYPES = (
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "",
    "multipart/form-data; boundary=b",
)


@cache
def _base(name: str, type_: str) -> tuple[Sender, Request, frozenset[bytes]]:
    one = sender(name)
    request = one.signed(type_)
    one.verify(request)
    return one, request, frozenset(_messages(one.scheme, request, one.secret))


def signatures(data: bytes) -> None:
    """A changed request is refused, or is one in which nothing that was signed is changed; and no
    change is a fault.
    """
    choices = Choices(data)
    one, good, signed = _base(*choices.one_of(SAMPLES))
    changed = good
    for _ in range(1 + choices.number(4)):
        changed = choices.one_of(CHANGES)(changed, choices)
    size = len(changed.body) + len(changed.query_string) + sum(map(len, changed.headers.values()))
    try:
        bounded(size, lambda: one.verify(changed))
    except BadSignature:
        return
    try:
        is_signed = set(_messages(one.scheme, changed, one.secret)) <= signed
    except BadSignature:  # it has none
        is_signed = False
    if not is_signed:
        raise Finding(f"{one.row.name}: what was not signed got in")
    try:
        _, events = bounded(size, lambda: one.receive(changed))
    except (BadSignature, Refused):
        return
    # A change may copy a secret that is sent as it is to a place of another name. Nobody but its
    # owner can, so that copy may stay.
    copied = repr(changed).count(KEY) - repr(good).count(KEY)
    if repr(events).count(KEY) > max(0, copied):
        raise Finding(f"{one.row.name}: the secret is in the event")


def unsigned(data: bytes) -> None:
    """What nothing proves becomes no event, and a test of the URL is answered with what no browser
    renders.
    """
    choices = Choices(data)
    one, _, signed = _base(*choices.one_of(SAMPLES))
    bare = replace(one.request(), method=choices.one_of(("POST", "GET", "HEAD", "OPTIONS")))
    if choices.number(2):
        body = choices.piece(400)
        bare = replace(
            bare, body=body, headers={**bare.headers, "content-type": choices.one_of(TYPES)}
        )
    for _ in range(choices.number(4)):
        bare = choices.one_of(CHANGES)(bare, choices)
    try:
        received, events = bounded(len(bare.body), lambda: one.receive(bare))
    except (BadSignature, Refused):
        return
    if events and one.is_proven and not set(_messages(one.scheme, bare, one.secret)) <= signed:
        raise Finding(f"{one.row.name}: an unsigned request is an event")
    reply = received.reply
    if (
        "html" in reply.content_type
        or one.secret.encode() in reply.body
        or len(reply.body) > 16 * 1024
    ):
        raise Finding(
            f"{one.row.name}: a test of the URL is answered with {reply.content_type},"
            f" {len(reply.body)} bytes"
        )


# -- what was signed


def _messages(scheme: Scheme, request: Request, secret: str) -> Iterator[bytes]:
    """Yield what the signature of the request stands for, the time included, by the scheme that
    looks at it.
    """
    if isinstance(scheme, SchemeBySecret):
        found = next((one for start, one in scheme.by_secret if secret.startswith(start)), None)
        yield from _messages(found, request, secret) if found else ()
    elif isinstance(scheme, HeaderSets):
        found = next(
            (
                one
                for start, one in scheme.sets
                if any(name.startswith(start) for name in request.headers)
            ),
            None,
        )
        yield from _messages(found, request, secret) if found else ()
    elif isinstance(scheme, SignedItems):
        for element in scheme._elements(request):
            yield from _messages(scheme.scheme, element, secret)
    elif isinstance(scheme, Jwt):
        token = (
            request.body
            if scheme.wraps
            else RequestView(request).find_bytes(scheme.compiled) or b""
        )
        yield token.rpartition(b".")[0].rpartition(b" ")[2] + (
            request.body if scheme.body_hash else b""
        )
    elif isinstance(scheme, SignedScheme):
        view = RequestView(request)
        scheme._open(view, NOW)
        view.key = scheme.key_of(secret)
        # What is not the template that fits is not signed; the first is, or the second where the
        # first does not fit.
        fits = [one.build(view) for one in scheme.compiled.signed]
        hashed = request.body if scheme._is_hashed(view) else b""
        yield fits[0] + b"\0" + hashed


# -- changes: (request, choices) -> request

Change = Callable[[Request, Choices], Request]


def _replaced(request: Request, choices: Choices) -> Request:
    at = choices.number(len(request.body) + 1)
    piece = choices.piece(24)
    return replace(request, body=request.body[:at] + piece + request.body[at + len(piece) :])


def _inserted(request: Request, choices: Choices) -> Request:
    at = choices.number(len(request.body) + 1)
    return replace(request, body=request.body[:at] + choices.piece(40) + request.body[at:])


def _cut(request: Request, choices: Choices) -> Request:
    at = choices.number(len(request.body) + 1)
    return replace(request, body=request.body[:at] + request.body[at + choices.number(40) :])


def _repeated(request: Request, choices: Choices) -> Request:
    at = choices.number(len(request.body) + 1)
    size = choices.number(200)
    piece = request.body[at : at + size]
    glue = choices.one_of((b"", b"&", b","))
    return replace(
        request, body=request.body[: at + size] + glue + piece + request.body[at + size :]
    )


def _moved(request: Request, choices: Choices) -> Request:
    """A mark of the body, `=` or `&`, goes somewhere else."""
    mark = choices.one_of((b"=", b"&", b'"', b"."))
    places = [
        index for index, byte in enumerate(request.body) if request.body[index : index + 1] == mark
    ]
    if not places:
        return request
    at = places[choices.number(len(places))]
    rest = request.body[:at] + request.body[at + 1 :]
    to = min(max(at + choices.number(17) - 8, 0), len(rest))
    return replace(request, body=rest[:to] + mark + rest[to:])


def _header(request: Request, choices: Choices) -> Request:
    name = choices.one_of(sorted(request.headers) or ["x"])
    value = request.headers.get(name, "")
    at = choices.number(len(value) + 1)
    piece = choices.piece(16).decode("latin-1")
    return replace(
        request,
        headers={**request.headers, name: value[:at] + piece + value[at + choices.number(4) :]},
    )


def _dropped(request: Request, choices: Choices) -> Request:
    name = choices.one_of(sorted(request.headers) or ["x"])
    return replace(
        request, headers={one: value for one, value in request.headers.items() if one != name}
    )


def _typed(request: Request, choices: Choices) -> Request:
    return replace(request, headers={**request.headers, "content-type": choices.one_of(TYPES)})


def _asked(request: Request, choices: Choices) -> Request:
    query = choices.piece(60).decode("latin-1")
    if choices.number(2) and request.query_string:
        query = f"{request.query_string}&{query}"
    return replace(
        request,
        query_string=query,
        url=request.url.partition("?")[0] + (f"?{query}" if query else ""),
    )


def _swapped(request: Request, choices: Choices) -> Request:
    """The fields of a form, or the keys of an object, in another order."""
    if b"&" in request.body:
        pairs = request.body.split(b"&")
        at = choices.number(len(pairs))
        return replace(request, body=b"&".join(pairs[at:] + pairs[:at]))
    try:
        document = orjson.loads(request.body)
        if isinstance(document, dict):
            return replace(request, body=orjson.dumps(dict(reversed(document.items()))))
    except (ValueError, TypeError):
        pass
    return request


CHANGES: tuple[Change, ...] = (
    _replaced,
    _inserted,
    _cut,
    _repeated,
    _moved,
    _header,
    _dropped,
    _typed,
    _asked,
    _swapped,
)
