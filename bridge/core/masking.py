"""Mask static credentials in a request before any of it is stored. Pure.

A locator says where each is (`header:authorization`, `query:token`, `body:passcode`). In a body
only the bytes of the value change.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_from_bytes, unquote_plus

import orjson

from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED, compile_locator
from bridge.core.percent_encoding import decode_field

MASK = "***"
_MASK = MASK.encode()
_JSON_MASK = orjson.dumps(MASK)
_IN_BODY = ("body:", "form:")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Values of a source that are not stored: body paths, lower-case headers, and parameters.

    A number in a path matches every item of a list. `secret_key` is the key of the fingerprints:
    see `bridge.ingest.redaction.add_keys`.
    """

    body: tuple[tuple[str, ...], ...] = ()
    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    secret_key: str = field(default="", repr=False)


def mask_request(
    request: Request,
    locators: Collection[str],
    *,
    wrapped_in: str | None = None,
    verified: bool = True,
) -> Request:
    """Return `request` with the values at the locators masked; the same object if there are none.

    `wrapped_in`: the form field that may hold the JSON. A number in a locator matches every item of
    a list. In a body that is not `verified`, everything that cannot be parsed is masked too, since
    a credential may be in it.
    """
    changes: dict[str, Any] = {}
    if names := [
        name
        for locator in locators
        if locator.startswith("header:") and (name := locator[7:]) in request.headers
    ]:
        changes["headers"] = {**request.headers, **dict.fromkeys(names, MASK)}
    if (
        request.query_string
        and (query := _mask_query(request.query_string, locators)) != request.query_string
    ):
        changes["query_string"] = query
        changes["url"] = request.url and f"{request.url.partition('?')[0]}?{query}"
    paths = [_path(locator) for locator in locators if locator.startswith(_IN_BODY)]
    if (
        paths
        and request.body
        and (body := _mask_body(request, paths, wrapped_in, verified=verified)) != request.body
    ):
        changes["body"] = body
    return replace(request, **changes) if changes else request


def is_body_locator(locator: str) -> bool:
    """Return whether a locator points into the body."""
    return locator.startswith(_IN_BODY)


def locators_within_items(locators: Collection[str], at: str) -> list[str]:
    """Return the locators that point into items of a list, relative to the item.

    `at` is the dotted path of the list in the body.
    """
    list_at = f"body:{at}." if at else "body:"
    inner = [
        locator.removeprefix(list_at).partition(".")
        for locator in locators
        if locator.startswith(list_at)
    ]
    return [f"body:{path}" for position, _, path in inner if position.isdigit() and path]


def _path(locator: str) -> Path:
    compiled = compile_locator(locator)
    return compiled.path or (compiled.name,)


def _mask_query(query_string: str, locators: Collection[str]) -> str:
    return "&".join(
        f"{name}={MASK}" if f"query:{unquote_plus(name)}" in locators else pair
        for pair in query_string.split("&")
        for name in [pair.partition("=")[0]]
    )


def _mask_body(
    request: Request, paths: Sequence[Path], wrapped_in: str | None, *, verified: bool
) -> bytes:
    """Mask values in a body.

    Signature schemes read JSON under any content type, so only a body that is not JSON is a form. A
    body that only begins as JSON is read as both.
    """
    is_json = request.body.lstrip()[:1] in (b"{", b"[")
    if request.content_type != URLENCODED or (is_json and _is_whole(request.body)):
        return _mask_json(request.body, paths, verified=verified)
    masked = b"&".join(
        _mask_field(pair, paths, wrapped_in, verified=verified) for pair in request.body.split(b"&")
    )
    return _mask_json(masked, paths, verified=verified) if is_json else masked


def _is_whole(raw: bytes) -> bool:
    walk = _JsonTokenizer(raw)
    deque(walk.spans(()), maxlen=0)
    return walk.is_whole


def _mask_field(
    pair: bytes, paths: Sequence[Path], wrapped_in: str | None, *, verified: bool
) -> bytes:
    name, _, value = pair.partition(b"=")
    decoded = decode_field(name).decode("utf-8", "replace")
    if (decoded,) in paths:
        return name + b"=" + _MASK
    if decoded != wrapped_in:
        return pair
    text = decode_field(value)
    masked = _mask_json(text, paths, verified=verified)
    return pair if masked == text else name + b"=" + quote_from_bytes(masked, safe="").encode()


# -- JSON


