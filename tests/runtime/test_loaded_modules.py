"""The processes of `serve` share no libraries that only reading routes.yaml needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.config.settings import load_settings
from bridge.core.errors import ConfigError, SettingsError
from bridge.runtime.loaded_config import begin_reading_routes

pytestmark = pytest.mark.usefixtures("new_processes")

ROUTES = """\
version: 1
platforms: {local: {type: local}}
sources: {contact: {provider: form, spam: {max_links: 2}, files: true}}
routes: [{name: mail, on: contact, inputs: {to: a@example.com}, flow: local/send_email}]
"""
#: Does what `serve` does before it forks its processes, and prints the modules that it has loaded.
START = """
import os, sys
import bridge.runtime.services
from bridge.config.settings import load_settings
from bridge.runtime.loaded_config import begin_reading_routes

loaded = begin_reading_routes(load_settings(os.environ))()
assert loaded.config.sources["contact"].form.spam.max_links == 2
assert loaded.config.sources["contact"].form.files is not None
print(*sys.modules)
"""


def test_what_only_reading_needs_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    environ = os.environ | {
        "FLOWBRIDGE_DATA": str(tmp_path / "data"),
        "FLOWBRIDGE_CONFIG": str(tmp_path / "routes.yaml"),
    }
    said = subprocess.run(
        [sys.executable, "-c", START], env=environ, text=True, capture_output=True, check=True
    )
    modules = set(said.stdout.split())
    assert "sqlalchemy" in modules
    assert not {"pydantic", "ruamel.yaml", "alembic", "jsonschema", "rich", "PIL"} & modules


def test_a_problem_that_the_reading_process_finds_keeps_its_kind(tmp_path: Path) -> None:
    config = tmp_path / "routes.yaml"
    config.write_text("version: 1\nsources: {a: {provider: nobody}}\n")
    settings = load_settings(
        {"FLOWBRIDGE_DATA": str(tmp_path / "data"), "FLOWBRIDGE_CONFIG": str(config)}
    )
    with pytest.raises(ConfigError, match="no provider `nobody`") as refused:
        begin_reading_routes(settings)()
    assert [problem.line for problem in refused.value.problems] == [2]
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="cannot read"):
        begin_reading_routes(settings)()
