"""The program `webhook` of adnanh, served on this machine where it is installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from processes import eventually, is_listening
from webhook_rules import HookRequest

PROGRAM = shutil.which("webhook")


@contextmanager
def serve_hooks(hooks: list[dict[str, Any]], folder: Path) -> Iterator[str]:
    """Yield the URL of the program with these hooks."""
    assert PROGRAM is not None
    file = folder / "hooks.json"
    file.write_text(json.dumps(hooks))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PROGRAM, "-hooks", str(file), "-ip", "127.0.0.1", "-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: is_listening(port))
            yield f"http://127.0.0.1:{port}/hooks"
        finally:
            process.kill()


def post(url: str, hook: str, request: HookRequest) -> int:
    """Post a request to a hook, and return the status of the answer."""
    headers = {"Content-Type": "application/json"} | request.headers
    sent = requests.post(
        f"{url}/{hook}", data=request.body, params=request.query, headers=headers, timeout=10
    )
    return sent.status_code
