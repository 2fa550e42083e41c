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


def start(served: FlowApiContext, asked: ApiRequest) -> Response:
    """`start_pipeline`: store a run durably and answer with its id; it is executed later."""
    saved_item_id = asked.id("saved_item_id")
    if not asked.caller.may_use(saved_item_id):
        raise forbidden("this flow")
    inputs = _inputs(asked)
    key = _stored_key(asked)
    flow = served.runs.flow(saved_item_id)
    known = _earlier(served, asked, saved_item_id, inputs, is_gone=flow is None)
    if flow is None and known is None:
        raise bad_request("unknown_flow", f"there is no flow {saved_item_id[:100]!r}")
    cap = asked.platform.max_concurrent_runs if asked.platform.overflow == "reject" else None
    run = known or served.runs.start(_new_run(asked, saved_item_id, flow, inputs, key), cap)
    if not asked.caller.may_use(run.saved_item_id):
        raise forbidden("the flow that was started with this Idempotency-Key")
    if run.saved_item_id != saved_item_id:
        flow = served.runs.flow(run.saved_item_id)
    log.info("run_started", run_id=run.id, flow=run.saved_item_id, key=asked.caller.key)
    return responses.answer(200, responses.started(run, flow, asked.console_url))


def kill(served: FlowApiContext, asked: ApiRequest) -> Response:
    """`kill_pipeline`: end a run; one that has ended is left unchanged."""
    run = find_run(served, asked, asked.id("run_id"))
    served.runs.kill(run.id, asked.now)
    log.info("run_killed", run_id=run.id, flow=run.saved_item_id, key=asked.caller.key)
    return responses.answer(200, {"success": True, "run_id": run.id})


def find_run(served: FlowApiContext, asked: ApiRequest, run_id: str) -> LocalRun:
    """Return a run of the caller's user and of a flow that the key may see; 404 for any other."""
    run = served.runs.get(run_id)
    if (
        run is None
        or run.user_id != asked.caller.user_id
        or not asked.caller.may_use(run.saved_item_id)
    ):
        raise Refused(404, "run_not_found", "there is no such run")
    return run


def _inputs(asked: ApiRequest) -> dict[str, JSON]:
    """Return the inputs: the body's own keys (of a GET, the query's) and `pipeline_inputs`; other
    JSON is one input called `body`.
    """
    given = _query_inputs(asked.query) if asked.method == "GET" else asked.body
    if not isinstance(given, dict):
        return {"body": given}
    inputs = {name: value for name, value in given.items() if name not in NOT_INPUTS}
    for place, one in enumerate(_pipeline_inputs(asked)):
        if not isinstance(one, dict) or not isinstance(one.get("input_name"), str):
            raise bad_request(
                "invalid_parameter",
                f'pipeline_inputs[{place}] must be {{"input_name": string, "value": …}}',
            )
        inputs[one["input_name"]] = one.get("value")
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


def _pipeline_inputs(asked: ApiRequest) -> list[JSON]:
    """Return the list of the body, or the one in the query as JSON text."""
    in_query = asked.query.get("pipeline_inputs", ())
    given = [
        *in_query,
        *([asked.fields["pipeline_inputs"]] if "pipeline_inputs" in asked.fields else ()),
    ]
    if len(given) > 1:
        raise bad_request("conflicting_parameters", "pipeline_inputs is given twice")
    value = given[0] if given else None
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
    asked: ApiRequest,
    saved_item_id: str,
    inputs: dict[str, JSON],
    *,
    is_gone: bool,
) -> LocalRun | None:
    """Return the earlier run of this start, if it must be looked up before storing.

    That is so if its flow `is_gone`, or if an earlier version shared idempotency keys between API
    keys.
    """
    key = _stored_key(asked)
    shared = _shared_key(served, asked)
    known = served.runs.find(key) if key is not None and (is_gone or shared is not None) else None
    if known is not None or shared is None:
        return known
    before = served.runs.find(shared)
    same = before is not None and (before.user_id, before.saved_item_id) == (
        asked.caller.user_id,
        saved_item_id,
    )
    return before if before is not None and same and before.inputs == _written(inputs) else None


def _stored_key(asked: ApiRequest) -> str | None:
    """Return the Idempotency-Key as it is stored: separate for each API key.

    Only the built-in key stores it unchanged. For the others it begins with lines for the user's id
    and the name of the API key, which no header can forge.
    """
    key = _idempotency_key(asked)
    caller = asked.caller
    return key if key is None or caller.built_in else f"{caller.user_id}\n{caller.key}\n{key}"


def _shared_key(served: FlowApiContext, asked: ApiRequest) -> str | None:
    """Return the Idempotency-Key as earlier versions stored it: separate for each user only.

    None for the built-in key, whose keys are still stored unchanged; among these, only the start of
    a bridge's delivery is looked up.
    """
    key = _idempotency_key(asked)
    caller = asked.caller
    if key is None or caller.built_in:
        return None
    if caller.user_id != served.credentials[1]:
        return f"{caller.user_id}\n{key}"
    return key if event_id_of(key.partition("~")[0]) is not None else None


def _idempotency_key(asked: ApiRequest) -> str | None:
    key = (asked.idempotency_key or "").strip()
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise bad_request(
            "invalid_parameter",
            f"Idempotency-Key: at most {MAX_KEY_LENGTH} characters are allowed, all of them"
            " printable",
        )
    return key or None


def _new_run(
    asked: ApiRequest,
    saved_item_id: str,
    flow: LocalFlow | None,
    inputs: dict[str, JSON],
    key: str | None,
) -> LocalRun:
    wants_body = flow is not None and any(one.kind == "body" for one in flow.inputs)
    text = _written(inputs)
    body = text if asked.method == "GET" else asked.raw.decode()
    return LocalRun(
        id=new_run_id(),
        saved_item_id=saved_item_id,
        user_id=asked.caller.user_id,
        inputs=text,
        state=LocalState.QUEUED,
        created_at=asked.now,
        idempotency_key=key,
        body=body if wants_body else None,
    )


def _written(inputs: dict[str, JSON]) -> str:
    """Return the inputs as JSON text."""
    try:
        return orjson.dumps(inputs).decode()
    except orjson.JSONEncodeError:
        raise bad_request("invalid_json", "the body is nested too deeply") from None
