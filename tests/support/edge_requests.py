"""Requests to /hooks for every kind of answer, as bytes of a connection.

An HTTP edge answers each as `tests/data/hook_answers.json` has it. They go in this order to one
bridge, each on a connection of its own: a copy follows its original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from forms import MULTIPART, PNG, URLENCODED, multipart, part
from serving import SECRET, github, head, signature

from bridge.web.receiving import dry_run

KEY = "k" * 40
ENVIRON = {"FLOWBRIDGE_SECRET_KEY": KEY, "TOKEN": "a-long-random-token-of-ours"}
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}", max_body: 100 KiB}
  limited: {provider: github, secret: "${env:GITHUB_SECRET}", rate: 1/h}
  batch: {provider: hmac, secret: "${env:GITHUB_SECRET}", split: "body:events",
          event_id: "body:id", event_type: "body:type",
          verify: {header: X-Signature, prefix: "sha256="}}
  token: {provider: token, secret: "${env:TOKEN}", verify: {query: token}}
  dropbox: {provider: dropbox, secret: "${env:GITHUB_SECRET}"}
  xero: {provider: xero, secret: "${env:GITHUB_SECRET}"}
  unset: {provider: github, secret: "${env:NOT_SET}"}
  page:
    provider: form
    rate: 100/min and 100/min per address
    schema: {type: object, required: [name], properties: {name: {type: string, minLength: 2}}}
  away: {provider: form, rate: 100/min and 100/min per address, redirect: "https://example.com/thanks"}
  sites: {provider: form, rate: 100/min and 100/min per address, allowed_origins: ["https://example.com"]}
  files: {provider: form, rate: 100/min and 100/min per address, files: {types: [image]}}
routes:
  - {name: wanted, on: github wanted, inputs: {a: "${body.a}", q: "${query.x}"}, flow: local/echo}
  - {name: broken, on: github broken, inputs: {a: "${add(body.a, '1')}"}, flow: local/echo}
  - {name: each, on: batch, inputs: {a: "${body.id}"}, flow: local/echo}
"""
FORM = {"Content-Type": URLENCODED}
AS_JSON = {**FORM, "Accept": "application/json"}
AS_PAGE = {**FORM, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de"}
FRAMED = frozenset({"content-length", "transfer-encoding"})


@dataclass(frozen=True)
class RecordedRequest:
    """One request. `raw` is all that is sent."""

    name: str
    raw: bytes


def _post(
    name: str,
    source: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> RecordedRequest:
    """Return a request whose body has a length, unless `headers` frame it otherwise."""
    given = {"Connection": "close", **(headers or {})}
    if not FRAMED & {each.lower() for each in given} and (body or method == "POST"):
        given["Content-Length"] = str(len(body))
    return RecordedRequest(name, head(method, f"/hooks/{source}", given) + body)


def _event(delivery: str, body: bytes, event: str = "wanted", **more: str) -> dict[str, str]:
    return github(body, event, delivery, **more)


def _dry(source: str) -> dict[str, str]:
    return {dry_run.HEADER: dry_run.sign_token(KEY, source)}


def requests() -> Iterator[RecordedRequest]:
    """Yield the requests in their order."""
    yield from _webhooks()
    yield from _refusals()
    yield from _framings()
    yield from _dry_runs()
    yield from _forms()


def _webhooks() -> Iterator[RecordedRequest]:
    body = b'{"a": "b\xc3\xa9"}'
    yield _post("good", "github?x=1&y=%20", body, _event("d-1", body))
    yield _post("copy", "github?x=1&y=%20", body, _event("d-1", body))
    yield _post("copy of one that started nothing", "github", b"[]", _event("d-2", b"[]", "other"))
    yield _post("copy of it", "github", b"[]", _event("d-2", b"[]", "other"))
    yield _post("route that fails", "github", b'{"a": []}', _event("d-3", b'{"a": []}', "broken"))
    yield _post("not JSON", "github", b"{", _event("d-4", b"{"))
    yield _post("empty", "github", b"", _event("d-5", b""))
    yield _post("slash at the end", "github/", body, _event("d-6", body))
    yield _post("escaped path", "git%68ub", body, _event("d-7", body))
    yield _post(
        "form mode", "github", b"payload=%7B%7D", {**_event("d-8", b"payload=%7B%7D"), **FORM}
    )
    yield _post("odd headers", "github", body, _event("d-9", body, X_Odd="\xe9\t\x80,", X_Empty=""))
    many = b'{"events": [{"id": "1", "type": "t"}, {"id": "2", "type": "t"}, {"id": "1"}]}'
    yield _post("batch", "batch", many, {"X-Signature": signature(many)})
    yield _post("copy of the batch", "batch", many, {"X-Signature": signature(many)})
    yield _post("token in the query", f"token?token={ENVIRON['TOKEN']}&z", b"plain text")
    yield _post("handshake", "dropbox?challenge=abc", method="GET")
    yield _post("no handshake", "dropbox", method="GET")


def _refusals() -> Iterator[RecordedRequest]:
    yield _post(
        "bad signature",
        "github",
        b"{}",
        {**_event("r-1", b"{}"), "X-Hub-Signature-256": signature(b"[]")},
    )
    yield _post("no signature", "github", b"{}", {"X-GitHub-Event": "wanted"})
    yield _post("bare refusal", "xero", b"{}")
    yield _post("wrong token", "token?token=x", b"{}")
    yield _post("secret that is not set", "unset", b"{}", _event("r-2", b"{}"))
    yield _post("unknown source", "gihub", b"{}")
    yield _post("no source", "", b"{}")
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        yield _post(f"method {method}", "github", method=method)
    yield _post("within the rate", "limited", b"{}", _event("r-3", b"{}"))
    yield _post("over the rate", "limited", b"{}", _event("r-4", b"{}"))
    yield _post("too large", "github", b"", {"Content-Length": "102401"})


def _framings() -> Iterator[RecordedRequest]:
    body = b'{"a": "b"}'
    chunked = {"Transfer-Encoding": "chunked"}
    pieces = b"2\r\n" + body[:2] + b"\r\n8;x=y\r\n" + body[2:] + b"\r\n0\r\n\r\n"
    yield _post("chunked", "github", pieces, {**_event("f-1", body), **chunked})
    limit = b"x" * 102_400
    yield _post("as large as allowed", "github", limit, _event("f-2", limit))
    over = b"%x\r\n%s\r\n0\r\n\r\n" % (102_401, b"x" * 102_401)
    yield _post("chunked and too large", "github", over, {**_event("f-3", limit), **chunked})
    yield RecordedRequest(
        "HTTP/1.0",
        head("POST", "/hooks/github", {**_event("f-4", body), "Content-Length": "10"}).replace(
            b"HTTP/1.1", b"HTTP/1.0", 1
        )
        + body,
    )


def _dry_runs() -> Iterator[RecordedRequest]:
    body = b'{"a": "b"}'
    yield _post("dry run", "github", body, {**_event("y-1", body), **_dry("github")})
    yield _post("dry run that is refused", "github", body, _dry("github"))
    yield _post(
        "dry run with a token of another", "github", body, {**_event("y-2", body), **_dry("batch")}
    )
    yield _post("dry run too large", "github", b"", {"Content-Length": "102401", **_dry("github")})


def _forms() -> Iterator[RecordedRequest]:
    yield _post("form page", "page", b"name=Ann", AS_PAGE)
    yield _post("form JSON", "page", b"name=Bea&x=1", AS_JSON)
    yield _post(
        "form by fetch",
        "page",
        b'{"name": "Eve"}',
        {"Content-Type": "application/json", "Sec-Fetch-Mode": "cors"},
    )
    yield _post("form redirect", "away", b"name=Ann", AS_PAGE)
    yield _post("form invalid page", "page", b"name=A&note=%3Cb%3E", AS_PAGE)
    yield _post("form invalid JSON", "page", b"name=A", AS_JSON)
    yield _post("form empty", "page", b"", AS_JSON)
    yield _post("form unreadable", "page", b"\x81", AS_JSON)
    yield _post("form visited", "page", headers=AS_PAGE, method="GET")
    yield _post("form HEAD", "page", headers=AS_PAGE, method="HEAD")
    yield _post("form too large", "page", b"", {**AS_JSON, "Content-Length": "9999999"})
    yield _post(
        "form of a site", "sites", b"name=Ann", {**AS_JSON, "Origin": "https://example.com"}
    )
    yield _post(
        "form of another site", "sites", b"name=Ann", {**AS_JSON, "Origin": "https://evil.example"}
    )
    yield _post("preflight", "sites", headers={"Origin": "https://example.com"}, method="OPTIONS")
    yield _post("preflight of another site", "sites", headers={"Origin": "null"}, method="OPTIONS")
    body = multipart(part("name", b"Ann"), part("photo", PNG, "a.png", "image/png"))
    yield _post(
        "form with a file", "files", body, {"Content-Type": MULTIPART, "Accept": "application/json"}
    )
    yield _post(
        "form without files gets one",
        "away",
        body,
        {"Content-Type": MULTIPART, "Accept": "application/json"},
    )


assert SECRET not in ROUTES
