"""Parser for submitted forms, in every encoding that browsers and scripts use. Pure.

An unreadable form is refused with the reason, so that its author can fix it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from bridge.core.errors import FieldFault, Refused
from bridge.core.json_values import MAX_VALUES
from bridge.core.locators import URLENCODED
from bridge.core.multipart import (
    DEFAULT_FILE_NAME,
    MultipartError,
    Part,
    parse_parts,
    sanitize_file_name,
)
from bridge.core.percent_encoding import decode_field, exceeds_escapes
from bridge.ingest.bodies import ESCAPES_PROBLEM, MULTIPART, media_of, read_json
from bridge.ingest.forms.charsets import DEFAULT_CODEC, UTF_8, find_codec
from bridge.ingest.forms.nesting import Fields, gather_fields, shorten_name
from bridge.routing.form import FieldRules, Form

# browsers fill in a hidden field of this name:
# https://www.rfc-editor.org/rfc/rfc7578#section-4.6
CHARSET_FIELD: Final = "_charset_"
MAX_FIELD_NAME_CHARS: Final = 200
MAX_CHARACTER_BYTES: Final = 4  # in every supported charset
ACCEPTED_TYPES: Final = f"{URLENCODED}, {MULTIPART}, application/json or text/plain"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a submission: its number, field, name, and position in the body."""

    number: int
    field: str
    name: str
    begin: int
    end: int

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Sent:
    """A parsed submission. `fields` has an `Upload` for each file; `raw` is the body with them."""

    raw: bytes
    fields: Fields
    uploads: tuple[Upload, ...] = ()

    def content(self, upload: Upload) -> memoryview:
        """Return the bytes of a file, without copying them."""
        return memoryview(self.raw)[upload.begin : upload.end]


Pairs = Iterator[tuple[str, str | Upload]]


def read(form: Form, content_type: str, raw: bytes, *, max_depth: int) -> Sent:
    """Parse a submission.

    Raises `Refused` if it is unreadable (400), too large (413), or of an unknown type or charset
    (415).
    """
    media, options = media_of(content_type)
    charset = options.get("charset", "")
    if (
        media in ("", "application/json")
        or media.endswith("+json")
        or (media == "text/plain" and raw.lstrip()[:1] == b"{")
    ):
        return Sent(raw, _json(raw, charset, max_depth, form.fields.max))
    if media == MULTIPART:
        pairs = _multipart(raw, options.get("boundary", ""), charset, form.fields.max)
    elif media in _SPLITS:
        pairs = _decoded(_SPLITS[media](raw, form.fields), charset)
    else:
        raise Refused(415, "unknown_type", f"send the form as {ACCEPTED_TYPES}")
    named = [
        (name, value)
        for name, value in pairs
        if name and (name != CHARSET_FIELD or isinstance(value, Upload))
    ]
    if long := next((name for name, _ in named if len(name) > MAX_FIELD_NAME_CHARS), None):
        fault = FieldFault("name_too_long", limit=MAX_FIELD_NAME_CHARS)
        raise Refused(422, "invalid", "some fields are invalid", fields={shorten_name(long): fault})
    uploads = tuple(value for _, value in named if isinstance(value, Upload))
    if len(named) - len(uploads) > form.fields.max:
        raise _too_many(form.fields.max)
    return Sent(raw, gather_fields(named, nested=form.fields.nested), uploads)


def unreadable(message: str, fields: dict[str, FieldFault] | None = None) -> Refused:
    """Return the refusal of an unreadable form."""
    return Refused(400, "unreadable", message, fields=fields)


def _too_long(name: str, limit: int) -> Refused:
    return Refused(
        413,
        "too_large",
        "some fields are invalid",
        fields={shorten_name(name): FieldFault("too_long", limit=limit)},
    )


def _malformed(error: MultipartError) -> Refused:
    return unreadable(f"the multipart form cannot be read: {error}")


def _too_many(limit: int) -> Refused:
    return Refused(
        413,
        "too_many_fields",
        f"the form has too many fields; at most {limit} are allowed",
    )


# -- JSON


def _json(raw: bytes, charset: str, max_depth: int, max_fields: int) -> Fields:
    encoding = _encoding(charset)
    if encoding != UTF_8:
        raw = _text(raw, encoding, "").encode()
    read = read_json(raw, max_depth, MAX_VALUES)
    if read.problem or not isinstance(read.value, dict):
        raise unreadable(read.problem or "a JSON form must be an object of field names and values")
    if len(read.value) > max_fields:
        raise _too_many(max_fields)
    return read.value


# -- pairs of names and values, still as bytes


