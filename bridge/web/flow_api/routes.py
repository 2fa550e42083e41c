"""The table of endpoints, and the steps of every request: key, body, user, answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.routing import Rule

from bridge.core.errors import Refused, RunLimitReached, StoreError
from bridge.core.json_limits import MAX_VALUES
from bridge.core.sizes import MIB
from bridge.routing.model import Platform
from bridge.system.logs import get_logger
from bridge.web.flow_api import files, queries, responses, runs
from bridge.web.flow_api.auth import Caller, caller_of, check_user, key_in
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.request import ApiRequest, bad_request, read_json

PREFIX = "/api/v1"
# bytes of a body
MAX_START_BYTES = 5 * MIB
MAX_UPLOAD_BYTES = 35 * MIB
MAX_CALL_BYTES = MIB
OPENAPI = Path(__file__).with_name("openapi.json")

log = get_logger()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path. `any_json`: its body need not be a JSON object, and has inputs of a flow."""

    path: str
    methods: tuple[str, ...]
    answer: Callable[[FlowApiContext, ApiRequest], Response]
    max_body: int = 0
    any_json: bool = False


READ = ("GET", "HEAD")
ENDPOINTS = (
    Endpoint("start_pipeline", ("POST", "GET"), runs.start, MAX_START_BYTES, any_json=True),
    Endpoint("kill_pipeline", ("POST",), runs.kill, MAX_CALL_BYTES),
    Endpoint("get_pl_run", READ, queries.get_pl_run),
    Endpoint("list_saved_items", READ, queries.list_saved_items),
    Endpoint("list_workbooks", READ, queries.list_workbooks),
    Endpoint("get_inputs", READ, queries.get_inputs),
    Endpoint("get_plrun_saved_item_map", READ, queries.get_plrun_saved_item_map),
    Endpoint("upload_file", ("POST",), files.upload_file, MAX_UPLOAD_BYTES),
    Endpoint("upload_files", ("POST",), files.upload_files, MAX_UPLOAD_BYTES),
    Endpoint("download_file", ("POST",), files.download_file, MAX_CALL_BYTES),
    Endpoint("download_files", ("POST",), files.download_files, MAX_CALL_BYTES),
)


def flow_api(served: FlowApiContext) -> Blueprint:
    """Return the blueprint of /api/v1. Every error is `{"error": code, "message": text}`."""
    api = Blueprint("flow_api", __name__, url_prefix=PREFIX)
    # A path is exact: one more slash is another path, and nothing is redirected.
    exact: dict[str, Any] = {"strict_slashes": True, "provide_automatic_options": False}
    for endpoint in ENDPOINTS:
        api.add_url_rule(
            f"/{endpoint.path}",
            endpoint.path,
            _view(served, endpoint),
            methods=endpoint.methods,
            **exact,
        )
    api.add_url_rule("/openapi.json", "openapi", lambda: _document(served), methods=READ, **exact)
    api.record(lambda state: _drop_head(state.app.url_map.iter_rules()))
    api.register_error_handler(Refused, _refused)
    api.register_error_handler(
        RunLimitReached, lambda full: responses.error(429, "rate_limit", str(full))
    )
    api.register_error_handler(StoreError, _store_failed)
    return api


def _drop_head(rules: Iterable[Rule]) -> None:
    """Remove the HEAD that Flask adds to every GET from other endpoints: it would start a run."""
    methods = {f"flow_api.{endpoint.path}": endpoint.methods for endpoint in ENDPOINTS}
    for rule in rules:
        if rule.methods and "HEAD" not in methods.get(rule.endpoint, READ):
            rule.methods.discard("HEAD")


def _view(served: FlowApiContext, endpoint: Endpoint) -> Callable[[], Response]:
    def view() -> Response:
        platform = _platform(served)
        given = key_in(request.headers.get("Authorization"), request.args.getlist("api_key"))
        # The key is checked first, so that no body is read without one.
        caller = caller_of(given, served.credentials, platform.keys)
        with (
            served.intake.body(request.environ, endpoint.max_body)
            if request.method == "POST"
            else nullcontext(b"")
        ) as raw:
            return endpoint.answer(served, _asked(served, endpoint, platform, caller, raw))

    return view


def _make_console_url(served: FlowApiContext) -> str:
    return f"{request.host_url}console" if served.serves_console(request.environ) else ""


def _asked(
    served: FlowApiContext, endpoint: Endpoint, platform: Platform, caller: Caller, raw: bytes
) -> ApiRequest:
    asked = ApiRequest(
        caller=caller,
        platform=platform,
        now=served.clock(),
        method=request.method,
        console_url=_make_console_url(served),
        query=request.args.to_dict(flat=False),
        idempotency_key=request.headers.get("Idempotency-Key"),
        raw=raw,
        body=read_json(raw, None if endpoint.any_json else MAX_VALUES),
    )
    if not endpoint.any_json and not isinstance(asked.body, dict):
        raise bad_request("invalid_json", "the body is not a JSON object")
    asked.maybe_id("project_id")
    in_body = [
        [asked.fields[name]] if name in asked.fields else [] for name in ("user_id", "project_id")
    ]
    users = [*request.headers.getlist("x-auth-key"), *asked.query.get("user_id", ()), *in_body[0]]
    check_user(caller, users, [*asked.query.get("project_id", ()), *in_body[1]])
    return asked


def _platform(served: FlowApiContext) -> Platform:
    platform = served.platform()
    if platform is None:
        raise Refused(
            404, "not_found", "no such resource: routes.yaml has no platform of type local"
        )
    return platform


def _document(served: FlowApiContext) -> Response:
    _platform(served)
    return Response(OPENAPI.read_bytes(), mimetype="application/json")


def _refused(refused: Refused) -> Response:
    if refused.status in (401, 403):
        log.limited().warning(
            "api_refused",
            path=request.path,
            status=refused.status,
            reason=refused.message,
            client=request.remote_addr,
        )
    return responses.error(refused.status, refused.code, refused.message, refused.headers)


def _store_failed(error: StoreError) -> Response:
    log.limited().error("api_failed", path=request.path, error=str(error))
    return responses.error(503, "unavailable", "the store failed", {"Retry-After": "1"})
