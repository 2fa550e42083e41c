"""Commands load only the libraries that they need: most of a command's time is imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from records import make_delivery, make_event

from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.migrations import upgrade

LIST = """
import sys
from bridge.cli.main import main

try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""
READS_ROUTES = {"pydantic", "ruamel.yaml", "jsonschema", "bridge.config.loader"}
SERVES = {"flask", "werkzeug", "jinja2", "gunicorn", "requests", "alembic"}
ROUTES_EVENTS = {"bridge.routing.model", "bridge.routing.expressions.compile", "bridge.providers"}


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    "command",
    [["events", "--limit", "1"], ["events", "--source", "github"], ["deliveries", "--limit", "1"]],
)
def test_a_list_loads_no_library_for_routes_or_requests(tmp_path: Path, command: list[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    database = Database(f"sqlite:///{data / 'flowbridge.db'}")
    upgrade.upgrade(database)
    event = make_event("1")
    events.add(database, event, [make_delivery(event)], lambda *_: [])
    database.close()
    (tmp_path / "routes.yaml").write_text("version: 1\n")
    done = subprocess.run(
        [sys.executable, "-c", LIST, *command],
        env=os.environ
        | {"FLOWBRIDGE_DATA": str(data), "FLOWBRIDGE_CONFIG": str(tmp_path / "routes.yaml")},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "sqlalchemy" in loaded
    assert not loaded & (READS_ROUTES | SERVES | ROUTES_EVENTS)
