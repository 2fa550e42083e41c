"""Catalog of the ready-made flows, with the short ones: `saved_item_id` is the name.

A flow imports its network libraries (requests, smtplib, ssl) when it runs, so that listing the
flows costs no memory.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from bridge.core.model import JSON
from bridge.flows.context import current, log
from bridge.flows.errors import FlowError
from bridge.flows.function import FlowFunction, flow
from bridge.flows.ready.csv_file import append_csv
from bridge.flows.ready.files import lock_file
from bridge.flows.ready.http import http_request
from bridge.flows.ready.inputs import number
from bridge.flows.ready.mail import send_email
from bridge.flows.ready.slack import slack_message

MAX_SLEEP_SECONDS: Final = 3600.0  # seconds


@flow(idempotent=True)
def echo(**inputs: JSON) -> dict[str, JSON]:
    """Returns its inputs as outputs."""
    return inputs


@flow
def fail(message: str = "failed, as asked") -> None:
    """Fails, with `message` in its log."""
    raise FlowError(str(message))


@flow(idempotent=True)
def sleep(seconds: float = 1.0) -> dict[str, JSON]:
    """Waits for `seconds` (at most 3600) and returns how long it waited."""
    wait = number("seconds", seconds, MAX_SLEEP_SECONDS)
    time.sleep(wait)
    return {"seconds": wait}


@flow
def append_jsonl(file: str = "events.jsonl", **inputs: JSON) -> dict[str, JSON]:
    """Appends the time and the inputs as a JSON line to `file` in `files` of the data folder."""
    from bridge.delivery.platforms.responses import dump

    received_at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds")
    line = dump({"received_at": received_at, **inputs}) + b"\n"
    with lock_file(current().data_dir / "files", file, "orders/new.jsonl") as opened:
        # a line that a crash cut off must not absorb this one
        size = opened.append(line if not opened.size or opened.ends_with(b"\n") else b"\n" + line)
    log(f"appended {len(line)} bytes to {file}")
    return {"file": str(file), "bytes": len(line), "size": size}


READY_FLOWS: Final[dict[str, FlowFunction]] = {
    ready_flow.name: ready_flow
    for ready_flow in (
        echo,
        fail,
        sleep,
        append_jsonl,
        append_csv,
        send_email,
        http_request,
        slack_message,
    )
}
