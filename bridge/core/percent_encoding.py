"""Decode percent-encoded bytes in bounded pieces. Pure.

The library's functions take up to 180 times the size of a body that is full of percent signs. Here
they see one piece at a time.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

# in a body that is decoded before its signature is verified: a tenth of a second. JSON in a form
# has many: a batch of Mandrill's events has at least a hundred for each.
MAX_ESCAPES = 500_000
PIECE_BYTES = 64 * 1024
_ESCAPE_BYTES = len(b"%41")


def exceeds_escapes(raw: bytes, limit: int = MAX_ESCAPES) -> bool:
    """Return whether `raw` has more than `limit` percent signs."""
    return len(raw) > limit and raw.count(b"%") > limit


def decode_percents(raw: bytes, piece_bytes: int = PIECE_BYTES) -> bytes:
    """Decode `raw`, and leave what is no escape as it is."""
    if len(raw) <= piece_bytes:
        return unquote_to_bytes(raw)
    decoded = bytearray()
    begin = 0
    while begin < len(raw):
        end = _find_cut(raw, begin + piece_bytes)
        decoded += unquote_to_bytes(raw[begin:end])
        begin = end
    return bytes(decoded)


def decode_field(raw: bytes) -> bytes:
    """Decode a name or a value of a urlencoded form, in which `+` is a space."""
    return decode_percents(raw.replace(b"+", b" "))


def decode_text(text: str) -> str:
    """Decode a name or a value that is text, as UTF-8; what is not UTF-8 is replaced."""
    return decode_field(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def parse_pairs(raw: bytes, max_fields: int) -> list[tuple[bytes, bytes]]:
    """Return the names and values of a urlencoded form, without empty fields.

    Raises `ValueError` if there are more than `max_fields`, empty ones included.
    """
    if raw.count(b"&") >= max_fields:
        raise ValueError("too many fields")
    halves = (pair.partition(b"=") for pair in raw.split(b"&") if pair)
    return [(decode_field(name), decode_field(value)) for name, _, value in halves]


def _find_cut(raw: bytes, end: int) -> int:
    """Return `end`, or the place of an escape that begins just before it."""
    escape = raw.rfind(b"%", end - _ESCAPE_BYTES + 1, end)
    return end if escape < 0 or end >= len(raw) else escape
