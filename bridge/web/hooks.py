"""`/hooks/<source>`: the WSGI edge of `HookReceiver`.

It is a WSGI application in front of Flask: nearly all requests come here, and none needs what Flask
prepares for a view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bridge.web.body_reader import BodyReader
from bridge.web.hook_messages import HookAnswer, RequestHead
from bridge.web.hook_receiver import PREFIX, HookReceiver, HookRequest, ReceivedHook

__all__ = ["PREFIX", "Hooks"]
StartResponse = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks(HookReceiver):
    """The WSGI application that receives webhooks and forms under `/hooks/`."""

    intake: BodyReader = field(default_factory=lambda: BodyReader(is_shared=True))

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request under `/hooks/`."""
        return _write_answer(self._answer(environ), start_response)

    def _answer(self, environ: Mapping[str, Any]) -> HookAnswer:
        request = self.begin(_read_head(environ))
        if isinstance(request, HookAnswer):
            return request
        return request.answer(partial(self._receive, request, environ))

    def _receive(self, request: HookRequest, environ: Mapping[str, Any]) -> ReceivedHook:
        with self.intake.body(environ, request.max_body, request.network) as body:
            return request.receive(body)


def _read_head(environ: Mapping[str, Any]) -> RequestHead:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    path = environ["PATH_INFO"]
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or path
    return RequestHead(
        method=environ["REQUEST_METHOD"],
        path=path,
        target=raw if raw.startswith("/") else path,
        query_string=environ.get("QUERY_STRING", ""),
        headers=headers,
        scheme=environ["wsgi.url_scheme"],
        address=environ.get("REMOTE_ADDR") or None,
    )


def _write_answer(answer: HookAnswer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{answer.status} {answer.reason}", list(answer.headers))
    return [answer.body]
