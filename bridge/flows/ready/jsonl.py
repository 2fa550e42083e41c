"""The flow append_jsonl."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from bridge.core.model import JSON
from bridge.flows.context import current, log
from bridge.flows.function import flow
from bridge.flows.ready.files import lock_file


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
