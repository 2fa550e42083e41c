"""Run pytest many times in one copy of the tree: this process imports what does not change, and
forks for each run.

It reads one request a line and answers each with one line. A run that takes too long is ended, with
every process that it has started.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

MODULES = (
    "pytest",
    "sqlalchemy",
    "sqlalchemy.dialects.sqlite",
    "flask",
    "werkzeug.test",
    "orjson",
    "pydantic",
    "cryptography.x509",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "alembic.command",
    "alembic.migration",
    "jsonschema",
    "click",
    "click.testing",
    "rich.console",
    "rich.table",
    "requests",
    "urllib3",
    "prometheus_client",
    "ruamel.yaml",
    "jmespath",
    "itsdangerous",
    "dotenv",
    "asyncio",
    "http.server",
    "multiprocessing",
)
# pytest warns of a plugin whose module this process has imported
OPTIONS = (
    *("-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
# pytest rewrites the one; alembic loads the others
NOT_IMPORTED = ("bridge.testing", "bridge.store.migrations")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def serve(tree: Path, scratch: Path) -> None:
    """Answer requests until the input ends."""
    sys.path[:] = [each for each in sys.path if Path(each) != Path(__file__).parent]
    # what a test leaves behind becomes a child of this process
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    os.chdir(tree)
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    modules = _import_all(tree)
    for line in sys.stdin:
        request = json.loads(line)
        request["forget"] = (
            sorted(_dependents(modules, request["changed"])) if request.get("changed") else []
        )
        began = time.monotonic()
        outcome = _run(request, scratch)
        sys.stdout.write(
            json.dumps({**outcome, "seconds": round(time.monotonic() - began, 2)}) + "\n"
        )
        sys.stdout.flush()


def _import_all(tree: Path) -> dict[str, set[str]]:
    """Import every module of the product, and return what each imports."""
    sys.path.insert(0, str(tree))
    known: dict[str, set[str]] = {}
    for file in sorted((tree / "bridge").rglob("*.py")):
        name = ".".join(file.relative_to(tree).with_suffix("").parts).removesuffix(".__init__")
        known[name] = set(_imported(name, file))
        if not name.startswith(NOT_IMPORTED) and not name.endswith("__main__"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    return known


def _imported(name: str, file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith("bridge.")
        ):
            found.append(node.value.partition(":")[0])  # imported by its name
    return found


def _dependents(modules: dict[str, set[str]], file: str) -> set[str]:
    """Return the module of a file, and all that import it: a run that changes it imports these
    again.
    """
    found = {".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")}
    while more := {
        name for name, imported in modules.items() if name not in found and imported & found
    }:
        found |= more
    return found


def _run(request: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Fork, run the tests of the request, and return `noticed`, `passed`, `timeout` or `error`,
    with the test that noticed.
    """
    folder = scratch / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755, parents=True)
    report = folder / "report.json"
    pid = os.fork()
    if pid == 0:
        _be(request, folder, report)
    until = time.monotonic() + request["seconds"]
    parent = os.getppid()
    status = None
    while status is None and time.monotonic() < until and os.getppid() == parent:
        done, how = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(how) if done else None
        if not done and (hangs := _hangs(report.with_name("started"), request.get("each", {}))):
            report.write_text(json.dumps({"result": "timeout", "failed": hangs}))
            break
        if not done:
            time.sleep(0.02)
    _end_all()
    said = {"result": "timeout" if status is None else "error", "failed": None, "status": status}
    with contextlib.suppress(OSError):
        said |= json.loads(report.read_text())
    if status is None and said["failed"] is None:
        said["result"] = "timeout"
    if said["result"] == "error":
        with contextlib.suppress(OSError):
            said["why"] = (folder / "output").read_text(errors="replace")[-2000:]
    return said


def _hangs(started: Path, each: dict[str, float]) -> str | None:
    """Return the test that takes longer than it may, by the time at which it was begun."""
    try:
        test = started.read_text()
        at = started.stat().st_mtime
    except OSError:
        return None
    return test if test in each and time.time() - at > each[test] else None


def _be(request: dict[str, Any], folder: Path, report: Path) -> None:
    """Be the pytest of one run."""
    status = 70
    try:
        os.setsid()
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o755)
        os.environ.update(TMPDIR=str(temporary), PYTEST_DEBUG_TEMPROOT=str(temporary))
        tempfile.tempdir = None
        _forget(request["forget"])
        sys.path.insert(0, str(Path(__file__).parent))
        import chosen
        import pytest

        sys.path.pop(0)
        plugin = chosen.Chosen(request, report)
        status = int(
            pytest.main(
                [*request["files"], *request["options"], *OPTIONS],
                plugins=[plugin],
            )
        )
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _forget(names: list[str]) -> None:
    """Have modules imported again. A package has its modules as attributes, too, where `from
    package import module` finds them.
    """
    for name in names:
        module = sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        if module is not None and package in sys.modules:
            vars(sys.modules[package]).pop(last, None)


def _end_all() -> None:
    """End every process that the run has left."""
    for _ in range(200):
        children = [
            int(each)
            for file in Path("/proc/self/task").glob("*/children")
            for each in file.read_text().split()
        ]
        if not children:
            return
        for child in _descendants(children):
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def _descendants(pids: list[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(each) for each in file.read_text().split()]
    return found


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
