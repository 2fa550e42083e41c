"""The local platform's HTTP: the public flow API under /api/v1, spoken to the flows of this machine.

https://docs.gumloop.com/api-reference/running-an-automation/start-automation
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from bridge.errors import Refused, StoreError
from bridge.flows import FlowFunction
from bridge.flows.ids import new_run_id
from bridge.model import JSON, Input, LocalRun, LocalState

WORKBOOK_ID: Final = "local"
KEY_LENGTH: Final = 255  # characters of an Idempotency-Key
IDS: Final = ("user_id", "saved_item_id", "project_id")
#: What stands in a body beside the inputs.
NOT_INPUTS: Final = frozenset((*IDS, "api_key", "pipeline_inputs"))


class Runs(Protocol):
    """Where runs are kept. What it cannot keep or read is a StoreError."""

    def start(self, run: LocalRun) -> LocalRun:
        """Keep a new run durably and return it, or the earlier run that has the same idempotency key."""

    def get(self, run_id: str) -> LocalRun | None:
        """Return the run with that id."""

    def find(self, idempotency_key: str) -> LocalRun | None:
        """Return the run that was started with this key."""


def flow_api(runs: Runs, flows: Mapping[str, FlowFunction], credentials: tuple[str, str], *, max_body: int = 5 * 1024 * 1024,
             clock: Callable[[], float] = time.time) -> Blueprint:
    """Return the blueprint of /api/v1. `credentials`: the API key and the id of the one user it belongs to.

    `flows` is looked at on each request, so that it may be changed in place. Every error is `{"error": code, "message": text}`.
    """
    api = Blueprint("flow_api", __name__, url_prefix="/api/v1")
    loaded_at = clock()

    @api.before_request
    def limit() -> None:
        request.max_content_length = max_body

    @api.post("/start_pipeline")
    def start_pipeline() -> Response:
        body = _authorized(credentials)
        if body is None:
            raise _bad("invalid_json", "the body is not JSON")
        fields = body if isinstance(body, dict) else {}
        saved_item_id = _id("saved_item_id", fields)
        _id("project_id", fields, required=False)
        inputs, key = _inputs(body), _idempotency_key()
        run = None if saved_item_id in flows or key is None else runs.find(key)
        if run is None and saved_item_id not in flows:
            raise _bad("unknown_flow", f"there is no flow {saved_item_id[:100]!r}")
        return _started(run or runs.start(_new_run(saved_item_id, credentials[1], inputs, key, clock())))

    @api.get("/get_pl_run")
    def get_pl_run() -> Response:
        _authorized(credentials)
        run = runs.get(_id("run_id", {}))
        if run is None or run.user_id != credentials[1]:
            raise Refused(404, "run_not_found", "there is no such run")
        return _json(200, _report(run))

    @api.get("/get_inputs")
    def get_inputs() -> Response:
        _authorized(credentials)
        flow = flows.get(_id("saved_item_id", {}))
        if flow is None:
            raise Refused(404, "unknown_flow", "there is no such flow")
        return _json(200, {"inputs": [_input(one) for one in flow.inputs]})

    @api.get("/list_saved_items")
    def list_saved_items() -> Response:
        _authorized(credentials)
        created = _timestamp(loaded_at)
        listed = [(name, flow.description) for name, flow in sorted(flows.items())]
        items = [{"saved_item_id": name, "name": name, "description": text, "created_ts": created} for name, text in listed]
        return _json(200, {"saved_items": items})

    api.register_error_handler(Refused, lambda error: _error(error.status, error.code, error.message, error.headers))
    api.register_error_handler(RequestEntityTooLarge, lambda _: _error(413, "too_large", f"the body is over {max_body} bytes"))
    api.register_error_handler(StoreError, lambda _: _error(503, "unavailable", "the store failed", {"Retry-After": "1"}))
    return api


# -- who asks ----------------------------------------------------------------------------------------------------------


def _authorized(credentials: tuple[str, str]) -> JSON:
    """Refuse whoever has not the key (401) or is not its user (403); return the JSON of a POST, None where it has none.

    The key is looked at before anything else is, so that without it nobody makes us read a body.
    """
    api_key, user_id = credentials
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else request.args.get("api_key", "")
    if not api_key or not _same(given, api_key):
        raise Refused(401, "unauthorized", "the API key is missing or unknown", headers={"WWW-Authenticate": "Bearer"})
    body = _body() if request.method == "POST" else {}
    users = [*request.headers.getlist("x-auth-key"), *request.args.getlist("user_id")]
    if isinstance(body, dict) and "user_id" in body:
        users.append(body["user_id"])
    if not users:
        raise Refused(403, "forbidden", "the user id is missing: x-auth-key, or user_id in the body or the query")
    if not all(isinstance(one, str) and _same(one, user_id) for one in users):
        raise Refused(403, "forbidden", "the API key does not match the user id")
    return body


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


# -- what is asked -----------------------------------------------------------------------------------------------------


def _body() -> JSON:
    """Return the JSON of the body; {} for an empty one, whose ids are in the query; None for what is not JSON."""
    data = request.get_data()
    try:
        return orjson.loads(data) if data.strip() else {}
    except orjson.JSONDecodeError:
        return None


def _id(name: str, fields: Mapping[str, JSON], *, required: bool = True) -> str:
    """Return an id from the body or the query; both may have it where they agree. An id that is not required may be null."""
    values = [*request.args.getlist(name), *([fields[name]] if name in fields else ())]
    if not required:
        values = [value for value in values if value is not None]
    if not values and required:
        raise _bad("missing_parameter", f"{name} is required")
    if not all(isinstance(value, str) and value for value in values):
        raise _bad("invalid_parameter", f"{name}: a string that is not empty is wanted")
    if len(set(values)) > 1:
        raise _bad("conflicting_parameters", f"{name} has different values in the body and the query")
    return values[0] if values else ""


def _inputs(body: JSON) -> dict[str, JSON]:
    """Return the inputs of a start: the body's own keys and those of `pipeline_inputs`; other JSON is one input called `body`."""
    if not isinstance(body, dict):
        return {"body": body}
    inputs = {name: value for name, value in body.items() if name not in NOT_INPUTS}
    listed = body.get("pipeline_inputs", request.args.get("pipeline_inputs"))
    if isinstance(listed, str):
        try:
            listed = orjson.loads(listed)
        except orjson.JSONDecodeError:
            raise _bad("invalid_parameter", "pipeline_inputs: the text is not JSON") from None
    for place, one in enumerate(_list(listed)):
        if not isinstance(one, dict) or not isinstance(one.get("input_name"), str):
            raise _bad("invalid_parameter", f'pipeline_inputs[{place}]: {{"input_name": string, "value": …}} is wanted')
        inputs[one["input_name"]] = one.get("value")
    return inputs


