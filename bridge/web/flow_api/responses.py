"""The responses: JSON in the format of the public flow API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response

from bridge.core.local_runs import REQUIRED, WHOLE_BODY, Input, LocalFlow, LocalRun
from bridge.core.model import JSON
from bridge.flows.ids import workbook_id


def answer(status: int, value: JSON, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response that no proxy caches."""
    sent: Any = {"Cache-Control": "no-store", **(headers or {})}
    try:
        text = orjson.dumps(value)
    except TypeError:  # outputs may nest deeper than it writes
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
    return Response(text, status, sent, mimetype="application/json")


def error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error, in the one format of all errors."""
    return answer(status, {"error": code, "message": message}, headers)


def started(run: LocalRun, flow: LocalFlow | None, console_url: str) -> JSON:
    """Return the answer to a start. A flow that was removed has a workbook of its own.

    Clients expect a `url`, which is empty without a console.
    """
    query = urlencode({"run_id": run.id, "flow_id": run.saved_item_id})
    url = f"{console_url}/runs?{query}" if console_url else ""
    book = workbook_id(flow.workbook if flow else run.saved_item_id)
    return {"run_id": run.id, "saved_item_id": run.saved_item_id, "workbook_id": book, "url": url}


def report(run: LocalRun) -> dict[str, JSON]:
    """Return the state of a run."""
    return {"user_id": run.user_id, **summary(run), "log": list(run.log)}


def summary(run: LocalRun) -> dict[str, JSON]:
    """Return the state of a run for lists."""
    return {
        "run_id": run.id,
        "saved_item_id": run.saved_item_id,
        "state": run.state.value,
        "outputs": dict(run.outputs),
        "created_ts": timestamp(run.created_at),
        "finished_ts": None if run.finished_at is None else timestamp(run.finished_at),
    }


def saved_item(flow: LocalFlow) -> dict[str, JSON]:
    """Return a flow for lists."""
    return {
        "saved_item_id": flow.id,
        "name": flow.id,
        "description": flow.description,
        "created_ts": timestamp(flow.created_at),
    }


def input_node(node: Input) -> dict[str, JSON]:
    """Return an Input node as the public API lists it.

    That API has strings and files only, so the description says the rest.
    """
    takes = {"file": "the name of an uploaded file", "body": WHOLE_BODY}.get(node.kind, node.type)
    parts = (takes, REQUIRED if node.required else f"default {node.default!r}")
    return {
        "name": node.name,
        "data_type": "file" if node.kind == "file" else "string",
        "description": ", ".join(part for part in parts if part),
    }


def timestamp(at: float) -> str:
    """Return a time as the public API writes it: `2023-11-19T18:06:31.102786+00:00`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
