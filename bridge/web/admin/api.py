"""The steps of every request to the admin API: token, scope, parameters, answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import orjson
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from bridge.api.context import API_PATH, Answer, ApiRequest, RawAnswer, StatusAnswer
from bridge.api.endpoint import NO_CONTENT, Endpoint
from bridge.api.parameters import read_parameters, stream_parameters
from bridge.api.problems import MEDIA_TYPE, ApiProblem, report_busy, report_missing_scope
from bridge.api.resources.audit import record_export
from bridge.core.errors import InvalidRequest, StoreError
from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.system.ids import request_id
from bridge.system.logs import get_logger
from bridge.web.admin import limits, openapi
from bridge.web.admin.actors import name_actor
from bridge.web.admin.authentication import (
    TokenHolder,
    authenticate,
    count_request,
    rate_headers,
)
from bridge.web.admin.bodies import IDEMPOTENCY_KEY, parse_body, read_key, receive_body
from bridge.web.admin.context import ReaderContext
from bridge.web.admin.endpoints import ENDPOINTS
from bridge.web.admin.streams import StreamSeats, stream_response, wants_stream, write_lines
from bridge.web.client_ip import client_address
from bridge.web.receiving.body_reader import BodyReader

DOCUMENT_PATH: Final = "/openapi.json"

log = get_logger()


class AdminApi:
    """Answers requests below /admin/v1. Create one in each process."""

    def __init__(self, context: ReaderContext, endpoints: Sequence[Endpoint] = ENDPOINTS) -> None:
        self._context = context
        self._streams = StreamSeats(context)
        self._bodies = BodyReader(limits.MAX_ARRIVING_BYTES)
        self._endpoints: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            self._endpoints.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._paths = _map_paths((*self._endpoints, DOCUMENT_PATH))

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
        (log if line.token else log.limited()).info(
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
        seats = self._context.seats
        with seats.take() as is_free:
            if not is_free:
                raise report_busy(f"at most {seats.most} requests are answered at once")
            yield

    def _answer(self, request: Request, line: RequestLine, seats: ExitStack) -> Response:
        path = "/" + request.path.removeprefix(API_PATH).removeprefix("/")
        try:
            path_template, ids = self._paths.bind("localhost").match(path, method="GET")
            if any("\0" in value for value in ids.values()):  # no database looks for it
                raise NotFound
        except NotFound:
            path_template, ids = None, {}
        line.path = path_template and f"{API_PATH}{path_template}"
        if path_template == DOCUMENT_PATH:
            if _method_of(request) != "GET":
                raise _method_not_allowed(("GET",))
            return _json(openapi.build_document())
        holder = authenticate(
            self._context,
            request.headers.get("Authorization", ""),
            client_address(request.environ, self._context.settings),
        )
        line.token = holder.name
        by_method = self._endpoints.get(path_template or "", {})
        endpoint = by_method.get(_method_of(request))
        kind = limits.find_kind(changes=endpoint is not None and endpoint.changes)
        try:
            if endpoint is not None:
                return self._answer_endpoint(request, endpoint, holder, ids, line, seats)
            count_request(self._context, holder, kind)
        finally:
            line.headers = rate_headers(self._context, holder, kind)
        if path_template is None:
            raise ApiProblem(
                "not_found", f"there is no such path; {API_PATH}{DOCUMENT_PATH} lists all"
            )
        raise _method_not_allowed(by_method)

    def _answer_endpoint(
        self,
        request: Request,
        endpoint: Endpoint,
        holder: TokenHolder,
        ids: Mapping[str, str],
        line: RequestLine,
        seats: ExitStack,
    ) -> Response:
        """Answer a request; one that is sent again with its `Idempotency-Key` is not counted."""
        answer = None
        kind = limits.find_kind(changes=endpoint.changes)
        if endpoint.repeat is not None and IDEMPOTENCY_KEY in request.headers:
            try:
                api_request = self._read_request(
                    endpoint, holder, ids, request, seats, is_stream=False
                )
            except ApiProblem:
                count_request(self._context, holder, kind)
                raise
            answer = endpoint.repeat(self._context, api_request)
            if answer is None:
                count_request(self._context, holder, kind)
        else:
            count_request(self._context, holder, kind)
            is_stream = wants_stream(request, can_stream=endpoint.streams)
            api_request = self._read_request(
                endpoint, holder, ids, request, seats, is_stream=is_stream
            )
            if is_stream:
                seats.enter_context(self._streams.take(holder.key))
                chunks = endpoint.stream(self._context, api_request)
                lines = write_lines(chunks, request.environ, line.about())
                record_export(self._context, api_request, endpoint)
                return stream_response(lines, seats)
        if answer is None:
            answer = endpoint.answer_request(self._context, api_request)
        return _response(request, endpoint, answer, api_request)

    def _read_request(
        self,
        endpoint: Endpoint,
        holder: TokenHolder,
        ids: Mapping[str, str],
        request: Request,
        seats: ExitStack,
        *,
        is_stream: bool,
    ) -> ApiRequest:
        texts = request.args.to_dict(flat=False)
        _check_scopes(endpoint, holder, texts)
        parameters = stream_parameters(endpoint.parameters) if is_stream else endpoint.parameters
        values = read_parameters(texts, parameters)
        body = self._read_body(request, endpoint, seats) if endpoint.changes else None
        return ApiRequest(
            token=holder.name,
            token_id=holder.key,
            actor=name_actor(holder.name, request.headers.get("X-Flowbridge-Actor", "")),
            scopes=holder.scopes,
            values=values,
            texts=texts,
            ids=ids,
            body=body,
            idempotency_key=read_key(request) if endpoint.repeat is not None else None,
            client=client_address(request.environ, self._context.settings),
        )

    def _read_body(self, request: Request, endpoint: Endpoint, seats: ExitStack) -> Any:
        """Return the body of a request."""
        seats.close()  # or clients that send slowly would hold all places
        raw = receive_body(request, self._bodies, endpoint.body)
        seats.enter_context(self._take_seat())
        return parse_body(raw, endpoint.body)


@dataclass(slots=True)
class RequestLine:
    """One request in the log, by its path in the table. `headers`: of every answer to it."""

    id: str
    path: str | None = None
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def about(self) -> dict[str, JSON]:
        """Return the request as further lines of the log name it."""
        return {"id": self.id, "path": self.path, "token": self.token}


@cache
def _map_paths(paths: tuple[str, ...]) -> Map:
    """Return the map of paths; to compile its rules takes longer than to answer a request."""
    rules = [Rule(path.replace("{", "<").replace("}", ">"), endpoint=path) for path in paths]
    return Map(rules, strict_slashes=False, merge_slashes=False)


def _to_problem(error: Exception, line: RequestLine) -> ApiProblem:
    if isinstance(error, ApiProblem):
        return error
    if isinstance(error, InvalidRequest):
        return ApiProblem("invalid_parameter", str(error))
    if isinstance(error, StoreError):
        log.limited().error("admin_request_failed", id=line.id, path=line.path, error=str(error))
        return ApiProblem(
            "store_unavailable", "the store cannot be read", headers={"Retry-After": "1"}
        )
    log.limited().error("internal_error", exc_info=error, id=line.id, path=line.path)
    return ApiProblem("internal_error", "see the log for this request")


def _method_of(request: Request) -> str:
    """Return the method of the endpoint that may answer a request."""
    return "GET" if request.method == "HEAD" else str(request.method)


def _method_not_allowed(allowed: Collection[str]) -> ApiProblem:
    names = sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])})
    return ApiProblem(
        "method_not_allowed",
        f"use {' or '.join(sorted(allowed))}",
        headers={"Allow": ", ".join(names)},
    )


def _check_scopes(
    endpoint: Endpoint, holder: TokenHolder, texts: Mapping[str, Sequence[str]]
) -> None:
    if endpoint.scope not in holder.scopes:
        raise report_missing_scope("this", endpoint.scope, holder.scopes)
    for parameter in endpoint.parameters:
        if (
            parameter.reads_contents
            and parameter.name in texts
            and Scope.BODIES not in holder.scopes
        ):
            raise report_missing_scope(
                f"the parameter `{parameter.name}`", Scope.BODIES, holder.scopes
            )


def _response(
    request: Request, endpoint: Endpoint, answer: Answer, api_request: ApiRequest
) -> Response:
    if isinstance(answer, RawAnswer):
        response = Response(answer.content, content_type=answer.media_type)
        response.headers["Content-Disposition"] = f'attachment; filename="{answer.file_name}"'
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response.headers["Cache-Control"] = "no-store"
        return response
    if not isinstance(answer, StatusAnswer):
        answer = StatusAnswer(answer, endpoint.status)
    response = _json(answer.body) if answer.status != NO_CONTENT else Response()
    response.status_code = answer.status
    response.headers.update(answer.headers)
    if endpoint.changes or (api_request.with_contents and endpoint.has_contents):
        response.headers["Cache-Control"] = "no-store"
        return response
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
    del response.headers["Date"]  # the server writes one too, and HTTP allows a single one
    return response


def _json(body: Mapping[str, Any]) -> Response:
    return Response(write_json(body), content_type="application/json")


def _problem_response(problem: ApiProblem, identity: str) -> Response:
    return Response(
        orjson.dumps(problem.as_json(identity)),
        status=problem.type.status,
        content_type=MEDIA_TYPE,
        headers={**problem.headers, "Cache-Control": "no-store"},
    )
