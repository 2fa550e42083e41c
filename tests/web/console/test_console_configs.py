"""The pages of stored configurations: a list, one of them, and what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_client import ConsoleClient
from console_config import LITERAL, ROUTES, write_config
from records import NOW

from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.queries.configs import remember_config


@pytest.fixture
def configs(tmp_path: Path) -> tuple[Config, Config]:
    """An older configuration, and the one in use."""
    older = ROUTES.replace("flow: triage\n", "flow: crm/y\n").replace("${body.url}", "<b>x</b>")
    return write_config(tmp_path, text=older), write_config(tmp_path)


@pytest.fixture
def console(database: Database, tmp_path: Path, configs: tuple[Config, Config]) -> ConsoleClient:
    client = ConsoleClient(database, tmp_path, configs[1])
    for at, one in enumerate(configs):
        remember_config(database, one.hash, one.canonical, NOW + at)
    client.log_in((Scope.READ,))
    return client


def test_the_list_marks_the_one_in_use(
    console: ConsoleClient, configs: tuple[Config, Config]
) -> None:
    html = console.html("/configs")
    assert html.index(configs[1].hash[:12]) < html.index(configs[0].hash[:12])
    assert html.count("in use</span>") == 1
    assert 'action="/console/configs/diff"' in html


def test_without_one_the_next_command_is_named(database: Database, tmp_path: Path) -> None:
    empty = ConsoleClient(database, tmp_path)
    empty.log_in((Scope.READ,))
    assert "flowbridge serve" in empty.html("/configs")


def test_one_alone_is_compared_with_nothing(
    database: Database, tmp_path: Path, configs: tuple[Config, Config]
) -> None:
    console = ConsoleClient(database, tmp_path, configs[1])
    remember_config(database, configs[1].hash, configs[1].canonical, NOW)
    console.log_in((Scope.READ,))
    html = console.html("/configs")
    assert configs[1].hash[:12] in html and 'type="radio"' not in html
    shown = console.html(f"/configs/{configs[1].hash[:16]}")
    route = shown[shown.index("routes:") :]
    assert route.index("- name:") < route.index("flow:")


def test_one_is_shown_as_yaml_without_secrets(
    console: ConsoleClient, configs: tuple[Config, Config]
) -> None:
    html = console.html(f"/configs/{configs[1].hash[:10]}")
    assert "provider: github" in html
    assert "value: ${env:OLD}" in html
    assert LITERAL not in html and "&#39;***&#39;" in html
    assert html.index("platforms:") < html.index("sources:") < html.index("routes:\n")
    assert "since the one before" in html
    older = console.html(f"/configs/{configs[0].hash}")
    assert "up to the one in use" in older


def test_what_changed_is_in_words_and_values(
    console: ConsoleClient, configs: tuple[Config, Config]
) -> None:
    a, b = (one.hash[:16] for one in configs)
    html = console.html(f"/configs/diff?a={a}&b={b}")
    assert "1 route changed." in html
    assert "<strong>route triage</strong> <code>flow</code>" in html
    assert "<pre>crm/y</pre>" in html and "<pre>triage</pre>" in html
    assert "<pre>&lt;b&gt;x&lt;/b&gt;</pre>" in html
    assert LITERAL not in html
    assert "Nothing changed" in console.html(f"/configs/diff?a={a}&b={a}")


def test_wrong_hashes_are_errors(console: ConsoleClient, configs: tuple[Config, Config]) -> None:
    for path in (
        "/configs/zz",
        "/configs/" + "0" * 64,
        f"/configs/diff?a={configs[0].hash}&b=00ff",
    ):
        assert console.get(path).status_code == 404, path
    assert console.get("/configs/diff?a=1&b=" + "f" * 65).status_code == 400
    assert console.get("/configs/diff?a=1").headers["Location"] == "/console/configs"
