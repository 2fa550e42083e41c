"""Fixtures that many tests share: a store of each kind, and a few records."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path

import forking
import pytest
import serving
from hypothesis import HealthCheck, settings
from postgres_databases import DatabasePool, drop_postgres_database, new_postgres_database
from postgres_server import execute, postgres_server
from sqlalchemy import make_url

from bridge.core.timings import Timings
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.migrations import upgrade
from bridge.system.logs import LINES
from bridge.web.receiving import rate_limiter

#: Many tests import these from here.

#: flow_platform; heard; edge; authority, ca_file, tls_server; quick_polling; small
pytest_plugins = [
    "bridge.testing",
    "deploying",
    "edges",
    "forked_runner",
    "loopback_tls",
    "quick_polling",
    "session_folder",
    "small_disk",
    "tiers",
]

#: What Hypothesis tries is the same in each run, and a machine that stands still is no finding;
#: `--hypothesis-profile default` tries more.
settings.register_profile(
    "steady",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")

LONGEST = (
    "flow_processes",
    "processes",
    "fleet",
    "celery",
    "alerts_live",
    "torture",
    "reconciler",
    "backup",
    "worker",
    "platform_command",
    "ledger_machine",
    "run_tracker",
    "systemd",
    "handover",
    "reload_processes",
    "demo",
    "cli_operations",
    "deploys",
    "learned_secrets",
    "tracing",
)

rate_limiter.SALT = bytes(16)  # else by chance, now and then, two keys would share a limit


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, though a shell that ran the tests in the
    background told them to ignore it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """End the process that commands are forked from."""
    forking.end()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: the garbage collector would go through it again and
    again, for half of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those with tests that plain `pytest` leaves out: a file
    stays in one process, and none is to be the last for long.
    """
    from tiers import find_reason  # pytest loads plugins of `pytest_plugins` itself

    long = {item.path for item in items if find_reason(item)}
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path.name, len(places)), item.path not in long))


@pytest.fixture(autouse=True)
def fresh_line_limits() -> None:
    """Let no test use up what another one may log."""
    LINES.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server, started for this session."""
    with postgres_server() as server:
        yield server.get_uri()


@pytest.fixture
def postgres_database(postgres: str) -> Iterator[str]:
    """The URL of an empty database on that server."""
    url = new_postgres_database(postgres)
    yield url
    drop_postgres_database(postgres, url)


@pytest.fixture
def empty_postgres(postgres: str) -> Iterator[str]:
    """The URL of a PostgreSQL database that has nothing in it."""
    url = new_postgres_database(postgres)
    yield url
    drop_postgres_database(postgres, url)


@pytest.fixture(scope="session", autouse=True)
def _template(tmp_path_factory: pytest.TempPathFactory) -> None:
    @cache
    def template() -> Path:
        file = tmp_path_factory.mktemp("template") / "flowbridge.db"
        _migrate(f"sqlite:///{file}")
        return file

    serving.template = template


@pytest.fixture(scope="session")
def migrated_file() -> Path:
    """A migrated SQLite file that nobody has open: a copy of it takes a tenth of the time that a
    migration does.
    """
    file = serving.template()
    assert file is not None
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """The name of a migrated PostgreSQL database that nobody can open any more, of which others are
    copies.
    """
    url = new_postgres_database(postgres)
    _migrate(url)
    name = make_url(url).database
    execute(postgres, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    assert name is not None
    return name


def _migrate(url: str) -> None:
    database = Database(url)
    upgrade.upgrade(database)
    database.close()


@pytest.fixture
def timings(request: pytest.FixtureRequest) -> Timings:
    """The durations of this test: those of a running bridge, and what `@pytest.mark.timings`
    changes.
    """
    # a test's own come after its module's
    marks = reversed(list(request.node.iter_markers("timings")))
    return Timings(**{name: value for mark in marks for name, value in mark.kwargs.items()})


@pytest.fixture
def new_sqlite(migrated_file: Path, timings: Timings) -> Callable[[Path], Database]:
    """Make an empty, migrated SQLite store at a path."""

    def make(path: Path) -> Database:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(migrated_file, path)  # its mode too
        return Database(f"sqlite:///{path}", timings=timings)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated store: each test that asks for it runs on both kinds."""
    database: Database = request.getfixturevalue(request.param)
    return database


@pytest.fixture
def with_keys(database: Database) -> Iterator[Callable[..., Database]]:
    """Return a function that opens the store of `database` with encryption keys."""
    made: list[Database] = []

    def open_store(*keys: str) -> Database:
        made.append(Database(database.url.render_as_string(hide_password=False), Sealer(keys)))
        return made[-1]

    yield open_store
    for each in made:
        each.close()


@pytest.fixture
def sqlite(new_sqlite: Callable[[Path], Database], tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated SQLite store."""
    database = new_sqlite(tmp_path / "flowbridge.db")
    yield database
    database.close()


@pytest.fixture(scope="session")
def database_pool(postgres: str, migrated_postgres: str) -> DatabasePool:
    """Migrated databases on that server, used again and again."""
    return DatabasePool(postgres, migrated_postgres)


@pytest.fixture
def postgresql(database_pool: DatabasePool, timings: Timings) -> Iterator[Database]:
    """An empty, migrated store on PostgreSQL."""
    with database_pool.borrow() as url:
        database = Database(url, timings=timings)
        yield database
        database.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with no setting of flowbridge in the environment."""
    for name in [name for name in os.environ if name.startswith("FLOWBRIDGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(new_sqlite: Callable[[Path], Database], folder: Path) -> Iterator[Database]:
    """The store of that folder, where the command line finds it."""
    database = new_sqlite(folder / "data" / "flowbridge.db")
    yield database
    database.close()


def project_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, migrated_file: Path, routes: str, **settings: str
) -> Path:
    """Make a project in a folder whose store is a SQLite file, have commands use it with these
    settings, and return its data folder.
    """
    data = folder / "data"
    data.mkdir()
    shutil.copy(migrated_file, data / "flowbridge.db")
    (folder / "routes.yaml").write_text(routes)
    for name, value in {"CONFIG": folder / "routes.yaml", "DATA": data, **settings}.items():
        monkeypatch.setenv(f"FLOWBRIDGE_{name}", str(value))
    return data
