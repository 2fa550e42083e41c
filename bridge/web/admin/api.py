"""The steps of every request to the admin API: token, scope, parameters, answer."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
from flask import Request, Response
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, Rule

from bridge.core.client_address import counted_network
from bridge.core.errors import InvalidRequest, StoreError
from bridge.system.ids import request_id
from bridge.system.logs import get_logger
from bridge.web.admin import limits, openapi
from bridge.web.admin.authentication import TokenHolder, authenticate
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, RawAnswer
from bridge.web.admin.endpoints import ENDPOINTS, PREFIX, Endpoint
from bridge.web.admin.parameters import read_parameters
from bridge.web.admin.problems import MEDIA_TYPE, AdminProblem

READ_METHODS: Final = ("GET", "HEAD")
DOCUMENT_PATH: Final = "/openapi.json"

log = get_logger()


class AdminApi:
    """Answers requests below /admin/v1. Create one in each process."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context
        self._seats = threading.BoundedSemaphore(limits.MAX_REQUESTS)
        self._endpoints = {one.path: one for one in ENDPOINTS}
        paths = [*self._endpoints, DOCUMENT_PATH]
        rules = [Rule(path.replace("{", "<").replace("}", ">"), endpoint=path) for path in paths]
        self._paths = Map(rules, strict_slashes=False)

    def __call__(self, request: Request) -> Response:
        """Answer a request; errors are problems of RFC 9457."""
        began = time.monotonic()
        identity = request_id(time.time())
        token = None
        try:
            if not self._seats.acquire(blocking=False):
                raise AdminProblem(
                    "busy",
                    f"at most {limits.MAX_REQUESTS} requests are answered at once",
                    headers={"Retry-After": "1"},
                )
            try:
                response, token = self._answer(request)
            finally:
                self._seats.release()
        except AdminProblem as problem:
            response = _problem_response(problem, identity)
        except InvalidRequest as error:
            response = _problem_response(AdminProblem("invalid_parameter", str(error)), identity)
        except StoreError as error:
            log.error("admin_request_failed", path=request.path, error=str(error), id=identity)
            failed = AdminProblem(
                "store_unavailable", "the store cannot be read", headers={"Retry-After": "1"}
            )
            response = _problem_response(failed, identity)
        except Exception as error:
            log.error("internal_error", exc_info=error, id=identity)
            response = _problem_response(
                AdminProblem("internal_error", "see the log for this request"), identity
            )
        response.headers["X-Request-Id"] = identity
        response.headers["X-Content-Type-Options"] = "nosniff"
        log.info(
            "admin_request",
            path=request.path,
            status=response.status_code,
            token=token,
            id=identity,
            ms=round((time.monotonic() - began) * 1000, 1),
        )
        return response

    def _answer(self, request: Request) -> tuple[Response, str | None]:
        path = "/" + request.path.removeprefix(PREFIX).removeprefix("/")
        try:
            known, ids = self._paths.bind("localhost").match(path, method="GET")
        except NotFound:
            known, ids = None, {}
        if known == DOCUMENT_PATH:
            _check_method(request)
            return _json(openapi.build_document()), None
        holder = authenticate(
            self._context,
            request.headers.get("Authorization", ""),
            counted_network(request.remote_addr),
        )
        if known is None:
            raise AdminProblem(
                "not_found", f"there is no such path; {PREFIX}{DOCUMENT_PATH} lists all"
            )
        endpoint = self._endpoints[known]
        _check_method(request)
        asked = _read_request(endpoint, holder, ids, request)
        answer = endpoint.answer(self._context, asked)
        with_contents = asked.with_contents and endpoint.has_contents
        return _response(request, answer, with_contents=with_contents), holder.name


def _check_method(request: Request) -> None:
    if request.method not in READ_METHODS:
        raise AdminProblem(
            "method_not_allowed", "use GET", headers={"Allow": ", ".join(READ_METHODS)}
        )


def _read_request(
    endpoint: Endpoint, holder: TokenHolder, ids: Mapping[str, str], request: Request
) -> AdminRequest:
    if endpoint.scope not in holder.scopes:
        raise AdminProblem("missing_scope", f"this needs the scope `{endpoint.scope}`")
    given = request.args.to_dict(flat=False)
    for one in endpoint.parameters:
        if one.reads_contents and one.name in given and "bodies" not in holder.scopes:
            raise AdminProblem(
                "missing_scope", f"the parameter `{one.name}` needs the scope `bodies`"
            )
    values = read_parameters(given, endpoint.parameters)
    return AdminRequest(
        token=holder.name, scopes=holder.scopes, values=values, texts=given, ids=ids
    )


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
