"""Templates of signed text, such as `v0:{timestamp}:{body}`: compiled once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from urllib.parse import quote, unquote, urlsplit
from zlib import crc32

from bridge.core.errors import BadSignature
from bridge.core.locators import URLENCODED, compile_locator
from bridge.providers.signatures.request_view import RequestView, raw_bytes

Part = Callable[[RequestView], bytes]


def _url_other_port(view: RequestView) -> bytes:
    """Return the URL with its default port added or removed (Twilio signs either)."""
    url = view.request.url
    try:
        scheme, rest = url.split("://", 1)
        host = urlsplit(url).netloc
        port = urlsplit(url).port
    except ValueError:
        raise BadSignature("malformed") from None
    default = {"https": 443, "http": 80}.get(scheme.lower())
    if default is None or port not in (None, default):
        return _url(url)
    other = f"{host}:{default}" if port is None else host.removesuffix(f":{default}")
    return _url(f"{scheme}://{other}{rest.removeprefix(host)}")


def _url(url: str) -> bytes:
    return url.encode("utf-8", "surrogatepass")


def _url_unescaped(view: RequestView) -> bytes:
    """Return the URL with the escapes of some characters decoded (HubSpot)."""
    return _url(HUBSPOT_ESCAPES.sub(lambda escape: unquote(escape[0]), view.request.url))


def _form_sorted(view: RequestView) -> bytes:
    """Return each name of the form with each value, both sorted and concatenated (Twilio)."""
    return _run_together(view, ())


def _form_of(names: list[str]) -> Part:
    """Return the part for a form with exactly these fields (Mandrill)."""
    return lambda view: _run_together(view, names)


def _run_together(view: RequestView, names: Sequence[str]) -> bytes:
    """Return the form as it is signed. Raise BadSignature if the text is ambiguous.

    The signed text does not show where a name ends, or how often a pair occurs. So no pair may
    repeat, each has its `=`, and a name has no character that values begin with. A boundary can
    then only be moved within letters and digits.
    """
    pairs = view.form()
    body = view.request.body
    is_form = bool(body) and view.request.content_type == URLENCODED
    if is_form and not (
        all(b"=" in pair for pair in body.split(b"&"))
        and all(FORM_FIELD_NAME.fullmatch(name) for name, _ in pairs)
    ):
        raise BadSignature("malformed")
    if len(set(pairs)) < len(pairs) or (
        names and sorted(name for name, _ in pairs) != sorted(names)
    ):
        raise BadSignature("malformed")
    return raw_bytes("".join(name + value for name, value in sorted(pairs)))


def _canonical_uri(view: RequestView) -> bytes:
    """Return path and query in Contentful's form: encodeURI of the path and the escaped query."""
    path = view.request.path
    query = view.request.query_string.partition("?")[0]
    escaped = quote(query, safe=JS_COMPONENT, errors="replace")
    whole = f"{path}?{escaped}" if query else path
    return quote(whole, safe=JS_URI, errors="replace").encode()


FIXED_PARTS: dict[str, Part] = {
    "body": lambda view: view.request.body,
    "body_sha256": lambda view: sha256(view.request.body).hexdigest().encode(),
    "body_crc32": lambda view: str(crc32(view.request.body)).encode(),
    "timestamp": lambda view: raw_bytes(view.timestamp),
    "method": lambda view: _url(view.request.method),
    "url": lambda view: _url(view.request.url),
    "url_other_port": _url_other_port,
    "url_unescaped": _url_unescaped,
    "canonical_uri": _canonical_uri,
    "path": lambda view: _url(view.request.path),
    "query": lambda view: _url(view.request.query_string),
    "form_sorted": _form_sorted,
    "secret": lambda view: view.key,
    "t": lambda view: _label(view, "t"),
}
HUBSPOT_ESCAPES = re.compile(
    "%(?:2[1478]|29|2[ACF]|3[ABF]|40)", re.IGNORECASE
)  # ! $ ' ( ) * , / : ; ? @
# characters, beside letters and digits, that JavaScript does not escape
JS_COMPONENT = "-_.!~*'()"
JS_URI = "-_.!~*'();,/?:@&=+$#"
# Twilio has names such as MessagingBinding.Address and SipHeader_X-Order
FORM_FIELD_NAME = re.compile("[A-Za-z][A-Za-z0-9_.-]{0,63}")
MAX_SIGNED_HEADERS = 50  # headers
# {h:Name}; a `?` after the name: empty where absent
LOCATED_PARTS = {"h": "header", "q": "query", "f": "form", "json": "body"}
ALLOWED_PARTS = (
    ", ".join(f"{{{name}}}" for name in FIXED_PARTS)
    + ", {label:NAME}, {h:NAME}, {q:NAME}, {f:NAME}, {json:PATH}, {pin:NAME},"
    " {headers:LIST,NAME,…}, {lines:PATH,PATH?,…}, {form_sorted:NAME,…}"
)
TEMPLATE_PART = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")


