"""Static credentials of a request, replaced by a mask before anything of it is kept. Pure.

Each stands at a locator (`header:authorization`, `query:token`, `body:passcode`). In a body only
the bytes of the value change.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_from_bytes, unquote_plus, unquote_to_bytes

import orjson

from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED, compile_locator

MASK = "***"
_MASK = MASK.encode()
_JSON_MASK = orjson.dumps(MASK)
_IN_BODY = ("body:", "form:")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What of a source is not kept: paths of the body (a position stands for each of a list),
    headers (lower-case) and parameters.

    `secret_key` is that of the receipts: see `bridge.ingest.redaction.keyed`.
    """

    body: tuple[tuple[str, ...], ...] = ()
    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    secret_key: str = field(default="", repr=False)


def hidden(
    request: Request,
    locators: Collection[str],
    *,
    wrapped_in: str | None = None,
    verified: bool = True,
) -> Request:
    """Return `request` with a mask for what stands at the locators; the same object where there is
    nothing.

    `wrapped_in`: the form field that may hold the JSON. A list position in a locator stands for
    each of the list. Of a body that is not `verified`, what cannot be read is hidden too: nobody
    knows what stands there.
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
        and (query := _hidden_query(request.query_string, locators)) != request.query_string
    ):
        changes["query_string"] = query
        changes["url"] = request.url and f"{request.url.partition('?')[0]}?{query}"
    paths = [_path(locator) for locator in locators if locator.startswith(_IN_BODY)]
    if (
        paths
        and request.body
        and (body := _hidden_body(request, paths, wrapped_in, verified=verified)) != request.body
    ):
        changes["body"] = body
    return replace(request, **changes) if changes else request


def in_body(locator: str) -> bool:
    """Return whether a locator is of a place in the body."""
    return locator.startswith(_IN_BODY)


def within(locators: Collection[str], at: str) -> list[str]:
    """Return locators of the same values as seen from an element of the list at the dotted path
    `at` of the body.
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


def _hidden_query(query_string: str, locators: Collection[str]) -> str:
    return "&".join(
        f"{name}={MASK}" if f"query:{unquote_plus(name)}" in locators else pair
        for pair in query_string.split("&")
        for name in [pair.partition("=")[0]]
    )


def _hidden_body(
    request: Request, paths: Sequence[Path], wrapped_in: str | None, *, verified: bool
) -> bytes:
    """A scheme reads JSON under any content type, so a form is only what is no JSON. What only
    begins as JSON does is read as both.
    """
    is_json = request.body.lstrip()[:1] in (b"{", b"[")
    if request.content_type != URLENCODED or (is_json and _is_whole(request.body)):
        return _hidden_json(request.body, paths, verified=verified)
    shown = b"&".join(
        _hidden_field(pair, paths, wrapped_in, verified=verified)
        for pair in request.body.split(b"&")
    )
    return _hidden_json(shown, paths, verified=verified) if is_json else shown


def _is_whole(raw: bytes) -> bool:
    walk = _Walk(raw)
    deque(walk.spans(()), maxlen=0)
    return walk.is_whole


def _hidden_field(
    pair: bytes, paths: Sequence[Path], wrapped_in: str | None, *, verified: bool
) -> bytes:
    name, _, value = pair.partition(b"=")
    decoded = unquote_plus(name.decode("latin-1"))
    if (decoded,) in paths:
        return name + b"=" + _MASK
    if decoded != wrapped_in:
        return pair
    text = unquote_to_bytes(value.replace(b"+", b" "))
    shown = _hidden_json(text, paths, verified=verified)
    return pair if shown == text else name + b"=" + quote_from_bytes(shown, safe="").encode()


# -- JSON


def rewritten(raw: bytes, paths: Sequence[Path], mark: Callable[[bytes], bytes]) -> bytes | None:
    """Return JSON with another value in the place of each at the paths, which `mark` makes of its
    bytes; None where it is no JSON.
    """
    walk = _Walk(raw)
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


def _hidden_json(raw: bytes, paths: Sequence[Path], *, verified: bool) -> bytes:
    if not verified and raw.lstrip()[:1] not in (b"{", b"["):
        return _MASK
    walk = _Walk(raw)
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
#: What is allowed -> which tokens that may be.
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
class _Open:
    """An object or list that has not ended: the paths that lead on into it, and where it begins if
    it is hidden whole.
    """

    is_object: bool
    paths: Sequence[Path]
    hidden_from: int | None


@dataclass(slots=True)
class _Walk:
    """Reads JSON without recursion, token by token, as far as it is JSON: up to `read`."""

    raw: bytes
    read: int = 0
    is_whole: bool = False
    expected: str = "value"
    around: list[_Open] = field(default_factory=list)

    def spans(self, paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
        """Yield where values at `paths` begin and end, in order, all of them where a key comes
        twice.
        """
        ahead = paths  # those that lead into the value that comes next
        while (found := _TOKEN.match(self.raw, self.read)) and (
            kind := found.lastgroup
        ) in _ALLOWED[self.expected]:
            begin, end = found.span(kind)
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
                name = _text(found[kind])
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
            (one.hidden_from, len(self.raw)) for one in self.around if one.hidden_from is not None
        )

    def _open(self, begin: int, ahead: Sequence[Path]) -> Sequence[Path]:
        """Enter an object or list, and return the paths that lead into what comes next: none inside
        of what is hidden whole.
        """
        is_object = self.raw[begin] == ord("{")
        is_hidden = () in ahead
        if is_hidden:
            ahead = ()
        elif not is_object:
            ahead = [path[1:] for path in ahead if path[0].isdigit()]
        self.around.append(_Open(is_object, ahead, begin if is_hidden else None))
        self.expected = "first key" if is_object else "first"
        return ahead

    def _after_value(self) -> None:
        self.expected = "more" if self.around else "nothing"


def _text(token: bytes) -> str | None:
    try:
        return str(orjson.loads(token)) if b"\\" in token else token[1:-1].decode()
    except ValueError:
        return None
