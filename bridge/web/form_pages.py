"""What a person who sent a form gets to see: a redirect, a page, or JSON for a script."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, Template
from werkzeug import Request, Response

from bridge.errors import Refused
from bridge.receive import Received
from bridge.routes import Source

STYLE = """
  :root { color-scheme: light dark; }
  body { font: 1.05rem/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center; }
  main { max-width: 32rem; padding: 2rem 1.25rem; }
  h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
  dt { font-weight: 600; margin-top: .75rem; }
  dd { margin: 0; overflow-wrap: anywhere; }
"""
STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CSP = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def answer(source: Source, environ: dict[str, Any], take: Callable[[], Received]) -> Response:
    """Return the answer to one request of a form source; `take` receives it."""
    request = Request(environ)
    origin = request.headers.get("Origin")
    foreign = origin is not None and bool(source.allowed_origins) and origin not in source.allowed_origins
    if request.method == "OPTIONS":
        return _cors(Response(status=403 if foreign else 204), source, origin)
    try:
        if foreign:
            raise Refused(403, "origin_not_allowed", "this form may not be sent from this site")
        received = take()
    except Refused as refused:
        return _cors(_refused(refused, request), source, origin)
    return _cors(_thanks(received, source, request), source, origin)


def _wants_json(request: Request) -> bool:
    accept = request.accept_mimetypes
    return accept.best_match(["text/html", "application/json"], default="text/html") == "application/json"


def _thanks(received: Received, source: Source, request: Request) -> Response:
    kept = received.kept[0][1] if received.kept else None
    if _wants_json(request):
        answer = {"ok": True, "event_id": kept.event_id if kept else None, "deliveries": len(kept.deliveries) if kept else 0}
        return Response(orjson.dumps(answer), status=202, content_type="application/json")
    if source.redirect:
        return Response(status=303, headers={"Location": source.redirect})
    return _page(200, title="Thank you", text="Your message has been received.", fields={})


def _refused(refused: Refused, request: Request) -> Response:
    if _wants_json(request):
        body = {"ok": False, "error": refused.code, "message": refused.message, "fields": refused.fields}
        return Response(orjson.dumps(body), status=refused.status, content_type="application/json", headers=refused.headers)
    response = _page(refused.status, title="Not sent", text=refused.message[:1].upper() + refused.message[1:] + ".", fields=refused.fields)
    response.headers.update(refused.headers)
    return response


@cache
def _template() -> Template:
    return Environment(loader=PackageLoader("bridge.web"), autoescape=True).get_template("form.html")


def _page(status: int, **values: object) -> Response:
    response = Response(_template().render(style=STYLE, **values), status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _cors(response: Response, source: Source, origin: str | None) -> Response:
    """Let the scripts of the allowed sites read the answer. https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS"""
    if not source.allowed_origins:
        return response
    response.headers["Vary"] = "Origin"
    if origin in source.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Accept"
        response.headers["Access-Control-Max-Age"] = "600"
    return response
