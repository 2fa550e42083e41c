"""How a run ended: by the report of its process, and by how the process ended. Pure.

The flow can write to the pipe of the report too, so each line is checked.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from typing import Any, Final

import orjson

from bridge.core.local_runs import LocalState
from bridge.flows.context import read_outputs
from bridge.flows.errors import FlowError
from bridge.flows.process.child import MAX_TRACEBACK_CHARACTERS
from bridge.flows.process.protocol import RunEnd
from bridge.flows.types import MAX_SAVED_FILES, check_file_name

MAX_FILE_SIZE: Final = 2**53
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def read_run_end(
    reported: bytes, status: int, end_reason: str | None = None
) -> tuple[RunEnd, str | None]:
    """Return the end of a run without its log, and the last lines for the log.

    `reported`: the bytes on the pipe of the report. `status`: of the process, from `waitpid`.
    `end_reason`: `LocalState.TERMINATED` or a sentence if the supervisor ended the run.
    """
    files, said = _read_report(reported)
    if end_reason is not None and said.get("state") != LocalState.DONE:
        if end_reason is LocalState.TERMINATED:
            return RunEnd(state=LocalState.TERMINATED, files=files), None
        return RunEnd(state=LocalState.FAILED, files=files), end_reason
    if not said:
        return RunEnd(state=LocalState.FAILED, files=files), _describe_death(status)
    end = RunEnd(
        state=LocalState.DONE if said["state"] == LocalState.DONE else LocalState.FAILED,
        outputs=said.get("outputs") or {},
        files=files,
        traceback=(said.get("traceback") or "")[-MAX_TRACEBACK_CHARACTERS:] or None,
    )
    return end, said.get("reason")


def _read_report(text: bytes) -> tuple[list[tuple[str, str, int]], Mapping[str, Any]]:
    """Return the saved files and the reported result; the result is empty without a report."""
    files: dict[str, tuple[str, str, int]] = {}
    said: Mapping[str, Any] = {}
    for line in text.splitlines():
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # truncated, or written by the flow itself
        match found:
            case {"file": [str(name), str(sha256), int(size)]} if (
                (name in files or len(files) < MAX_SAVED_FILES)
                and _is_file_name(name)
                and _DIGEST.fullmatch(sha256)
                and 0 <= size < MAX_FILE_SIZE
            ):
                files[name] = name, sha256, size
            case {"state": LocalState.DONE, "outputs": dict(outputs)}:
                said = _check_outputs(outputs)
            case {"state": str(), "reason": str(), "traceback": str() | None}:
                said = found
    return [*files.values()], said


def _is_file_name(name: str) -> bool:
    try:
        check_file_name(name)
    except FlowError:
        return False
    return True


def _check_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a reported result: the run's process has checked its outputs, if it wrote them."""
    try:
        return {"state": LocalState.DONE, "outputs": read_outputs(outputs)}
    except FlowError as error:
        return {"state": LocalState.FAILED, "reason": str(error)}


def _describe_death(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known = next((one.name for one in signal.Signals if one == number), f"signal {number}")
        hint = (
            " (not sent by flowbridge; the kernel sends it when memory runs out)"
            if number == signal.SIGKILL
            else ""
        )
        return f"The flow's process died: {known}{hint}"
    return f"The flow's process ended with code {os.WEXITSTATUS(status)} and no result"
