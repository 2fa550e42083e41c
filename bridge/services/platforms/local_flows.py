"""The flows of the local platform for commands: flows.py is loaded in a process of its own, which
it may end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bridge.core.local_runs import Input, LocalFlow
from bridge.flows.errors import FlowError

if TYPE_CHECKING:
    from bridge.routing.model import Config

#: The arguments: our sys.path, flows.py, the descriptor of the answer.
CHILD_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from bridge.services.platforms.local_flows import run_child
run_child(sys.argv[2], int(sys.argv[3]))
"""


def list_local_flows(config: Config, environ: Mapping[str, str]) -> dict[str, LocalFlow]:
    """Return the local platform's flows by name, none without such a platform.

    `environ` is the environment of flows.py. Its output goes to stderr. `FlowError` says why the
    file cannot be loaded.
    """
    from bridge.flows.loader import load_library

    platform = config.local_platform
    if platform is None:
        return {}
    listed = (
        load_library(None).described()
        if platform.flows is None
        else _load_in_child(platform.flows, environ)
    )
    return {flow.id: flow for flow in listed}


def _load_in_child(path: str, environ: Mapping[str, str]) -> list[LocalFlow]:
    """Load flows.py in a new process, and return its flows.

    The process has our sys.path, like those of `serve`. It answers in a file, since a process that
    it leaves behind could keep a pipe open.
    """
    with tempfile.TemporaryFile() as answer:
        command = [
            sys.executable,
            "-c",
            CHILD_PROGRAM,
            json.dumps(sys.path),
            path,
            str(answer.fileno()),
        ]
        status = subprocess.run(  # noqa: S603 - it is this Python and our own code
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=[answer.fileno()],
            check=False,
        ).returncode
        answer.seek(0)
        text = answer.read()
    if not text:
        raise FlowError(f"{path}: {_describe_end(status)} while it was loaded")
    said = json.loads(text)
    if "error" in said:
        raise FlowError(said["error"])
    return [
        LocalFlow(**flow | {"inputs": tuple(Input(**flow_input) for flow_input in flow["inputs"])})
        for flow in said["flows"]
    ]


def _name_of_signal(number: int) -> str:
    return next(
        (candidate.name for candidate in signal.Signals if candidate == number), f"signal {number}"
    )


def _describe_end(status: int) -> str:
    if status < 0:
        return f"the process died ({_name_of_signal(-status)})"
    return f"the process ended with code {status}"


def run_child(path: str, descriptor: int) -> None:
    """Load flows.py in the child process, write the result to the file, and exit.

    Threads that flows.py has started do not delay the exit.
    """
    from bridge.flows.context import error_line
    from bridge.flows.loader import load_library

    said: dict[str, Any]
    try:
        said = {"flows": [asdict(flow) for flow in load_library(path).described()]}
    except BaseException as error:
        said = {
            "error": str(error) if isinstance(error, FlowError) else f"{path}: {error_line(error)}"
        }
    with open(descriptor, "wb") as answer:
        answer.write(json.dumps(said).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
