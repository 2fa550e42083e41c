"""The dependency rules: imports point one way, the first packages do no I/O, and each kind of I/O
has one door.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tables import for_each

import bridge

ROOT = Path(bridge.__file__).parent
#: A package imports itself and what stands before it.
LAYERS = [
    "core",
    "providers",
    "routing",
    "ingest",
    "delivery",
    "system",
    "config",
    "store",
    "flows",
    "monitoring",
    "services",
    "worker",
    "api",
    "web",
    "torture",
    "runtime",
    "testing",
    "importers",
    "cli",
]
PURE = LAYERS[:5]
STORE = [
    "encryption",
    "blobs",
    "db",
    "tables",
    "migrations",
    "audit",
    "inbound",
    "queue",
    "local",
    "clock_corrections",
    "clock_steps",
    "queries",
    "operations",
    "backup",
]
# neither imports the other: they meet in the store
APART = {("worker", "web"), ("flows", "monitoring")}
IO = {
    "os",
    "time",
    "random",
    "logging",
    "pathlib",
    "socket",
    "sqlite3",
    "flask",
    "requests",
    "urllib.request",
    "threading",
    "subprocess",
}
#: what may be imported -> by which packages, or modules
DOORS = {
    "flask": {"web"},
    # the latter two: its parser for header values, which does no I/O
    "werkzeug": {"web", "ingest.bodies", "core.multipart"},
    "gunicorn": {"web"},
    # to annotate what they hand from one function of the store to another
    "sqlalchemy.Connection": {"store", "monitoring.trend_writer", "worker", "cli"},
    "sqlalchemy": {"store"},
    "sqlite3": {"store", "cli"},  # cli: its version, for `db check`
    "psycopg": {"store"},
    "alembic": {"store"},
    "celery": {"worker.celery"},
    "kombu": {"worker.celery"},
    "requests": {"system"},
    "urllib3": {"system"},
    "http.client": {"system"},
    "smtplib": {"flows"},  # of the ready-made flows; their HTTP goes out by `system.http_client`
    # forms: a page of the operator's own, compiled and rendered from its text
    "jinja2": {"web", "ingest.forms"},
    "PIL": {"system.previews"},
    "pypdfium2": {"system.previews"},
    "click": {"cli"},
    "mcp": {"cli.agents.stdio_server"},
    "mcp_types": {"cli.agents.stdio_server"},
    "anyio": {"cli.agents.stdio_server"},
    "rich": {"cli"},
    "pytest": {"testing"},
    "opentelemetry": {"monitoring.tracing"},
    "prometheus_client": {"monitoring"},
    "http.server": {"monitoring"},  # where a worker is alone on its machine
    "ruamel.yaml": {"config", "services.project"},
    "pydantic": {"config"},
    "jmespath": {"routing"},
    "jsonschema": {"routing.schemas"},
    "joserfc": {"providers.signatures.json_token"},
    "jsonschema_rs": set(),  # jsonschema decides, whatever else is installed
}
#: The environment of a run is its own: what the settings make of it, without flowbridge's secrets.
ENVIRONMENT = {"config.settings", "flows.ready.environment"}
FILES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if path.parent != ROOT and path.parent.name not in ("versions", "templates")
)
each_file = for_each(
    "path",
    [*FILES, ROOT / "testing.py"],
    ids=lambda path: name_of(path),  # noqa: PLW0108 - defined below
)


@cache
def name_of(path: Path) -> str:
    """`store.queue.ledger`; a package by its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """(line, what is imported), also inside functions, and also what is only for type checkers."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def ours(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, the path of what is imported below `bridge`)."""
    for line, name in imports(path):
        if name.startswith("bridge.") and name != "bridge.__version__":
            yield line, name.split(".")[1:]


def is_of(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def test_only_public_modules_stand_beside_the_packages() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "testing.py",
    }
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} - {"__pycache__"} == {
        *LAYERS
    } - {"testing"}


@each_file
def test_imports_point_one_way(path: Path) -> None:
    mine, *rest = name_of(path).split(".")
    for line, (other, *more) in ours(path):
        where = f"{name_of(path)}:{line}: {mine} imports {other}"
        assert LAYERS.index(other) <= LAYERS.index(mine), where
        assert (mine, other) not in APART and (other, mine) not in APART, where
        if mine == other == "store" and rest and more:
            assert STORE.index(more[0]) <= STORE.index(rest[0]), f"{where}.{more[0]}"


