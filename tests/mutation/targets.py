"""What is mutated, and which tests are to notice it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_CLAIM_TESTS = (
    "ledger",
    "circuit_breaker",
    "start_rates",
    "wait_reasons",
    "counters",
    "form_files",
    "change_detection",
    "ordering",
    "worker",
)
#: By source file the test files that execute it in their own process, those of its subject first.
TARGETS: dict[str, tuple[str, ...]] = {
    "bridge/store/queue/ledger.py": (
        "ledger",
        "ordering",
        "circuit_breaker",
        "start_rates",
        "operations",
        "pruning",
        "ledger_machine",
        "worker",
    ),
    "bridge/store/queue/circuit_updates.py": (
        "circuit_breaker",
        "ledger",
        "start_rates",
        "ledger_machine",
        "worker",
    ),
    "bridge/store/queue/transitions.py": (
        "ledger",
        "ordering",
        "start_rates",
        "operations",
        "pruning",
        "ledger_machine",
        "worker",
    ),
    "bridge/store/queue/claims.py": _CLAIM_TESTS,
    "bridge/store/queue/claim_round.py": _CLAIM_TESTS,
    "bridge/store/queue/leases.py": ("ledger", "start_rates", "ordering", "worker"),
    "bridge/store/db/group_commit.py": ("store", "ledger", "fault_injection", "disk_full"),
    "bridge/store/db/commit_queue.py": ("store", "ledger", "fault_injection", "disk_full"),
    "bridge/store/queue/reconcile.py": ("reconciler", "encryption"),
    "bridge/store/queue/unknown_starts.py": ("reconciler", "encryption"),
    "bridge/delivery/reconcile.py": ("reconcile", "reconciler", "cli_events"),
    "bridge/delivery/reconcile_verdict.py": ("reconcile", "reconciler", "cli_events"),
    "bridge/ingest/receive.py": (
        "receive",
        "redaction",
        "subscription_confirmation",
        "limits",
        "handshakes",
        "handshakes_business",
        "forms",
        "form_uploads",
        "form_spam",
        "provider_edge",
        "previews",
        "signed_content",
    ),
    "bridge/store/blobs.py": (
        "blobs",
        "erase",
        "rekey",
        "encryption",
        "form_uploads",
        "maintenance_jobs",
        "backup",
    ),
    "bridge/worker/worker.py": (
        "worker",
        "maintenance_jobs",
        "change_detection",
        "reconciler",
        "tracing",
        "thread_pool",
    ),
    "bridge/worker/cycle.py": (
        "worker",
        "worker_turns",
        "maintenance_jobs",
        "change_detection",
        "reconciler",
        "tracing",
        "thread_pool",
    ),
    "bridge/worker/turn.py": (
        "worker",
        "worker_turns",
        "turn_locks",
        "maintenance_jobs",
        "change_detection",
        "reconciler",
        "tracing",
    ),
}

#: The path by which the mutants of a file are numbered: the one it had at first, so that a move
#: changes no id.
NUMBERED_AS = {
    "bridge/store/queue/ledger.py": "bridge/store/ledger.py",
    "bridge/store/queue/circuit_updates.py": "bridge/store/ledger.py",
    "bridge/store/queue/transitions.py": "bridge/store/ledger.py",
    "bridge/store/queue/claims.py": "bridge/store/claims.py",
    "bridge/store/queue/claim_round.py": "bridge/store/claims.py",
    "bridge/store/queue/leases.py": "bridge/store/claims.py",
    "bridge/store/db/group_commit.py": "bridge/store/group.py",
    "bridge/store/db/commit_queue.py": "bridge/store/group.py",
    "bridge/store/queue/reconcile.py": "bridge/store/reconciling.py",
    "bridge/store/queue/unknown_starts.py": "bridge/store/reconciling.py",
    "bridge/delivery/reconcile.py": "bridge/reconcile.py",
    "bridge/delivery/reconcile_verdict.py": "bridge/reconcile.py",
    "bridge/ingest/receive.py": "bridge/receive.py",
    "bridge/store/blobs.py": "bridge/blobs.py",
    "bridge/worker/worker.py": "bridge/worker/loop.py",
    "bridge/worker/cycle.py": "bridge/worker/loop.py",
    "bridge/worker/turn.py": "bridge/worker/loop.py",
}

#: By source file the test files that start whole bridges: run as they are, one after the other,
#: where nothing else has noticed.
WIDER: dict[str, tuple[str, ...]] = {
    "bridge/store/queue/ledger.py": ("fleet", "celery"),
    "bridge/store/queue/circuit_updates.py": ("fleet", "celery"),
    "bridge/store/queue/transitions.py": ("fleet", "celery"),
    "bridge/store/queue/claims.py": ("fleet", "celery"),
    "bridge/store/queue/claim_round.py": ("fleet", "celery"),
    "bridge/store/queue/leases.py": ("fleet", "celery"),
    "bridge/store/db/group_commit.py": ("processes",),
    "bridge/store/db/commit_queue.py": ("processes",),
    "bridge/store/queue/reconcile.py": ("fleet",),
    "bridge/store/queue/unknown_starts.py": ("fleet",),
    "bridge/delivery/reconcile.py": ("torture_accounting",),
    "bridge/delivery/reconcile_verdict.py": ("torture_accounting",),
    "bridge/ingest/receive.py": ("business_rows", "shop_rows", "serving"),
    "bridge/store/blobs.py": ("flow_api_files", "form_hostile"),
    "bridge/worker/worker.py": ("processes", "fleet", "celery", "flow_processes", "run_tracker"),
    "bridge/worker/cycle.py": ("processes", "fleet", "celery", "flow_processes", "run_tracker"),
    "bridge/worker/turn.py": ("processes", "fleet", "celery", "flow_processes", "run_tracker"),
}


@dataclass(frozen=True, slots=True)
class Area:
    """The tests of the files whose path begins alike: those that execute them in their own process,
    and those that start bridges.
    """

    tests: tuple[str, ...]
    wider: tuple[str, ...] = ()


#: What `sample --area` can mutate, by the beginning of its path.
AREAS: dict[str, Area] = {
    "bridge/store/db/": Area(
        (
            "store",
            "durability",
            "log_sync",
            "corruption",
            "shared_commit",
            "gathered_events",
            "change_detection",
            "clock_steps",
            "concurrent_indexes",
            "ledger",
            "ledger_conditions",
            "lock_watch",
            "network_bytes",
            "prepared",
            "queries",
            "row_walk",
            "scratch_schema",
            "oldest_events",
            "known_names",
            "session_check",
            "snapshot",
            "sqlite_file",
            "trend_rows",
            "turn_locks",
            "encryption",
            "migrate",
            "rekey",
            "scheduler",
            "maintenance_jobs",
            "fault_injection",
            "disk_full",
            "denied_files",
            "process_resources",
        ),
        ("backup", "copy", "released_stores", "upgrade", "processes"),
    ),
    "bridge/worker/": Area(
        (
            "worker",
            "worker_turns",
            "attempt_deadline",
            "clock_skew",
            "executor",
            "far_times",
            "flow_generations",
            "flow_inputs_job",
            "form_files",
            "maintenance_jobs",
            "missing_flows",
            "operation_runner",
            "reconciler",
            "result_queue",
            "run_specs",
            "run_tracker",
            "scheduler",
            "socket_poller",
            "thread_pool",
            "trial_results_job",
            "turn_changes",
            "turn_locks",
            "change_detection",
            "clock_steps",
            "local_runs",
            "alerts",
            "certificates",
            "counters",
            "tracing",
            "trend_rows",
            "daily_events",
            "flow_api_files",
        ),
        ("flow_processes", "celery", "processes", "fleet", "alerts_live"),
    ),
    "bridge/system/http_": Area(
        ("http_client", "http_head", "attempt_deadline", "hostile_server"),
        ("platform_command",),
    ),
    "bridge/web/server/event_loop/": Area(
        (
            "body_decoder",
            "commit_gatherer",
            "connection_limit",
            "edge_threads",
            "head_reader",
            "hook_calls",
            "lag_observer",
            "loop_connection",
            "loop_edge",
            "page_call",
            "passed_connections",
            "receiver_restart",
            "thread_writer",
            "timed_connection",
            "unproven_bodies",
            "unread_bodies",
        ),
        (
            "event_loop_edge",
            "receiver_end",
            "slow_senders",
            "readiness",
            "edge_contract",
            "gunicorn",
            "http_edge",
        ),
    ),
}

#: Test files that mention a source file and take minutes, or execute it only in processes of their
#: own.
NOT_TRACED = {
    "alerts_live",
    "backup",
    "celery",
    "copy",
    "deploys",
    "fleet",
    "flow_processes",
    "processes",
    "released_stores",
    "reload_processes",
    "handover",
    "torture",
    "torture_accounting",
    "upgrade",
}


def files_of(root: Path, *areas: str) -> list[str]:
    """Return the source files whose paths begin so."""
    paths = (str(path.relative_to(root)) for path in sorted((root / "bridge").rglob("*.py")))
    return [path for path in paths if path.startswith(areas)]


def test_files(root: Path, file: str, *, wider: bool = False) -> list[str]:
    """Return the test files of a source file: those that the tables name and, unless they are the
    `wider` ones, all that import it. A file of an area that has no row has the tests of the area.
    """
    names = list((WIDER if wider else TARGETS).get(file, ()))
    area = next((tests for start, tests in AREAS.items() if file.startswith(start)), None)
    if area is not None and file not in TARGETS:
        names = list(area.wider if wider else area.tests)
        own = Path(file).stem
        names.sort(key=lambda name: name != own)
    elif not wider:
        names += [
            name
            for name in _that_import(root, file)
            if name not in NOT_TRACED and name not in names
        ]
    paths = {path.stem: str(path.relative_to(root)) for path in (root / "tests").rglob("test_*.py")}
    return [paths[f"test_{name}"] for name in names if f"test_{name}" in paths]


def _that_import(root: Path, file: str) -> list[str]:
    package, _, module = ".".join(Path(file).with_suffix("").parts).rpartition(".")
    ways = (
        rf"from {package}\.{module} import",
        rf"import {package}\.{module}\b",
        rf"from {package} import .*\b{module}\b",
    )
    imports = re.compile(rf"^\s*({'|'.join(ways)})", re.MULTILINE)
    return sorted(
        path.stem.removeprefix("test_")
        for path in (root / "tests").rglob("test_*.py")
        if imports.search(path.read_text())
    )
