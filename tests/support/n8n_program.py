"""n8n's own IF node, run by its packages where they are installed.

FLOWBRIDGE_N8N_MODULES names a node_modules folder with n8n-workflow and n8n-nodes-base.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from folders import CLIENTS
from n8n_cases import N8nCase

MODULES = os.environ.get("FLOWBRIDGE_N8N_MODULES")
NODE = shutil.which("node")


def judge_cases(cases: Sequence[N8nCase]) -> dict[str, Any]:
    """Return the versions of the packages, and a verdict for each request of each case."""
    asked = [{"node": case.node, "items": case.items} for case in cases]
    done = subprocess.run(
        [NODE or "", str(CLIENTS / "n8n.cjs"), MODULES or ""],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
