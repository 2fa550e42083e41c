"""The flow http_request."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlencode, urlunsplit

from bridge.core.http_messages import Answer, Call
from bridge.core.json_values import exceeds_depth
from bridge.core.model import JSON
from bridge.delivery.platforms.responses import USER_AGENT, dump, error_text, load, printable
from bridge.flows.context import MAX_RUN_OUTPUT_DEPTH, log
from bridge.flows.errors import FlowError
from bridge.flows.function import flow
from bridge.flows.ready.http_client import AddressPolicy, make_call, parse_url
from bridge.flows.ready.inputs import mapping, number, one_line, shorten, text

MAX_TIMEOUT_SECONDS: Final = 300.0  # seconds
MAX_BODY_CHARACTERS: Final = 5 * 1024 * 1024  # characters
# bytes as JSON, which writes a control character in six: both fit into the outputs of a run
MAX_OUTPUT_BODY_BYTES: Final = 768 * 1024
MAX_OUTPUT_HEADERS_BYTES: Final = 128 * 1024

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # a token of RFC 9110
#: Headers that follow from the URL and the body. Other values would allow request smuggling.
_RESERVED_HEADERS: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "proxy-connection",
        "accept-encoding",
    }
)
_STATUS: Final = re.compile(r"any|[1-5]xx|[1-5][0-9][0-9]")
_CHARSET: Final = re.compile(r"""charset=["']?([\w.:-]+)""", re.IGNORECASE)


@flow(time_limit=600)
def http_request(
    url: str,
    method: str | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    json: JSON = None,
    body: str | None = None,
    timeout: float = 30.0,
    expect: str = "2xx",
) -> dict[str, JSON]:
    """Calls a URL and returns `status`, `headers` and `body` of the answer.

    The returned `body` is a value if the answer is JSON, else text. `query` is added to the URL.
    `json` is sent as JSON, `body` as text. The default `method` is POST with `json` or `body`, else
    GET. A status other than `expect` (default 2xx; or 200, 404, any …) fails the run. Redirects are
    not followed. Private addresses are refused.
    """
    parts = _with_query(parse_url("url", text("url", url, 10**6)), mapping("query", query))
    content, content_type = _content(json, body)
    verb = one_line("method", method, 20).upper() or ("POST" if content_type else "GET")
    if not verb.isascii() or not verb.isalpha() or verb in ("CONNECT", "TRACE"):
        raise FlowError(
            f"method: {shorten(method)} is not allowed; use GET, POST, PUT, PATCH, DELETE, HEAD,"
            " OPTIONS or the like"
        )
    expected = _expected(expect)
    call = Call(
        method=verb,
        url=urlunsplit(parts),
        headers=_headers(mapping("headers", headers), content_type),
        body=content,
    )
    host = parts.hostname or ""
    answer = make_call(
        "url", call, AddressPolicy(host), number("timeout", timeout, MAX_TIMEOUT_SECONDS, 0.1)
    )
    log(
        f"{verb} {host}: HTTP {answer.status}, {len(answer.body)}"
        f" bytes{', cut' if answer.truncated else ''}"
    )
    if not expected & {"any", f"{answer.status // 100}xx", str(answer.status)}:
        raise FlowError(_unexpected(answer))
    kept_headers = _headers_that_fit(answer.headers)
    value, is_cut = _value(answer)
    outputs: dict[str, JSON] = {"status": answer.status, "headers": kept_headers, "body": value}
    is_cut = is_cut or answer.truncated or len(kept_headers) < len(answer.headers)
    return outputs | ({"truncated": True} if is_cut else {})


def _with_query(parts: SplitResult, query: Mapping[str, JSON]) -> SplitResult:
    pairs = [
        (name, single)
        for name, value in query.items()
        for single in (value if isinstance(value, list) else [value])
        if single is not None
    ]
    more = urlencode([(name, _plain(f"query.{name}", value)) for name, value in pairs])
    return parts._replace(query="&".join(filter(None, (parts.query, more))))


