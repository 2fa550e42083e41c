"""Targets: what routes make of a payload, and what is kept of one that holds a credential."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import orjson
from signing import NOW

from bridge.config.loader import load
from bridge.core.http_messages import Request
from bridge.core.masking import mask_request
from bridge.core.model import Event
from bridge.ingest.bodies import decode
from bridge.routing.model import Config
from bridge.routing.planner import plan
from fuzz.choices import Choices, Finding, bounded

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TOKEN = "tok_0123456789abcdefghij"
ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  any: {provider: hmac, insecure: true, verify: {header: X-Sig}}
routes:
  - name: operators
    on: any
    match:
      body.a: {gt: 1}
      body.b: {regex: "^(a+)+$"}
      body.c: {contains: x}
      body.d: {starts_with: "y"}
      any: [{body.e: {in: [1, "2", null]}}, {body.f: {exists: true}}]
      not: {body.g: {lte: "m"}}
    inputs: {a: "${body}"}
    flow: local/echo
  - name: functions
    on: any
    inputs:
      texts: "${lower(to_string(body.a))} ${upper(to_string(body.b))} ${replace(to_string(body.c), 'a', 'bb')}"
      split: "${split(to_string(body.d), ',')}"
      money: "${money(body.e, body.f)}"
      time: "${format_time(body.g, '%Y')}"
      sum: "${add(body.a, body.b)}"
      quotient: "${div(body.a, body.b)}"
      hash: "${sha256(to_string(body.h))}"
      json: "${json(to_string(body.i))}"
      names: "${join(', ', body.list[].name)}"
      form: "${form}"
      query: "${query.a}"
    flow: local/echo
  - {name: whole, on: any, when: "body.a.b && length(body.c) > `2`", inputs: "${body}", flow: local/echo}
  - name: schema
    on: any
    payload_schema:
      type: object
      required: [a]
      properties: {a: {type: [string, number], pattern: "^(a|aa)+$", format: email}, b: {type: array, uniqueItems: true}}
    inputs: {a: "${body.a}"}
    flow: local/echo
"""


@cache
def _config() -> Config:
    path = Path(tempfile.mkdtemp(prefix="flowbridge-fuzz-")) / "routes.yaml"
    path.write_text(ROUTES)
    return load(path, {})


def plans(data: bytes) -> None:
    """Whatever a payload holds, each route of it makes a delivery, a reason or nothing; no payload
    is a fault.
    """
    choices = Choices(data)
    config = _config()
    kind = choices.one_of((JSON, FORM, "text/plain"))
    query = choices.piece(40).decode("latin-1")
    raw = choices.body()[: 64 * 1024]
    body = decode(kind, raw, max_depth=100)
    if body.problem is not None:
        return
    event = Event(
        id="evt_0123456789abcdefghjkmnpqrs",
        source="any",
        provider="hmac",
        type=None,
        provider_id=None,
        received_at=NOW,
        headers={"content-type": kind},
        query_string=query,
        body=raw,
        body_sha256="",
        config_hash=config.hash,
    )
    for delivery in bounded(8 * len(raw), lambda: plan(event, body, config.routes_of("any"), NOW)):
        if delivery.reason is not None and (
            "\0" in delivery.reason or len(delivery.reason) > 20_000
        ):
            raise Finding("the reason cannot be shown")


PLACES = (
    "header:x-token",
    "header:authorization",
    "query:token",
    "form:token",
    "body:a.token",
    "body:token",
    "body:list.0.token",
)


def masks(data: bytes) -> None:
    """A credential at a place that is known for it is not in what is kept, however the body is
    written.
    """
    choices = Choices(data)
    place = choices.one_of(PLACES)
    kind, _, name = place.partition(":")
    noise = choices.piece(60)
    request = Request(
        method="POST",
        path="/hooks/x",
        headers={"content-type": JSON},
        body=noise,
        query_string="",
        url="https://x/hooks/x",
    )
    if kind == "header":
        request = replace(request, headers={**request.headers, name: TOKEN})
    elif kind == "query":
        text = noise.decode("latin-1").replace("#", "")
        request = replace(
            request,
            query_string=f"{text}&token={TOKEN}",
            url=f"https://x/hooks/x?{text}&token={TOKEN}",
        )
    elif kind == "form":
        # what is whole JSON is no form, though a field may stand in a text of it
        noise = noise.replace(b'"', b"")
        form = b"&".join((noise.replace(b"&", b""), b"token=" + TOKEN.encode(), noise))
        request = replace(request, headers={"content-type": FORM}, body=form)
    else:
        inner = orjson.dumps(noise.decode("latin-1"))
        tail = {
            "a.token": b'"a":{"n":%s,"token":%s}',
            "token": b'"n":%s,"token":%s',
            "list.0.token": b'"list":[{"n":%s,"token":%s}]',
        }[name]
        blank = choices.one_of((b"", b" ", b"\n\t"))
        request = replace(
            request, body=b"{" + blank + tail % (inner, blank + orjson.dumps(TOKEN) + blank) + b"}"
        )
    shown = bounded(len(request.body) + 200, lambda: mask_request(request, [place]))
    if TOKEN in repr(shown):
        raise Finding(f"what stands at {place} is kept")
