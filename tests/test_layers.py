"""The dependency rules: imports point one way, the core does no I/O, and each kind of I/O has one door."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge

ROOT = Path(bridge.__file__).parent
ORDER = [
    "errors",
    "times",
    "http_messages",
    "model",
    "circuit_state",
    "alert",
    "embedded",
    "audit",
    "patterns",
    "limits",
    "locate",
    "typos",
    "masking",
    "receipts",
    "signatures",
    "providers",
    "functions",
    "expressions",
    "templates",
    "matching",
    "schemas",
    "retention",
    "pace",
    "form",
    "routes",
    "unicode_text",
    "multipart",
    "filetypes",
    "bodies",
    "kept",
    "subjects",
    "redaction",
    "forms",
    "planning",
    "retry",
    "circuit",
    "clock_reading",
    "reconcile",
    "shares",
    "waits",
    "silence",
    "overview",
    "troubles",
    "metrics",
    "tracking",
    "platforms",
    "duplicates",
    "receive",
    "rejects",
    "transit",
    "diagnosis",
    "handing",
    "deliver",
    "traces",
    "shapes",
    "alerting",
    "settings",
    "hosts",
    "config",
    "samples",
    "ids",
    "dry",
    "links",
    "sealing",
    "wake",
    "log_lines",
    "logs",
    "systemd",
    "watch",
    "parent",
    "memory",
    "apart",
    "previews",
    "affinity",
    "counting",
    "tracing",
    "blobs",
    "remembered",
    "tls",
    "backup_age",
    "store",
    "bounded_tar",
    "backup",
    "backups",
    "restore",
    "connections",
    "send",
    "keyring",
    "flows",
    "start",
    "reload",
    "standing",
    "exposition",
    "worker",
    "engine",
    "web",
    "succession",
    "supervisor",
    "supervise",
    "torture",
    "cli",
    "testing",
]
CORE = ORDER[: ORDER.index("settings")]
IO = {"os", "time", "random", "logging", "pathlib", "socket", "sqlite3", "flask", "requests", "urllib.request", "threading", "subprocess"}
#: what may be imported -> by whom
DOORS = {
    "flask": {"web"},
    "werkzeug": {"web", "bodies", "multipart"},  # bodies, multipart: its parser for header values, which does no I/O
    "gunicorn": {"web"},
    "sqlalchemy.Connection": {"store", "worker", "engine", "cli"},  # to annotate what they hand from one function of the store to another
    "sqlalchemy": {"store"},
    "sqlite3": {"store", "cli"},  # cli: its version, for `db check`
    "psycopg": {"store"},
    "alembic": {"store"},
    "celery": {"engine"},
    "kombu": {"engine"},
    "requests": {"connections", "send"},
    "urllib3": {"connections", "send"},
    "http.client": {"send"},
    "smtplib": {"flows"},  # of the ready-made flows; their HTTP goes out by `send`
    "jinja2": {"web", "forms"},  # forms: a page of the operator's own, compiled and rendered from its text
    "PIL": {"previews"},
    "pypdfium2": {"previews"},
    "click": {"cli"},
    "rich": {"cli"},
    "pytest": {"testing"},
    "opentelemetry": {"tracing"},
    "prometheus_client": {"exposition"},
    "http.server": {"exposition"},  # where a worker is alone on its machine
    "ruamel.yaml": {"config", "cli"},
    "pydantic": {"config"},
    "jmespath": {"expressions", "functions"},
    "jsonschema": {"schemas"},
}
#: The environment of a run is its own: what the settings make of it, without flowbridge's secrets.
ENVIRONMENT = {ROOT / "flows" / "ready" / "environment.py"}
FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.name != "__main__.py" and path.parent.name != "versions" and path != ROOT / "__init__.py"
)


def part(path: Path) -> str:
    """The module, or the folder, right below `bridge`."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what is imported), also inside functions; what is only for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "bridge":
                yield from ((node.lineno, f"bridge.{alias.name}") for alias in node.names)
            else:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_of(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def test_every_module_has_its_place() -> None:
    assert {part(path) for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    mine = part(path)
    for line, name in imports(path):
        if is_of(name, "bridge") and name.count(".") and (other := name.split(".")[1]) in ORDER:
            assert ORDER.index(other) <= ORDER.index(mine), f"{path.relative_to(ROOT)}:{line}: {mine} imports {other}"


@pytest.mark.parametrize("path", [path for path in FILES if part(path) in CORE], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_does_no_io(path: Path) -> None:
    for line, name in imports(path):
        assert not any(is_of(name, module) for module in IO), f"{path.relative_to(ROOT)}:{line}: the core imports {name}"
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert re.search(r"\bPure[.:]", said), f"{path.relative_to(ROOT)}: a module of the core says `Pure.`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_kind_of_io_has_one_door(path: Path) -> None:
    for line, name in imports(path):
        door = next((module for module in DOORS if is_of(name, module)), None)
        if door is not None:
            assert part(path) in DOORS[door], f"{path.relative_to(ROOT)}:{line}: {name} is for {', '.join(DOORS[door])}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_environment_and_stdout_have_one_door(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
            is_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            allowed = part(path) in ("settings", "cli") or path in ENVIRONMENT
            assert not is_os or allowed, f"{where}: the environment is for settings and cli"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input"):
            assert part(path) == "cli", f"{where}: {node.func.id}() is for cli"


def test_status_lists_of_the_database_are_those_of_the_model() -> None:
    """The CHECK constraints are made of the enums; a migration has to follow when one grows."""
    from bridge.model import RunState, Status

    migrations = "".join(path.read_text() for path in (ROOT / "store" / "migrations" / "versions").glob("0*.py"))
    for value in (*Status, *RunState):
        assert f"'{value.value}'" in migrations