def _urlencoded(raw: bytes, rules: FieldRules) -> list[tuple[bytes, bytes]]:
    """Split a URL-encoded body: https://url.spec.whatwg.org/#urlencoded-parsing."""
    if raw.count(b"&") - raw.count(b"&&") > rules.max:
        raise _too_many(rules.max)
    if exceeds_escapes(raw):
        raise unreadable(ESCAPES_PROBLEM)
    halves = [pair.partition(b"=") for pair in raw.split(b"&") if pair]
    return [(decode_field(name), decode_field(value)) for name, _, value in halves]


def _lines(raw: bytes, rules: FieldRules) -> list[tuple[bytes, bytes]]:
    """Split a text/plain body into lines of NAME=VALUE; a line without = continues a value.

    A value is refused as soon as it has more bytes than the allowed characters can have.
    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#plain-text-form-data
    """
    fields: list[tuple[bytes, list[bytes]]] = []  # each with the lines of its value
    size = 0
    for ended in BytesIO(raw):
        line = ended.removesuffix(b"\n").removesuffix(b"\r")
        name, is_pair, value = line.partition(b"=")
        if is_pair:
            fields.append((name, [value]))
            size = len(value)
        elif fields:
            fields[-1][1].append(name)
            size += len(b"\r\n") + len(name)
        elif name:
            raise unreadable("a text/plain form must have lines of NAME=VALUE")
        if len(fields) > rules.max:
            raise _too_many(rules.max)
        if size > MAX_CHARACTER_BYTES * rules.max_length:
            raise _too_long(fields[-1][0].decode(UTF_8, "replace"), rules.max_length)
    return [(name, b"\r\n".join(lines)) for name, lines in fields]


_SPLITS: Final[Mapping[str, Callable[[bytes, FieldRules], list[tuple[bytes, bytes]]]]] = {
    URLENCODED: _urlencoded,
    "text/plain": _lines,
}


def _decoded(pairs: list[tuple[bytes, bytes]], charset: str) -> Pairs:
    said = next((value for name, value in pairs if name == CHARSET_FIELD.encode() and value), b"")
    encoding = _encoding(
        said.decode("latin-1") or charset, (text for pair in pairs for text in pair)
    )
    for name, value in pairs:
        text = _text(name, encoding, "")
        yield text, _text(value, encoding, text)


# -- multipart


def _multipart(raw: bytes, boundary: str, charset: str, max_fields: int) -> Pairs:
    try:
        parts = _bounded(parse_parts(raw, boundary), max_fields)
    except MultipartError as error:
        raise _malformed(error) from None
    said = next(
        (
            raw[field.begin : field.end]
            for field in parts
            if field.names[0] == CHARSET_FIELD and field.begin < field.end
        ),
        b"",
    )
    encoding = _encoding(said.decode("latin-1") or charset, _unmarked(raw, parts))
    uploads = 0
    for part in parts:
        name, filename = _named(part, encoding)
        if filename is None:
            own = part.type[1].get("charset", "")
            yield name, _text(raw[part.begin : part.end], _encoding(own) if own else encoding, name)
        elif filename or part.begin < part.end:
            # without both, it is an input in which no file was chosen
            name = name or DEFAULT_FILE_NAME
            yield (
                name,
                Upload(
                    uploads,
                    name.removesuffix("[]"),
                    sanitize_file_name(filename),
                    part.begin,
                    part.end,
                ),
            )
            uploads += 1


def _unmarked(raw: bytes, parts: list[Part]) -> Iterator[bytes]:
    """Yield the names, and the texts without a charset of their own."""
    for part in parts:
        yield part.headers.get("content-disposition", b"")
        if part.names[1] is None and "charset" not in part.type[1]:
            yield raw[part.begin : part.end]


def _bounded(parts: Iterator[Part], max_fields: int) -> list[Part]:
    """Return the parts, at most twice as many as fields: empty file inputs are parts too."""
    kept = []
    for part in parts:
        kept.append(part)
        if len(kept) > 2 * max_fields:
            raise _too_many(max_fields)
    return kept


def _named(part: Part, encoding: str) -> tuple[str, str | None]:
    try:
        return part.named(encoding)
    except UnicodeDecodeError:
        raise unreadable(f"the name of a field is not valid in the charset {encoding}") from None
    except MultipartError as error:
        raise _malformed(error) from None


# -- charsets


def _encoding(label: str, texts: Iterable[bytes] = ()) -> str:
    """Return the codec of a label.

    Without a label it is UTF-8 if all `texts` are valid UTF-8, else windows-1252: browsers use it
    for pages that declare no charset.
    """
    encoding = find_codec(label)
    if not label.strip() and not all(map(_is_utf_8, texts)):
        return DEFAULT_CODEC
    if encoding is None:
        raise Refused(
            415,
            "unknown_charset",
            "the charset of the form is unknown: use UTF-8",
        )
    return encoding


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes, encoding: str, name: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        fault = {shorten_name(name): FieldFault("not_in_charset", limit=encoding)} if name else None
        raise unreadable(
            f"the form cannot be read: it is not valid in the charset {encoding}", fault
        ) from None
