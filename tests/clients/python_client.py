"""The published Python client of the flow platform, told by lines of JSON what to do. It may run in
an environment of its own.
"""

from __future__ import annotations

import json
import os
import sys
import warnings

os.environ["NO_PROXY"] = "127.0.0.1"
warnings.simplefilter("ignore", DeprecationWarning)  # this client is for flows, and says so

import gumloop  # noqa: E402


def do(asked: dict) -> dict:
    with gumloop.GumloopClient(asked["api_key"], asked["user_id"]) as client:
        client.base_url = asked["base_url"]
        try:
            if "run_id" in asked:
                return {"status": client.get_run_status(asked["run_id"])}
            return {
                "outputs": client.run_flow(
                    asked["flow"], asked["inputs"], poll_interval=0.05, timeout=asked["timeout"]
                )
            }
        except Exception as error:
            response = getattr(error, "response", None)
            return {
                "error": type(error).__name__,
                "message": str(error),
                "http": response.status_code if response is not None else None,
            }


for line in sys.stdin:
    sys.stdout.write(json.dumps(do(json.loads(line))) + "\n")
    sys.stdout.flush()