def _plain(name: str, value: JSON) -> str:
    """Return a text, a number or a boolean as text in the form of JSON."""
    return str(value).lower() if isinstance(value, bool) else text(name, value, MAX_BODY_CHARACTERS)


def _content(json: JSON, body: JSON) -> tuple[bytes, str]:
    """Return the content to send and its type; both empty for none."""
    if json is not None and body not in (None, ""):
        raise FlowError("json, body: only one of the two is allowed")
    if json is not None:
        return dump(json), "application/json"
    if isinstance(body, dict | list):
        raise FlowError("body: use a text; send an object or a list with `json`")
    content = text("body", body, MAX_BODY_CHARACTERS)
    return content.encode(), "text/plain; charset=utf-8" if content else ""


def _headers(requested: Mapping[str, JSON], content_type: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in requested.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
            raise FlowError(
                f"headers: {shorten(name)} cannot be set: it is not a valid name, or the call sets"
                " it itself"
            )
        line = one_line(f"headers.{name}", value, 8190)
        if not line.isascii():
            raise FlowError(f"headers.{name}: a header can contain ASCII only")
        headers[name] = line.strip()
    named = {name.lower() for name in headers}
    ours = {"User-Agent": USER_AGENT, "Accept": "*/*"} | (
        {"Content-Type": content_type} if content_type else {}
    )
    return headers | {name: value for name, value in ours.items() if name.lower() not in named}


def _expected(expect: JSON) -> frozenset[str]:
    listed = expect if isinstance(expect, list) else str(expect).split(",")
    statuses = frozenset(str(word).strip().lower() for word in listed)
    wrong = next((word for word in sorted(statuses) if not _STATUS.fullmatch(word)), None)
    if wrong is not None:
        raise FlowError(
            f"expect: {shorten(wrong)} is not allowed; use 2xx, 3xx … or statuses such as 404,"
            " joined by commas, or any"
        )
    return statuses


def _unexpected(answer: Answer) -> str:
    """Return the server's answer as the text of an error."""
    if answer.status // 100 == 3 and (location := answer.headers.get("location")):
        return (
            f"HTTP {answer.status}: redirect to {printable(location)}; redirects are not followed:"
            " use that URL if it is the right one"
        )
    return error_text(answer)


def _headers_that_fit(headers: Mapping[str, str]) -> dict[str, JSON]:
    """Return the headers of an answer, without those that are too large for the outputs."""
    fitting: dict[str, JSON] = {}
    room = MAX_OUTPUT_HEADERS_BYTES
    for name, value in headers.items():
        if (size := len(dump([name, value]))) <= room:
            fitting[name] = value
            room -= size
    return fitting


def _value(answer: Answer) -> tuple[JSON, bool]:
    """Return the body as JSON if its type says so, else as text, and whether the text is cut."""
    content_type = answer.headers.get("content-type", "").lower()
    said = content_type.partition(";")[0].strip()
    if not answer.truncated and (said.endswith(("/json", "+json"))):
        value = load(answer.body)
        if value is not None and _fits(value):
            return value, False
        if answer.body.strip() == b"null":
            return None, False
    content = _text(answer.body, content_type)
    if _fits(content):
        return content, False
    length = bisect_right(range(len(content)), False, key=lambda end: not _fits(content[:end])) - 1
    return content[:length], True


def _text(body: bytes, content_type: str) -> str:
    charset = _CHARSET.search(content_type)
    try:
        decoded = body.decode(charset[1] if charset else "utf-8", "replace")
    except (LookupError, UnicodeError):  # the latter from codecs of Python that are no charsets
        return body.decode("utf-8", "replace")
    return decoded.encode("utf-8", "replace").decode()  # without lone surrogates


def _fits(value: JSON) -> bool:
    """Return whether the value fits into the outputs as JSON.

    Parsed JSON may nest too deeply, and its numbers may become longer.
    """
    import orjson

    try:
        text = orjson.dumps(value)
    except TypeError:
        return False
    return len(text) <= MAX_OUTPUT_BODY_BYTES and not exceeds_depth(text, MAX_RUN_OUTPUT_DEPTH - 1)