class SignedTemplate:
    """A compiled template. `parts` are the names in its braces; `needs_key`: the secret is one of
    them.

    `covers_body`: the whole body is signed; `form_only`: only the fields of a form are, all of
    them. `joins_fields`: they are signed as one text, which does not say where a name ends, unless
    it is the only one and known.
    """

    __slots__ = (
        "_pieces",
        "covers_body",
        "form_only",
        "headers",
        "joins_fields",
        "lists",
        "needs_key",
        "parts",
        "text",
    )

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = [piece for piece in TEMPLATE_PART.split(text) if piece]
        names = [piece[1:-1] for piece in pieces if _is_part(piece)]
        self._pieces = tuple(_compile(piece, text) for piece in pieces)
        self.parts = frozenset(names)
        self.needs_key = "secret" in self.parts
        self.covers_body = not self.parts.isdisjoint(("body", "body_sha256"))
        forms = [name for name in names if name.partition(":")[0] == "form_sorted"]
        self.form_only = bool(forms)
        self.joins_fields = any(":" not in name or "," in name for name in forms)
        self.headers = tuple(
            name[2:].lower() for name in names if name.startswith("h:") and not name.endswith("?")
        )
        #: the header that lists the signed ones -> those that must be in it
        listings = [name[8:].lower().split(",") for name in names if name.startswith("headers:")]
        self.lists = {listing: tuple(must) for listing, *must in listings}

    def build(self, view: RequestView) -> bytes:
        """Return the bytes to sign. Raise BadSignature if the request lacks a part."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces[0](view)
        return b"".join([piece(view) for piece in pieces])


def _is_part(piece: str) -> bool:
    return piece[0] == "{" and piece[-1] == "}"


def _compile(piece: str, text: str) -> Part:
    """Return the function that returns the bytes of a literal or a `{part}`."""
    if not _is_part(piece):
        literal = piece if piece not in ("{{", "}}") else piece[0]
        if literal == piece and ("{" in piece or "}" in piece):
            raise ValueError(
                f"signed {text!r}: a brace is not closed; write {{{{ for a literal one"
            )
        constant = literal.encode()
        return lambda _view: constant
    name = piece[1:-1]
    if name in FIXED_PARTS:
        return FIXED_PARTS[name]
    kind, _, rest = name.partition(":")
    if kind == "label" and rest:
        return lambda view: _label(view, rest)
    if kind in LIST_PARTS and rest:
        return LIST_PARTS[kind](rest.split(","))
    if kind not in LOCATED_PARTS or not rest:
        raise ValueError(f"signed {text!r}: {piece} is unknown; allowed are {ALLOWED_PARTS}")
    return _located(f"{LOCATED_PARTS[kind]}:{rest.removesuffix('?')}", optional=rest.endswith("?"))


def _located(text: str, optional: bool) -> Part:
    locator = compile_locator(text)

    def part(view: RequestView) -> bytes:
        value = view.find_bytes(locator)
        if value is None and not optional:
            raise BadSignature("missing")
        return value or b""

    return part


def _pin(names: list[str]) -> Part:
    """Return the value that the source pins."""

    def part(view: RequestView) -> bytes:
        values = view.pins.get(names[0])
        if not values:
            raise BadSignature("not_pinned")
        return values[0].encode("utf-8", "surrogatepass")

    return part


def _headers(names: list[str]) -> Part:
    """Return the headers that another one lists, as `name:value;…` by name (Contentful).

    That one and those named after it must be in the list.
    """
    listing, *must = map(str.lower, names)

    def part(view: RequestView) -> bytes:
        headers = view.request.headers
        if not (text := headers.get(listing)):
            raise BadSignature("missing")
        listed = sorted({name.strip().lower() for name in text.split(",", MAX_SIGNED_HEADERS)})
        if (
            len(listed) > MAX_SIGNED_HEADERS
            or not {listing, *must} <= set(listed)
            or not headers.keys() >= set(listed)
        ):
            raise BadSignature("malformed")
        return ";".join(f"{name}:{headers[name].strip()}" for name in listed).encode(
            "utf-8", "surrogatepass"
        )

    return part


def _lines(paths: list[str]) -> Part:
    r"""Return `Name\nvalue\n` for each of these fields in the body (SNS); `?` marks optional ones.

    Only the first may have more than one line, else one field of the signed message could be read
    as several.
    """
    located = [
        (
            path.removesuffix("?"),
            _located(f"body:{path.removesuffix('?')}", optional=False),
            path[-1] == "?",
        )
        for path in paths
    ]

    def part(view: RequestView) -> bytes:
        document = view.json()
        if not isinstance(document, dict):
            raise BadSignature("malformed")
        present = [
            (path, find)
            for path, find, optional in located
            if not (optional and path not in document)
        ]
        values = [find(view) for _, find in present]
        if any(b"\n" in value for value in values[1:]):
            raise BadSignature("malformed")
        return b"".join(
            path.encode() + b"\n" + value + b"\n"
            for (path, _), value in zip(present, values, strict=True)
        )

    return part


LIST_PARTS: dict[str, Callable[[list[str]], Part]] = {
    "pin": _pin,
    "headers": _headers,
    "lines": _lines,
    "form_sorted": _form_of,
}


def _label(view: RequestView, label: str) -> bytes:
    if label not in view.labels:
        raise BadSignature("malformed")
    return raw_bytes(view.labels[label])
