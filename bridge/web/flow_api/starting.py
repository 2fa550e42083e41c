"""Start a run, and end one."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from flask import Response

from bridge.embedded import LocalFlow, LocalRun, LocalState
from bridge.errors import Refused
from bridge.flows.ids import new_run_id
from bridge.logs import get_logger
from bridge.model import JSON
from bridge.web.flow_api import answers
from bridge.web.flow_api.asked import Asked, bad, forbidden
from bridge.web.flow_api.served import Served

KEY_LENGTH = 255  # characters of an Idempotency-Key
#: What stands in a body or a query beside the inputs.
NOT_INPUTS = frozenset(("user_id", "saved_item_id", "project_id", "api_key", "pipeline_inputs"))

log = get_logger()


def start(served: Served, asked: Asked) -> Response:
    """`start_pipeline`: keep a run durably and answer with its id; it is executed later."""
    saved_item_id = asked.id("saved_item_id")
    if not asked.caller.may(saved_item_id):
        raise forbidden("this flow")
    inputs, key = _inputs(asked), _idempotency_key(served, asked)
    flow = served.runs.flow(saved_item_id)
    known = served.runs.find(key) if flow is None and key is not None else None
    if flow is None and known is None:
        raise bad("unknown_flow", f"there is no flow {saved_item_id[:100]!r}")
    cap = asked.platform.max_concurrent_runs if asked.platform.overflow == "reject" else None
    run = known or served.runs.start(_new_run(asked, saved_item_id, flow, inputs, key), cap)
    if not asked.caller.may(run.saved_item_id):
        raise forbidden("the flow that was started with this Idempotency-Key")
    if run.saved_item_id != saved_item_id:
        flow = served.runs.flow(run.saved_item_id)
    log.info("run_started", run_id=run.id, flow=run.saved_item_id, key=asked.caller.key)
    return answers.answer(200, answers.started(run, flow, asked.host_url))


def kill(served: Served, asked: Asked) -> Response:
    """`kill_pipeline`: end a run; one that is over stays as it is."""
    run = run_of(served, asked, asked.id("run_id"))
    served.runs.kill(run.id, asked.now)
    log.info("run_killed", run_id=run.id, flow=run.saved_item_id, key=asked.caller.key)
    return answers.answer(200, {"success": True, "run_id": run.id})


def run_of(served: Served, asked: Asked, run_id: str) -> LocalRun:
    """Return a run of the caller's user and of a flow that his key may see; for everyone else there is none (404)."""
    run = served.runs.get(run_id)
    if run is None or run.user_id != asked.caller.user_id or not asked.caller.may(run.saved_item_id):
        raise Refused(404, "run_not_found", "there is no such run")
    return run


def _inputs(asked: Asked) -> dict[str, JSON]:
    """Return the inputs: the body's own keys (of a GET, the query's) and `pipeline_inputs`; other JSON is one input called `body`."""
    given = _query_inputs(asked.query) if asked.method == "GET" else asked.body
    if not isinstance(given, dict):
        return {"body": given}
    inputs = {name: value for name, value in given.items() if name not in NOT_INPUTS}
    for place, one in enumerate(_pipeline_inputs(asked)):
        if not isinstance(one, dict) or not isinstance(one.get("input_name"), str):
            raise bad("invalid_parameter", f'pipeline_inputs[{place}]: {{"input_name": string, "value": …}} is wanted')
        inputs[one["input_name"]] = one.get("value")
    return inputs


def _query_inputs(query: Mapping[str, object]) -> dict[str, JSON]:
    inputs = {}
    for name, values in query.items():
        if name not in NOT_INPUTS and isinstance(values, list):
            if len(values) > 1:
                raise bad("conflicting_parameters", f"{name[:100]} stands twice in the query")
            inputs[name] = values[0]
    return inputs


def _pipeline_inputs(asked: Asked) -> list[JSON]:
    """Return the list of the body, or the one that is written as JSON text in the query."""
    in_query = asked.query.get("pipeline_inputs", ())
    given = [*in_query, *([asked.fields["pipeline_inputs"]] if "pipeline_inputs" in asked.fields else ())]
    if len(given) > 1:
        raise bad("conflicting_parameters", "pipeline_inputs stands twice")
    value = given[0] if given else None
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise bad("invalid_parameter", "pipeline_inputs: the text is not JSON") from None
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad("invalid_parameter", "pipeline_inputs: a list is wanted")
    return value


def _idempotency_key(served: Served, asked: Asked) -> str | None:
    """Return the key as it is kept. Those of other users than the built-in one begin with the user's id, which no header can forge."""
    key = (asked.idempotency_key or "").strip()
    if len(key) > KEY_LENGTH or not key.isprintable():
        raise bad("invalid_parameter", f"Idempotency-Key: at most {KEY_LENGTH} characters are allowed, and none that cannot be printed")
    if not key:
        return None
    return key if asked.caller.user_id == served.credentials[1] else f"{asked.caller.user_id}\n{key}"


def _new_run(asked: Asked, saved_item_id: str, flow: LocalFlow | None, inputs: dict[str, JSON], key: str | None) -> LocalRun:
    try:
        text = orjson.dumps(inputs).decode()
    except orjson.JSONEncodeError:
        raise bad("invalid_json", "the body is nested too deeply") from None
    wants_body = flow is not None and any(one.kind == "body" for one in flow.inputs)
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
