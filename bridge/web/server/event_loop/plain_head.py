"""Reads the heads of nearly all webhooks by one match of a pattern.

gunicorn's parser in Python takes a step for each line and each byte. A plain head leaves it nothing
to decide: it arrived whole, it is short, no field is repeated, all is printable ASCII, and no field
but Content-Length changes how the body is framed. The parser reads every other head.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.core.records import record
from bridge.web.server.http_limits import HEAD_LIMITS

MAX_FIELDS: Final = HEAD_LIMITS["limit_request_fields"]
#: A head that is no longer than this has no line that is too long.
MAX_BYTES: Final = min(HEAD_LIMITS["limit_request_line"], HEAD_LIMITS["limit_request_field_size"])
#: Fields that the parser reads, whatever their values.
PARSER_FIELDS: Final = frozenset({"expect", "transfer-encoding", "upgrade"})
#: Values of Connection -> whether the client lets the connection be used again.
CONNECTIONS: Final = {"keep-alive": True, "close": False}
# Possessive: each byte is read once, whatever the bytes are.
_FIELD: Final = r"[A-Za-z0-9-]++:[ \t]*+[!-~][\t -~]*+\r\n"
_HEAD: Final = re.compile(
    rb"(GET|POST) (/[!-~]*+) HTTP/1\.1\r\n((?:%b){1,%d}+)\r\n" % (_FIELD.encode(), MAX_FIELDS)
)
_NAME_AND_VALUE: Final = re.compile(r"([^:]+):[ \t]*([^\r]+)\r\n")


@record
class PlainHead:
    """A plain head, and its `size` in bytes. `headers` have lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    size: int
    keeps_alive: bool


def read_plain_head(data: bytes) -> PlainHead | None:
    """Return the plain head that bytes begin with; None if the parser has to read them."""
    match = _HEAD.match(data, 0, MAX_BYTES)
    if match is None:
        return None
    fields = _NAME_AND_VALUE.findall(match[3].decode("ascii"))
    headers = {name.lower(): value.rstrip(" \t") for name, value in fields}
    keeps_alive = CONNECTIONS.get(headers.get("connection", "keep-alive").lower())
    if keeps_alive is None or len(headers) < len(fields) or not PARSER_FIELDS.isdisjoint(headers):
        return None
    return PlainHead(
        method=match[1].decode("ascii"),
        target=match[2].decode("ascii"),
        headers=headers,
        size=match.end(),
        keeps_alive=keeps_alive,
    )
