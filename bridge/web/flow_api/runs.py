"""The endpoints that start and end runs."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from flask import Response

from bridge.core.errors import Refused
from bridge.core.local_runs import LocalFlow, LocalRun, LocalState
from bridge.core.model import JSON
from bridge.flows.ids import new_run_id
from bridge.routing.planner import event_id_of
from bridge.system.logs import get_logger
from bridge.web.flow_api import responses
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.request import ApiRequest, bad_request, forbidden

MAX_KEY_LENGTH = 255  # characters of an Idempotency-Key
#: Keys of a body or a query that are no inputs.
NOT_INPUTS = frozenset(("user_id", "saved_item_id", "project_id", "api_key", "pipeline_inputs"))

log = get_logger()


def start(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """`start_pipeline`: store a run durably and answer with its id; it is executed later."""
    saved_item_id = api_request.id("saved_item_id")
    if not api_request.caller.may_use(saved_item_id):
        raise forbidden("this flow")
    inputs = _inputs(api_request)
    key = _stored_key(api_request)
    flow = served.runs.flow(saved_item_id)
    earlier = _earlier(served, api_request, saved_item_id, inputs, is_gone=flow is None)
    if flow is None and earlier is None:
        raise bad_request("unknown_flow", f"there is no flow {saved_item_id[:100]!r}")
    cap = (
        api_request.platform.max_concurrent_runs
        if api_request.platform.overflow == "reject"
        else None
    )
    run = earlier or served.runs.start(_new_run(api_request, saved_item_id, flow, inputs, key), cap)
    if not api_request.caller.may_use(run.saved_item_id):
        raise forbidden("the flow that was started with this Idempotency-Key")
    if run.saved_item_id != saved_item_id:
        flow = served.runs.flow(run.saved_item_id)
    log.info("run_started", run_id=run.id, flow=run.saved_item_id, key=api_request.caller.key)
    return responses.answer(200, responses.started(run, flow, api_request.console_url))


def kill(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """`kill_pipeline`: end a run; one that has ended is left unchanged."""
    run = find_run(served, api_request, api_request.id("run_id"))
    served.runs.kill(run.id, api_request.now)
    log.info("run_killed", run_id=run.id, flow=run.saved_item_id, key=api_request.caller.key)
    return responses.answer(200, {"success": True, "run_id": run.id})


def find_run(served: FlowApiContext, api_request: ApiRequest, run_id: str) -> LocalRun:
    """Return a run of the caller's user and of a flow that the key may see; 404 for any other."""
    run = served.runs.get(run_id)
    if (
        run is None
        or run.user_id != api_request.caller.user_id
        or not api_request.caller.may_use(run.saved_item_id)
    ):
        raise Refused(404, "run_not_found", "there is no such run")
    return run


def _inputs(api_request: ApiRequest) -> dict[str, JSON]:
    """Return the inputs: the body's own keys (of a GET, the query's) and `pipeline_inputs`; other
    JSON is one input called `body`.
    """
    document = _query_inputs(api_request.query) if api_request.method == "GET" else api_request.body
    if not isinstance(document, dict):
        return {"body": document}
    inputs = {name: value for name, value in document.items() if name not in NOT_INPUTS}
    for place, entry in enumerate(_pipeline_inputs(api_request)):
        if not isinstance(entry, dict) or not isinstance(entry.get("input_name"), str):
            raise bad_request(
                "invalid_parameter",
                f'pipeline_inputs[{place}] must be {{"input_name": string, "value": …}}',
            )
        inputs[entry["input_name"]] = entry.get("value")
    return inputs


def _query_inputs(query: Mapping[str, object]) -> dict[str, JSON]:
    inputs = {}
    for name, values in query.items():
        if name not in NOT_INPUTS and isinstance(values, list):
            if len(values) > 1:
                raise bad_request(
                    "conflicting_parameters", f"{name[:100]} is given twice in the query"
                )
            inputs[name] = values[0]
    return inputs


def _pipeline_inputs(api_request: ApiRequest) -> list[JSON]:
    """Return the list of the body, or the one in the query as JSON text."""
    in_query = api_request.query.get("pipeline_inputs", ())
    values = [
        *in_query,
        *(
            [api_request.fields["pipeline_inputs"]]
            if "pipeline_inputs" in api_request.fields
            else ()
        ),
    ]
    if len(values) > 1:
        raise bad_request("conflicting_parameters", "pipeline_inputs is given twice")
    value = values[0] if values else None
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise bad_request("invalid_parameter", "pipeline_inputs is not valid JSON") from None
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request("invalid_parameter", "pipeline_inputs must be a list")
    return value


def _earlier(
    served: FlowApiContext,
    api_request: ApiRequest,
    saved_item_id: str,
    inputs: dict[str, JSON],
    *,
    is_gone: bool,
) -> LocalRun | None:
    """Return the earlier run of this start, if it must be looked up before storing.

    That is so if its flow `is_gone`, or if an earlier version shared idempotency keys between API
    keys.
    """
    key = _stored_key(api_request)
    shared = _shared_key(served, api_request)
    run = served.runs.find(key) if key is not None and (is_gone or shared is not None) else None
    if run is not None or shared is None:
        return run
    before = served.runs.find(shared)
    same = before is not None and (before.user_id, before.saved_item_id) == (
        api_request.caller.user_id,
        saved_item_id,
    )
    return before if before is not None and same and before.inputs == _written(inputs) else None


def _stored_key(api_request: ApiRequest) -> str | None:
    """Return the Idempotency-Key as it is stored: separate for each API key.

    Only the built-in key stores it unchanged. For the others it begins with lines for the user's id
    and the name of the API key, which no header can forge.
    """
    key = _idempotency_key(api_request)
    caller = api_request.caller
    return key if key is None or caller.built_in else f"{caller.user_id}\n{caller.key}\n{key}"


def _shared_key(served: FlowApiContext, api_request: ApiRequest) -> str | None:
    """Return the Idempotency-Key as earlier versions stored it: separate for each user only.

    None for the built-in key, whose keys are still stored unchanged; among these, only the start of
    a bridge's delivery is looked up.
    """
    key = _idempotency_key(api_request)
    caller = api_request.caller
    if key is None or caller.built_in:
        return None
    if caller.user_id != served.credentials[1]:
        return f"{caller.user_id}\n{key}"
    return key if event_id_of(key.partition("~")[0]) is not None else None


def _idempotency_key(api_request: ApiRequest) -> str | None:
    key = (api_request.idempotency_key or "").strip()
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise bad_request(
            "invalid_parameter",
            f"Idempotency-Key: at most {MAX_KEY_LENGTH} characters are allowed, all of them"
            " printable",
        )
    return key or None


def _new_run(
    api_request: ApiRequest,
    saved_item_id: str,
    flow: LocalFlow | None,
    inputs: dict[str, JSON],
    key: str | None,
) -> LocalRun:
    wants_body = flow is not None and any(node.kind == "body" for node in flow.inputs)
    text = _written(inputs)
    body = text if api_request.method == "GET" else api_request.raw.decode()
    return LocalRun(
        id=new_run_id(),
        saved_item_id=saved_item_id,
        user_id=api_request.caller.user_id,
        inputs=text,
        state=LocalState.QUEUED,
        created_at=api_request.now,
        idempotency_key=key,
        body=body if wants_body else None,
    )


def _written(inputs: dict[str, JSON]) -> str:
    """Return the inputs as JSON text."""
    try:
        return orjson.dumps(inputs).decode()
    except orjson.JSONEncodeError:
        raise bad_request("invalid_json", "the body is nested too deeply") from None
