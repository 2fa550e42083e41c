"""Target: raw bytes of a connection, through gunicorn's parser as the receivers set it, to the
answer of `/hooks`.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from gunicorn.config import Config as Gunicorn
from gunicorn.http import errors, wsgi
from gunicorn.http.parser import RequestParser
from receiving import hooks_of

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.model import Event
from bridge.web.app import Hooks
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.server.app import options
from fuzz.choices import Choices, Finding, bounded

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:SECRET}"}
  twilio: {provider: twilio, secret: "${env:SECRET}"}
  slack: {provider: slack, secret: "${env:SECRET}"}
  zoom: {provider: zoom, secret: "${env:SECRET}"}
  token: {provider: token, secret: "${env:SECRET}", verify: {query: token}}
  open: {provider: hmac, insecure: true, event_type: "body:type", event_id: "body:id", verify: {header: X-Sig}}
routes:
  - {name: open, on: open, inputs: {all: "${body}", q: "${to_string(query)}", h: "${to_string(headers)}"}, flow: local/echo}
"""
SECRET = "fuzz0123456789abcdef"
HEAD = b"POST /hooks/open HTTP/1.1\r\nHost: a\r\n"
#: gunicorn answers these by itself, with 400 or another status below 500, and closes.
REFUSED = (errors.ParseException, errors.NoMoreData, StopIteration)
STATUSES = frozenset((200, 202, 204, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 501))


@cache
def _parts() -> tuple[Hooks, Any, list[Event]]:
    folder = Path(tempfile.mkdtemp(prefix="flowbridge-fuzz-"))
    path = folder / "routes.yaml"
    path.write_text(ROUTES)
    environ = {
        "SECRET": SECRET,
        "FLOWBRIDGE_CONFIG": str(path),
        "FLOWBRIDGE_DATA": str(folder / "data"),
        "FLOWBRIDGE_LOG": "error",
    }
    settings = load_settings(environ)
    config = load(path, environ)
    kept: list[Event] = []

    def keep(arrivals: Any, _replan: object) -> list[Any]:
        from bridge.store.inbound.arrivals import AddedEvent

        kept.extend(event for event, _ in arrivals)
        return [AddedEvent(event.id, tuple(deliveries)) for event, deliveries in arrivals]

    hooks = hooks_of(settings, lambda: config, keep, intake=BodyReader(1 << 30))
    cfg = Gunicorn()
    for name, value in options(settings, lambda _: None).items():
        if name in (
            "limit_request_line",
            "limit_request_fields",
            "limit_request_field_size",
            "forwarded_allow_ips",
            "forwarder_headers",
        ):
            cfg.set(name, value)
    return hooks, cfg, kept


def heads(data: bytes) -> None:
    """A connection's bytes end in an answer that is no fault of the receiver's, and only a whole
    request in an event.
    """
    choices = Choices(data)
    raw = choices.one_of(
        (b"", HEAD, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"Content-Length: 7\r\n")
    )
    cut = 1 + choices.number(7000)
    raw += choices.body()
    # gunicorn copies what it has of a head with each piece that comes
    step = max(cut, len(raw) // 64)
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
    hooks, cfg, kept = _parts()
    kept.clear()
    statuses = bounded(len(raw), lambda: list(_answers(hooks, cfg, pieces)))
    if odd := [status for status in statuses if status not in STATUSES]:
        raise Finding(f"answered {odd[0]}")
    if any(SECRET in repr(event) for event in kept):
        raise Finding("the secret is in an event")


def _answers(hooks: Hooks, cfg: Any, pieces: list[bytes]) -> Iterator[int]:
    """Yield the status of each request of the connection, until one is refused by the parser or
    closes it.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            for request in RequestParser(cfg, iter(pieces), ("127.0.0.1", 1)):
                _, environ = wsgi.create(request, ours, ("127.0.0.1", 1), ("127.0.0.1", 80), cfg)
                if not environ["PATH_INFO"].startswith("/hooks/"):
                    return
                said: list[str] = []
                list(hooks(environ, lambda status, _headers, said=said: said.append(status)))
                yield int(said[0].split(" ")[0])
                if request.should_close():
                    return
        except REFUSED:
            return
