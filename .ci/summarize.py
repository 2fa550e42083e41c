"""Add what came of a step of .ci/full to the summary of the day,
docs/certificates/full-VERSION-DATE.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CERTIFICATES = "docs/certificates"
MAX_RESULT_LINES = 40


def git(*arguments: str) -> str:
    """Return the output of git in the checkout."""
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def flowbridge_version() -> str:
    """Return the version of the checkout, without importing its libraries."""
    text = (ROOT / "bridge" / "__init__.py").read_text("utf-8")
    found = re.search(r'__version__ = "(.+)"', text)
    assert found is not None
    return found[1]


def machine() -> dict[str, Any]:
    """Return what the steps ran on."""
    return {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "python": platform.python_version(),
    }


def with_step(summary: dict[str, Any], steps: list[str], name: str, entry: dict[str, Any]) -> Any:
    """Return the summary with the entry of a step; a step that did not run says so."""
    known = summary.get("steps", {})
    entries = {each: known.get(each, {"result": "not run"}) for each in steps}
    return {**summary, "steps": {**entries, name: entry}}


def main() -> None:
    """Write the summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("--date", required=True, help="the day of the summary, as 2026-12-31")
    parser.add_argument("--steps", required=True, help="all steps, in their order")
    parser.add_argument("--step", required=True)
    parser.add_argument("--code", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--results", type=Path, required=True)
    given = parser.parse_args()
    now = datetime.now(UTC)
    version = flowbridge_version()
    path = ROOT / CERTIFICATES / f"full-{version}-{given.date}.json"
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    entry = {
        "result": "passed" if given.code == 0 else "failed",
        "seconds": given.seconds,
        "finished_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "commit": git("rev-parse", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--", ".", f":!{CERTIFICATES}")),
        "results": given.results.read_text("utf-8").splitlines()[-MAX_RESULT_LINES:],
    }
    summary = {"schema": 1, "flowbridge": version, "machine": machine(), **before}
    summary = with_step(summary, given.steps.split(), given.step, entry)
    path.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
