"""The steps of every request to the admin API: token, scope, parameters, answer."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from bridge.core.client_address import counted_network
from bridge.core.errors import InvalidRequest, StoreError
from bridge.core.scopes import Scope
from bridge.system.ids import request_id
from bridge.system.logs import get_logger
from bridge.web.admin import limits, openapi
from bridge.web.admin.authentication import TokenHolder, authenticate, rate_headers
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, RawAnswer
from bridge.web.admin.endpoints import ENDPOINTS, Endpoint
from bridge.web.admin.entry import PREFIX
from bridge.web.admin.parameters import read_parameters, stream_parameters
from bridge.web.admin.problems import MEDIA_TYPE, AdminProblem
from bridge.web.admin.streams import NDJSON, StreamSeats, write_lines

READ_METHODS: Final = ("GET", "HEAD")
DOCUMENT_PATH: Final = "/openapi.json"
JSON_TYPE: Final = "application/json"

log = get_logger()


class AdminApi:
    """Answers requests below /admin/v1. Create one in each process."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._seats = threading.BoundedSemaphore(limits.MAX_REQUESTS)
        self._streams = StreamSeats(context)
        self._endpoints = {one.path: one for one in ENDPOINTS}
        paths = [*self._endpoints, DOCUMENT_PATH]
        rules = [Rule(path.replace("{", "<").replace("}", ">"), endpoint=path) for path in paths]
        self._paths = Map(rules, strict_slashes=False, merge_slashes=False)

    def __call__(self, request: Request) -> Response:
        """Answer a request; errors are problems of RFC 9457."""
        began = time.monotonic()
        line = RequestLine(request_id(time.time()))
        try:
            with ExitStack() as seats:
                seats.enter_context(self._take_seat())
                response = self._answer(request, line, seats)
        except Exception as error:
            response = _problem_response(_to_problem(error, line), line.id)
        response.headers.update(line.headers)
        response.headers["X-Request-Id"] = line.id
        response.headers["X-Content-Type-Options"] = "nosniff"
        log.info(
            "admin_request",
            id=line.id,
            path=line.path,
            token=line.token,
            status=response.status_code,
            ms=round((time.monotonic() - began) * 1000, 1),
        )
        return response

    @contextmanager
    def _take_seat(self) -> Iterator[None]:
        if not self._seats.acquire(blocking=False):
            raise AdminProblem(
                "busy",
                f"at most {limits.MAX_REQUESTS} requests are answered at once",
                headers={"Retry-After": "1"},
            )
        try:
            yield
        finally:
            self._seats.release()

    def _answer(self, request: Request, line: RequestLine, seats: ExitStack) -> Response:
        path = "/" + request.path.removeprefix(PREFIX).removeprefix("/")
        try:
            known, ids = self._paths.bind("localhost").match(path, method="GET")
        except NotFound:
            known, ids = None, {}
        line.path = known and f"{PREFIX}{known}"
        if known == DOCUMENT_PATH:
            _check_method(request)
            return _json(openapi.build_document())
        holder = authenticate(
            self._context,
            request.headers.get("Authorization", ""),
            counted_network(request.remote_addr),
        )
        line.token = holder.name
        line.headers = rate_headers(self._context, holder)
        if known is None:
            raise AdminProblem(
                "not_found", f"there is no such path; {PREFIX}{DOCUMENT_PATH} lists all"
            )
        _check_method(request)
        endpoint = self._endpoints[known]
        if _wants_stream(request, endpoint):
            asked = _read_request(endpoint, holder, ids, request, is_stream=True)
            seats.enter_context(self._streams.take(holder.key))
            return _stream(self._context, endpoint, asked, request, line, seats)
        asked = _read_request(endpoint, holder, ids, request)
        answer = endpoint.answer(self._context, asked)
        return _response(
            request, answer, with_contents=asked.with_contents and endpoint.has_contents
        )


@dataclass(slots=True)
class RequestLine:
    """What the log says of one request: its path as in the table, since ids may be anything.

    `headers` are for every answer to it.
    """

    id: str
    path: str | None = None
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def _to_problem(error: Exception, line: RequestLine) -> AdminProblem:
    if isinstance(error, AdminProblem):
        return error
    if isinstance(error, InvalidRequest):
        return AdminProblem("invalid_parameter", str(error))
    if isinstance(error, StoreError):
        log.error("admin_request_failed", id=line.id, path=line.path, error=str(error))
        return AdminProblem(
            "store_unavailable", "the store cannot be read", headers={"Retry-After": "1"}
        )
    log.error("internal_error", exc_info=error, id=line.id, path=line.path)
    return AdminProblem("internal_error", "see the log for this request")


def _check_method(request: Request) -> None:
    if request.method not in READ_METHODS:
        raise AdminProblem(
            "method_not_allowed", "use GET", headers={"Allow": ", ".join(READ_METHODS)}
        )


def _read_request(
    endpoint: Endpoint,
    holder: TokenHolder,
    ids: Mapping[str, str],
    request: Request,
    *,
    is_stream: bool = False,
) -> AdminRequest:
    if endpoint.scope not in holder.scopes:
        raise AdminProblem("missing_scope", f"this needs the scope `{endpoint.scope}`")
    given = request.args.to_dict(flat=False)
    parameters = stream_parameters(endpoint.parameters) if is_stream else endpoint.parameters
    for one in parameters:
        if one.reads_contents and one.name in given and Scope.BODIES not in holder.scopes:
            raise AdminProblem(
                "missing_scope", f"the parameter `{one.name}` needs the scope `bodies`"
            )
    values = read_parameters(given, parameters)
    return AdminRequest(
        token=holder.name, scopes=holder.scopes, values=values, texts=given, ids=ids
    )


def _wants_stream(request: Request, endpoint: Endpoint) -> bool:
    """Return whether a client prefers NDJSON. Raises `AdminProblem` if that is not possible."""
    accepted = request.accept_mimetypes
    if accepted.best_match((JSON_TYPE, NDJSON)) != NDJSON:
        return False
    if endpoint.stream is None:
        raise AdminProblem("not_acceptable", f"{endpoint.path} answers no {NDJSON}")
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        raise AdminProblem(
            "not_acceptable",
            "a stream needs HTTP/1.1, which shows a client that an answer is broken off; a proxy"
            " may have to be set up for it",
        )
    return True


def _stream(
    context: AdminContext,
    endpoint: Endpoint,
    asked: AdminRequest,
    request: Request,
    line: RequestLine,
    seats: ExitStack,
) -> Response:
    """Return the stream of a list. It holds its seats until it ends."""
    assert endpoint.stream is not None
    about = {"id": line.id, "path": line.path, "token": line.token}
    lines = write_lines(endpoint.stream(context, asked), request.environ, about)
    response = Response(lines, content_type=NDJSON)
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(seats.pop_all().close)
    return response


def _response(request: Request, answer: Answer, *, with_contents: bool) -> Response:
    if isinstance(answer, RawAnswer):
        response = Response(answer.content, content_type="application/octet-stream")
        response.headers["Content-Disposition"] = f'attachment; filename="{answer.file_name}"'
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response.headers["Cache-Control"] = "no-store"
        return response
    response = _json(answer)
    if with_contents:
        response.headers["Cache-Control"] = "no-store"
        return response
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
    return response


def _json(body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(body), content_type="application/json")


def _problem_response(problem: AdminProblem, identity: str) -> Response:
    return Response(
        orjson.dumps(problem.as_json(identity)),
        status=problem.type.status,
        content_type=MEDIA_TYPE,
        headers={**problem.headers, "Cache-Control": "no-store"},
    )