def rewrite_values(
    raw: bytes, paths: Sequence[Path], mark: Callable[[bytes], bytes]
) -> bytes | None:
    """Return JSON with each value at the paths replaced by `mark` of its bytes; None if it is not
    JSON.
    """
    walk = _JsonTokenizer(raw)
    pieces = []
    at = 0
    for begin, end in walk.spans(paths):
        pieces += [raw[at:begin], mark(raw[begin:end])]
        at = end
    return (
        b"".join([*pieces, raw[at:]])
        if walk.is_whole and raw.lstrip()[:1] in (b"{", b"[")
        else None
    )


def _mask_json(raw: bytes, paths: Sequence[Path], *, verified: bool) -> bytes:
    if not verified and raw.lstrip()[:1] not in (b"{", b"["):
        return _MASK
    walk = _JsonTokenizer(raw)
    pieces = []
    at = 0
    for begin, end in walk.spans(paths):
        pieces += [raw[at:begin], _JSON_MASK]
        at = end
    if verified or walk.is_whole:
        return b"".join([*pieces, raw[at:]])
    return b"".join([*pieces, raw[at : max(at, walk.read)], _MASK])


_TOKEN = re.compile(
    rb'[ \t\r\n]*+(?:(?P<string>"[^"\\\x00-\x1f]*+(?:\\["\\/bfnrtu][^"\\\x00-\x1f]*+)*+")'
    rb"|(?P<word>-?[0-9][-+.0-9eE]*+|true|false|null)"
    rb"|(?P<open>[\[{])|(?P<close>[]}])|(?P<colon>:)|(?P<comma>,))"
)
_BLANK = re.compile(rb"[ \t\r\n]*+")
#: Parser state -> kinds of tokens that are allowed.
_ALLOWED = {
    "value": ("string", "word", "open"),
    "first": ("string", "word", "open", "close"),
    "key": ("string",),
    "first key": ("string", "close"),
    "colon": ("colon",),
    "more": ("comma", "close"),
    "nothing": (),
}


@dataclass(slots=True)
class _OpenContainer:
    """An open object or list: the paths into it, and where it begins if all of it is masked."""

    is_object: bool
    paths: Sequence[Path]
    hidden_from: int | None


@dataclass(slots=True)
class _JsonTokenizer:
    """JSON tokenizer without recursion, which reads as far as the text is JSON: up to `read`."""

    raw: bytes
    read: int = 0
    is_whole: bool = False
    expected: str = "value"
    around: list[_OpenContainer] = field(default_factory=list)

    def spans(self, paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each value at `paths`, in order, also of repeated keys."""
        ahead = paths  # that lead into the next value
        while (token := _TOKEN.match(self.raw, self.read)) and (
            kind := token.lastgroup
        ) in _ALLOWED[self.expected]:
            begin, end = token.span(kind)
            if kind == "open":
                ahead = self._open(begin, ahead)
            elif kind == "close":
                if self.around[-1].is_object != (self.raw[begin] == ord("}")):
                    break
                if (start := self.around.pop().hidden_from) is not None:
                    yield start, end
                self._after_value()
            elif kind == "comma":
                ahead = self.around[-1].paths
                self.expected = "key" if self.around[-1].is_object else "value"
            elif kind == "colon":
                self.expected = "value"
            elif self.expected in ("key", "first key"):
                name = _text(token[kind])
                if name is None:
                    break
                ahead = [path[1:] for path in self.around[-1].paths if path[0] == name]
                self.expected = "colon"
            else:
                if () in ahead:
                    yield begin, end
                self._after_value()
            self.read = end
        self.is_whole = (
            self.expected == "nothing" and _BLANK.fullmatch(self.raw, self.read) is not None
        )
        yield from (
            (container.hidden_from, len(self.raw))
            for container in self.around
            if container.hidden_from is not None
        )

    def _open(self, begin: int, ahead: Sequence[Path]) -> Sequence[Path]:
        """Enter an object or list, and return the paths that lead into the next value.

        Inside of a container that is masked whole there are none.
        """
        is_object = self.raw[begin] == ord("{")
        is_hidden = () in ahead
        if is_hidden:
            ahead = ()
        elif not is_object:
            ahead = [path[1:] for path in ahead if path[0].isdigit()]
        self.around.append(_OpenContainer(is_object, ahead, begin if is_hidden else None))
        self.expected = "first key" if is_object else "first"
        return ahead

    def _after_value(self) -> None:
        self.expected = "more" if self.around else "nothing"


def _text(token: bytes) -> str | None:
    try:
        return str(orjson.loads(token)) if b"\\" in token else token[1:-1].decode()
    except ValueError:
        return None