def _list(value: JSON) -> list[JSON]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _bad("invalid_parameter", "pipeline_inputs: a list is wanted")
    return value


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > KEY_LENGTH:
        raise _bad("invalid_parameter", f"Idempotency-Key: at most {KEY_LENGTH} characters are allowed")
    return key or None


def _new_run(saved_item_id: str, user_id: str, inputs: dict[str, JSON], key: str | None, now: float) -> LocalRun:
    try:
        text = orjson.dumps(inputs).decode()
    except orjson.JSONEncodeError:
        raise _bad("invalid_json", "the body is nested too deeply") from None
    return LocalRun(id=new_run_id(), saved_item_id=saved_item_id, user_id=user_id, inputs=text, state=LocalState.QUEUED,
                    created_at=now, idempotency_key=key)


# -- what is answered --------------------------------------------------------------------------------------------------


def _started(run: LocalRun) -> Response:
    query = urlencode({"run_id": run.id, "flow_id": run.saved_item_id})
    url = f"{request.host_url}console/runs?{query}"
    return _json(200, {"run_id": run.id, "saved_item_id": run.saved_item_id, "workbook_id": WORKBOOK_ID, "url": url})


def _report(run: LocalRun) -> dict[str, JSON]:
    return {
        "run_id": run.id,
        "user_id": run.user_id,
        "saved_item_id": run.saved_item_id,
        "state": run.state,
        "outputs": dict(run.outputs),
        "log": list(run.log),
        "created_ts": _timestamp(run.created_at),
        "finished_ts": None if run.finished_at is None else _timestamp(run.finished_at),
    }


def _input(one: Input) -> dict[str, JSON]:
    """Return an Input node as the public API lists it: it knows strings and files only, so the rest is in the description."""
    parts = (one.type, "required" if one.required else f"default {one.default!r}")
    return {"name": one.name, "data_type": "string", "description": ", ".join(part for part in parts if part)}


def _timestamp(at: float) -> str:
    """Return a time as the public API writes it: `2023-11-19T18:06:31.102786+00:00`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def _bad(code: str, message: str) -> Refused:
    return Refused(400, code, message)


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(status, {"error": code, "message": message}, headers)


def _json(status: int, value: JSON, headers: Mapping[str, str] | None = None) -> Response:
    sent: Any = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(value), status, sent, mimetype="application/json")
