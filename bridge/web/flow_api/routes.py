"""The table of endpoints, the steps of every request (key, body, user, answer), and the endpoints
that read: runs, flows, workbooks and inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.routing import Rule

from bridge.core.errors import Refused, RunLimitReached, StoreError
from bridge.core.json_values import MAX_VALUES
from bridge.core.local_runs import READY_MADE, TAKES_ANY, LocalFlow
from bridge.core.model import JSON
from bridge.core.units import MIB
from bridge.flows.ids import workbook_id
from bridge.routing.model import Platform
from bridge.system.logs import get_logger
from bridge.web.flow_api import files, responses, runs
from bridge.web.flow_api.auth import Caller, caller_of, check_user, key_in
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.request import ApiRequest, bad_request, forbidden, read_json
from bridge.web.flow_api.runs import find_run

NEWEST_RUNS = 10  # runs of each flow in get_plrun_saved_item_map


def get_pl_run(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the state of a run."""
    return responses.answer(
        200, responses.report(find_run(served, api_request, api_request.id("run_id")))
    )


def list_saved_items(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the flows."""
    return responses.answer(
        200, {"saved_items": [responses.saved_item(flow) for flow in _flows(served, api_request)]}
    )


def list_workbooks(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the flows by origin: flowbridge itself, or a file."""
    books: dict[str, list[LocalFlow]] = {}
    for flow in _flows(served, api_request):
        books.setdefault(flow.workbook, []).append(flow)
    return responses.answer(
        200, {"workbooks": [_workbook(name, flows) for name, flows in sorted(books.items())]}
    )


def get_inputs(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the Input nodes of a flow."""
    flow = _flow(served, api_request, api_request.id("saved_item_id"))
    takes_any = flow.takes_any or any(node.kind == "body" for node in flow.inputs)
    # the second key is our own: clients of the public API read the first
    return responses.answer(
        200,
        {
            "inputs": [responses.input_node(node) for node in flow.inputs],
            **({TAKES_ANY: True} if takes_any else {}),
        },
    )


def get_plrun_saved_item_map(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the newest runs of a flow, or of each flow of a workbook."""
    flow_id = api_request.maybe_id("saved_item_id")
    book_id = api_request.maybe_id("workbook_id")
    if flow_id is None and book_id is None:
        raise bad_request("missing_parameter", "workbook_id or saved_item_id is required")
    flows = (
        [_flow(served, api_request, flow_id)]
        if flow_id is not None
        else _flows(served, api_request)
    )
    if book_id is not None:
        flows = [flow for flow in flows if workbook_id(flow.workbook) == book_id]
        if not flows:
            raise Refused(
                404,
                "workbook_not_found",
                (
                    "there is no such workbook"
                    if flow_id is None
                    else "the flow is not in that workbook"
                ),
            )
    newest = served.runs.newest(
        [flow.id for flow in flows], api_request.caller.user_id, NEWEST_RUNS
    )
    return responses.answer(
        200,
        {flow.id: [responses.summary(run) for run in newest.get(flow.id, ())] for flow in flows},
    )


def _flows(served: FlowApiContext, api_request: ApiRequest) -> list[LocalFlow]:
    return [flow for flow in served.runs.flows() if api_request.caller.may_use(flow.id)]


def _flow(served: FlowApiContext, api_request: ApiRequest, saved_item_id: str) -> LocalFlow:
    if not api_request.caller.may_use(saved_item_id):
        raise forbidden("this flow")
    flow = served.runs.flow(saved_item_id)
    if flow is None:
        raise Refused(404, "unknown_flow", "there is no such flow")
    return flow


def _workbook(name: str, flows: list[LocalFlow]) -> dict[str, JSON]:
    return {
        "workbook_id": workbook_id(name),
        "name": name,
        "description": (
            "The flows that come with flowbridge."
            if name == READY_MADE
            else f"The flows of {name}."
        ),
        "created_ts": responses.timestamp(min(flow.created_at for flow in flows)),
        "saved_items": [responses.saved_item(flow) for flow in flows],
    }


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
    Endpoint("get_pl_run", READ, get_pl_run),
    Endpoint("list_saved_items", READ, list_saved_items),
    Endpoint("list_workbooks", READ, list_workbooks),
    Endpoint("get_inputs", READ, get_inputs),
    Endpoint("get_plrun_saved_item_map", READ, get_plrun_saved_item_map),
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
        sent_key = key_in(request.headers.get("Authorization"), request.args.getlist("api_key"))
        # The key is checked first, so that no body is read without one.
        caller = caller_of(sent_key, served.credentials, platform.keys)
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
    api_request = ApiRequest(
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
    if not endpoint.any_json and not isinstance(api_request.body, dict):
        raise bad_request("invalid_json", "the body is not a JSON object")
    api_request.maybe_id("project_id")
    in_body = [
        [api_request.fields[name]] if name in api_request.fields else []
        for name in ("user_id", "project_id")
    ]
    users = [
        *request.headers.getlist("x-auth-key"),
        *api_request.query.get("user_id", ()),
        *in_body[0],
    ]
    check_user(caller, users, [*api_request.query.get("project_id", ()), *in_body[1]])
    return api_request


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