def test_no_modules_import_each_other() -> None:
    names = {name_of(path): path for path in FILES}
    graph = {
        name: {
            found
            for _, parts in ours(path)
            if (found := ".".join(parts)) in names or (found := ".".join(parts[:-1])) in names
        }
        - {name}
        for name, path in names.items()
    }
    # What imports nothing of the rest is in no circle, and neither is what nothing of it imports.
    while graph:
        imported = set().union(*graph.values())
        rest = {name: others & graph.keys() for name, others in graph.items() if name in imported}
        rest = {name: others for name, others in rest.items() if others}
        if rest == graph:
            break
        graph = rest
    circle = {name: sorted(others) for name, others in graph.items()}
    assert not circle, "these import each other, maybe through others"


@for_each("path", [path for path in FILES if name_of(path).split(".")[0] in PURE], ids=name_of)
def test_the_core_does_no_io(path: Path) -> None:
    for line, name in imports(path):
        is_data = name_of(path) == "providers.samples.loader" and is_of(name, "importlib")
        assert is_data or not any(is_of(name, module) for module in IO), (
            f"{name_of(path)}:{line}: the core imports {name}"
        )


@each_file
def test_each_kind_of_io_has_one_door(path: Path) -> None:
    for line, name in imports(path):
        door = next((module for module in DOORS if is_of(name, module)), None)
        if door is not None:
            assert any(is_of(name_of(path), one) for one in DOORS[door]), (
                f"{name_of(path)}:{line}: {name} is for {', '.join(DOORS[door])}"
            )


@each_file
def test_no_private_part_of_a_library_is_imported(path: Path) -> None:
    for line, name in imports(path):
        private = [
            part for part in name.split(".") if part.startswith("_") and not part.startswith("__")
        ]
        assert not private or name.startswith(("bridge.", "_typeshed.", "_thread")), (
            f"{name_of(path)}:{line}: {name} is private"
        )


SUPPRESSION = re.compile(r"noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*|type: ignore\[[a-z, -]+\]")


@each_file
def test_what_a_linter_is_told_to_ignore_has_its_reason(path: Path) -> None:
    if not re.search("noqa|type: ignore", path.read_text()):
        return
    with tokenize.open(path) as file:
        comments = [
            each
            for each in tokenize.generate_tokens(file.readline)
            if each.type == tokenize.COMMENT
        ]
    for each in comments:
        if "noqa" in each.string or "type: ignore" in each.string:
            where = f"{name_of(path)}:{each.start[0]}: {each.string}"
            assert SUPPRESSION.search(each.string), f"{where}: which rule?"
            reason = SUPPRESSION.split(each.string)[-1]
            assert re.match(r" - \w|  # \w", reason), f"{where}: no reason"


@each_file
def test_the_environment_and_stdout_have_one_door(path: Path) -> None:
    name = name_of(path)
    is_cli = is_of(name, "cli")
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute) and node.attr in (
            "environ",
            "environb",
            "getenv",
            "putenv",
        ):
            is_os = isinstance(node.value, ast.Name) and node.value.id == "os"
            assert not is_os or is_cli or name in ENVIRONMENT, (
                f"{where}: the environment is for settings and cli"
            )
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("print", "input")
        ):
            assert is_cli, f"{where}: {node.func.id}() is for cli"


@for_each("path", [path for path in FILES if path.name == "__init__.py"], ids=name_of)
def test_packages_hold_names_at_most(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        is_all = isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == [
            "__all__"
        ]
        is_doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert is_all or is_doc or isinstance(node, ast.ImportFrom), (
            f"{name_of(path)}:{node.lineno}: code"
        )


@for_each(
    "folder", sorted({path.parent for path in FILES}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_two_modules_of_a_package_differ_by_an_ending(folder: Path) -> None:
    stems = sorted(path.stem for path in folder.glob("*.py"))
    endings = r"(s|es|ing|ed|er|or)$"
    twins = [
        (one, other)
        for one in stems
        for other in stems
        if one < other and re.sub(endings, "", one) == re.sub(endings, "", other)
    ]
    assert twins == []


def test_status_lists_of_the_database_are_those_of_the_model() -> None:
    """The CHECK constraints are made of the enums; a migration has to follow when one grows."""
    from bridge.core.model import RunState, Status

    migrations = "".join(
        path.read_text() for path in (ROOT / "store" / "migrations" / "versions").glob("0*.py")
    )
    for value in (*Status, *RunState):
        assert f"'{value.value}'" in migrations
