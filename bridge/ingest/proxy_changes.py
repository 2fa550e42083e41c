"""Changes that proxies make to a request: rewritten bodies, renamed headers, other URLs. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from bridge.core.http_messages import Request

MAX_NAME_PARTS = 12  # of a header's name, joined by hyphens
# headers in which proxies send the original host
HOST_HEADERS = ("x-forwarded-host", "x-original-host", "host")
_WRITERS: dict[str, dict[str, Any]] = {
    "compact JSON": {"separators": (",", ":"), "ensure_ascii": False},
    "compact JSON with \\u escapes": {"separators": (",", ":")},
    "JSON with blanks after , and :": {"ensure_ascii": False},
    "JSON with blanks after , and : and with \\u escapes": {},
    "JSON indented by 2": {"indent": 2, "ensure_ascii": False},
    "JSON with its keys sorted": {
        "separators": (",", ":"),
        "ensure_ascii": False,
        "sort_keys": True,
    },
}


def original_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the possible original bodies, each with a description of the change."""
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
            yield (
                f"written as {what}",
                json.dumps(value, **options).encode("utf-8", "surrogatepass"),
            )
    except (RecursionError, ValueError):
        return


def original_headers(
    headers: Mapping[str, str], wanted: Collection[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (present name, wanted name, possible original headers) for each possible renaming.

    First all usual changes of proxies at once (a prefix `x-original-`, `_` for `-`), then each
    other header as the wanted one.
    """
    before = {
        once: name for name in headers for once in original_names(name) if once not in headers
    }
    found = {one: before[one] for one in wanted if one in before}
    respelled = {**headers, **{once: headers[name] for once, name in before.items()}}
    for one, name in found.items():
        yield name, one, respelled
    for one in wanted:
        for name, value in headers.items():
            if name not in wanted and found.get(one) != name:
                yield name, one, {**headers, one: value}


def original_names(name: str) -> list[str]:
    """Return the names a header may have had before a proxy renamed it."""
    parts = name.replace("_", "-").split("-")[-MAX_NAME_PARTS:]
    names = ["-".join(parts[at:]) for at in range(len(parts))]
    return [*names, *(f"x-{one}" for one in names)]


def is_similar_header(name: str, other: str) -> bool:
    """Return whether a header's name is `other` with a prefix, without `x-`, or respelled."""
    bare = name.replace("_", "-")
    return bare != other and (bare.endswith(f"-{other}") or _letters(bare) == _letters(other))


def _letters(name: str) -> str:
    return name.removeprefix("x-").replace("-", "")


def original_urls(request: Request) -> Iterator[str]:
    """Yield the URLs that the sender may have called."""
    try:
        called = urlsplit(request.url)
    except ValueError:
        return
    hosts = [called.netloc, *(request.headers.get(name, "").strip() for name in HOST_HEADERS)]
    paths = (called.path, called.path.rstrip("/"), called.path.rstrip("/") + "/")
    for host in dict.fromkeys(filter(None, hosts)):
        for scheme in ("https", "http"):
            for path in dict.fromkeys(paths):
                yield f"{scheme}://{host}{path}" + (f"?{called.query}" if called.query else "")
