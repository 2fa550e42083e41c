"""Tests change no module constant of bridge, but for sizes: they pass other `Timings` instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from bridge_imports import imported_from_bridge
from folders import TESTS
from launch import SIZES

from bridge.core.timings import Timings

CONSTANT = re.compile(r"[A-Z][A-Z0-9_]+")
#: An assignment in the text of a program that a test runs.
ASSIGNED = re.compile(r"^\s*(\w+)\.([A-Z][A-Z0-9_]+)\b[^=\n]*=(?!=)", re.MULTILINE)
#: constants that tests change -> why they are no field of a record
EXCEPTIONS = {
    # Rows, bytes and counts: to reach the real limit a test needs thousands of rows, or gigabytes.
    **dict.fromkeys(
        (
            "bridge.cli.remote.client.MAX_ANSWER_BYTES",
            "bridge.cli.ui.tables.CHUNK_ROWS",
            "bridge.monitoring.checks.machine.MIN_FREE_SHARE",
            "bridge.monitoring.counters.MAX_SERIES",
            "bridge.routing.schemas.keywords.MAX_REFERENCES",
            "bridge.store.backup.extraction.MIN_LIMIT_BYTES",
            "bridge.store.backup.extraction.MAX_FILES",
            "bridge.services.form_inbox.MAX_DOWNLOADED_SUBMISSIONS",
            "bridge.services.operations.selection.MAX_FORECAST_EVENTS",
            "bridge.services.trials.evaluation.MAX_CHANGE_BYTES",
            "bridge.services.trials.explanations.MAX_EXPLANATION_BYTES",
            "bridge.services.operations.selection.MAX_ITEMS",
            "bridge.web.console.views.form_downloads.MAX_DOWNLOAD_BYTES",
            "bridge.store.db.database.MAX_WAL_BYTES",
            "bridge.store.db.commit_queue.MAX_BATCH_JOBS",
            "bridge.store.db.commit_queue.MAX_BATCH_ITEMS",
            "bridge.store.db.commit_queue.MAX_BATCH_BYTES",
            "bridge.store.audit.MAX_ACCESS_ROWS",
            "bridge.store.audit.MAX_AUDIT_ROWS",
            "bridge.store.encryption.VALUES_PER_SALT",
            "bridge.store.inbound.deleted_ids.BATCH_ROWS",
            "bridge.store.operations.replay.MAX_BATCH_BYTES",
            "bridge.store.operations.checkup.LARGE_WAL_BYTES",
            "bridge.store.operations.checkup.LARGE_FREE_BYTES",
            "bridge.store.operations.traces.CHUNK_BYTES",
            "bridge.services.change_tail.MAX_FOLLOWED",
            "bridge.store.operations.log.PAGE_ITEMS",
            "bridge.store.operations.control.MAX_RESUMED",
            "bridge.store.operations.log.BATCH_ITEMS",
            "bridge.store.operations.prune.BATCH_BYTES",
            "bridge.store.operations.prune.BATCH_EVENTS",
            "bridge.store.inbound.daily_events.MAX_COUNTED_TODAY",
            "bridge.store.db.row_walk.FIRST_CHUNK_ROWS",
            "bridge.store.db.row_walk.MAX_CHUNK_ROWS",
            "bridge.store.db.row_walk.MAX_RARE_ROWS",
            "bridge.store.db.row_walk.PAGE_BODIES",
            "bridge.store.db.row_walk.PAGE_ROWS",
            "bridge.store.queries.recorded_events.MAX_PAGE_BYTES",
            "bridge.web.admin.limits.MAX_REQUESTS",
            "bridge.web.admin.limits.MAX_SLOW_REQUESTS",
            "bridge.web.admin.limits.OPERATION_RATE",
            "bridge.web.admin.limits.READ_RATE",
            "bridge.web.admin.limits.REFUSED_RATE",
            "bridge.web.console.login.ADDRESS_LOGIN_RATE",
            "bridge.web.console.login.LOGIN_RATE",
            "bridge.web.console.views.operations.MAX_UNTYPED_ITEMS",
            "bridge.web.receiving.body_reader.IN_FLIGHT",
            "bridge.web.flow_api.files.MAX_UPLOADED",
            "bridge.web.receiving.rate_limiter.CELLS",
            "bridge.web.receiving.process_resources.MAX_KEYS",
            "bridge.web.server.balance.PLACES",
            "bridge.web.server.event_loop.worker.MAX_CONNECTIONS",
            "bridge.worker.form_files.MAX_UPLOADS",
            "bridge.worker.form_files.MAX_HELD_BYTES",
            "bridge.worker.maintenance.jobs.MIN_FREE_BYTES",
            "bridge.worker.cycle.MAX_CALLS",
            "platform_faults.MAX_FAILED_STARTS",  # tries, in a program
        ),
        "a size",
    ),
    "bridge.flows.process.forkserver.FLOW_POLICY": "who gets a processor first",
    "bridge.flows.ready.smtp.ERROR_TEXTS": "texts with the time limit below",
    "bridge.flows.ready.smtp.SMTP_TIMEOUT_SECONDS": "a flow's process has no settings of the bridge",
    "bridge.runtime.systemd.FIRST_FD": "a file descriptor",
    "bridge.store.backup.archive.HEAD": "the schema of another version",
    "bridge.store.db.notify.CHANNEL": "a name that breaks the statement",
    "bridge.store.operations.checkup.MIN_POSTGRES_VERSION": "the version of the server",
    "bridge.system.previews.render.PREVIEW_MODULES": "the modules of an extra",
    "bridge.system.previews.render.DRAWING_PROGRAM": "the program that draws",
    "bridge.services.trials.runner.PROGRAM": "the program that evaluates",
    "bridge.torture.clock.LIBRARY_FOLDERS": "the places of a library",
    "bridge.web.receiving.rate_limiter.SALT": "else two keys share a limit by chance",
    "bridge.worker.turn_changes.COUNTS": "the counts of a process",
}


def changed(tree: ast.Module) -> Iterator[str]:
    """Yield what a file sets on modules of bridge: in its code, or in the text of a program."""
    modules = {local: ".".join(of) for local, of in imported_from_bridge(tree).items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _set_by_call(node, modules)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _set_by_assignment(target, modules)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (f"{module}.{name}" for module, name in ASSIGNED.findall(node.value))


def _set_by_call(node: ast.Call, modules: dict[str, str]) -> Iterator[str]:
    """Yield the target of `setattr` and `patch.object`."""
    called = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    if called not in ("setattr", "object") or not node.args:
        return
    first = node.args[0]
    second = node.args[1] if len(node.args) > 1 else None
    if isinstance(first, ast.Constant):
        yield str(first.value)
    elif isinstance(first, ast.Name) and first.id in modules and isinstance(second, ast.Constant):
        yield f"{modules[first.id]}.{second.value}"


def _set_by_assignment(target: ast.expr, modules: dict[str, str]) -> Iterator[str]:
    for each in target.elts if isinstance(target, ast.Tuple) else [target]:
        if (
            isinstance(each, ast.Attribute)
            and isinstance(each.value, ast.Name)
            and each.value.id in modules
        ):
            yield f"{modules[each.value.id]}.{each.attr}"


def constants_of(tree: ast.Module) -> set[str]:
    return {name for name in changed(tree) if CONSTANT.fullmatch(name.rpartition(".")[2])}


def test_no_test_changes_a_constant_of_bridge() -> None:
    files = set(TESTS.rglob("*.py")) - {Path(__file__)}
    found = {path: constants_of(ast.parse(path.read_text())) for path in files}
    strange = {
        str(path): names - EXCEPTIONS.keys()
        for path, names in found.items()
        if names - EXCEPTIONS.keys()
    }
    assert strange == {}, "a duration is a field of Timings"
    assert EXCEPTIONS.keys() - SIZES - set().union(*found.values()) == set(), (
        "exceptions that no test needs"
    )
    assert EXCEPTIONS.keys() >= SIZES


def test_each_way_to_change_a_constant_is_seen() -> None:
    program = """
from unittest.mock import patch
from bridge.store.queue import claims
from bridge.worker import worker as loop

def test(monkeypatch):
    monkeypatch.setattr(loop, "BEAT", 1.0)
    monkeypatch.setattr("bridge.web.health.READY", 1.0)
    monkeypatch.setattr(claims, "due", None)
    claims.LEASE = 1.0
    with patch.object(loop, "DRAIN", 1.0):
        run('''
loop.IDLE = claims.OTHER = 1.0
''')
"""
    assert constants_of(ast.parse(program)) == {
        "bridge.worker.worker.BEAT",
        "bridge.web.health.READY",
        "bridge.store.queue.claims.LEASE",
        "bridge.worker.worker.DRAIN",
        "loop.IDLE",
    }


def test_each_duration_says_its_unit() -> None:
    assert [
        field.name
        for field in fields(Timings)
        if not field.name.endswith(("_seconds", "_per_second"))
    ] == []
