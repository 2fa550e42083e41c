"""A changed configuration is tested on the newest events, on both databases."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from records import make_event

from bridge.config.loader import load
from bridge.config.settings import Settings, load_settings
from bridge.core.errors import BridgeError, SettingsError
from bridge.routing.model import Config
from bridge.services.reload_test import find_losses
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs

HEAD = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
"""
ROUTE = '  - {name: triage, on: github issues, inputs: {n: "${body.n}"}, flow: local/echo}\n'


def config(folder: Path, routes: str) -> Config:
    file = folder / "routes.yaml"
    file.write_text(HEAD + routes)
    return load(file, {}, strict_secrets=False)


def settings(folder: Path, text: str = "1h") -> Settings:
    environ = {"FLOWBRIDGE_DATA": str(folder / "data"), "FLOWBRIDGE_RELOAD_TEST": text}
    return load_settings(environ, config=str(folder / "routes.yaml"), secrets=False)


@pytest.fixture
def used(database: Database, tmp_path: Path) -> Config:
    """The configuration in use, two events of this hour and an older one."""
    one = config(tmp_path, ROUTE)
    configs.remember_config(database, one.hash, one.canonical, time.time())
    for number, age in enumerate((10, 20, 7200)):
        event = make_event(str(number), now=time.time() - age, body=b'{"n":%d}' % number)
        events.add(database, event, [], lambda *_: [])
    return one


@pytest.mark.parametrize(
    ("routes", "lost"),
    [
        (ROUTE, 0),
        (ROUTE.replace("${body.n}", "no. ${body.n}"), 0),
        (ROUTE.replace("triage", "other"), 0),
        (ROUTE.replace("local/echo", "local/sleep"), 0),
        (ROUTE.replace("inputs:", "match: {body.n: 1}, inputs:"), 1),
        (ROUTE.replace("inputs:", "mode: shadow, inputs:"), 2),
        (ROUTE.replace("inputs: {n", "strict: true, inputs: {m: '${body.gone}', n"), 2),
        (ROUTE.replace("issues", "push"), 2),
    ],
)
def test_losses_are_counted(
    database: Database, used: Config, tmp_path: Path, routes: str, lost: int
) -> None:
    changed = config(tmp_path, routes)
    found = find_losses(settings(tmp_path), database, used.hash, changed)
    noun = "delivery" if lost == 1 else "deliveries"
    assert found == (
        f"{lost} {noun} of the last 1 h would not be sent; by route: triage {lost}"
        if lost
        else None
    )


def test_older_events_are_not_tested(database: Database, used: Config, tmp_path: Path) -> None:
    changed = config(tmp_path, ROUTE.replace("issues", "push"))
    found = find_losses(settings(tmp_path, "3h"), database, used.hash, changed)
    assert found is not None and found.startswith("3 deliveries of the last 3 h ")
    assert find_losses(settings(tmp_path, "off"), database, used.hash, changed) is None


def test_a_shadow_route_may_end(database: Database, used: Config, tmp_path: Path) -> None:
    shadow = config(
        tmp_path, ROUTE + ROUTE.replace("triage", "s").replace("on:", "mode: shadow, on:")
    )
    configs.remember_config(database, shadow.hash, shadow.canonical, time.time())
    assert find_losses(settings(tmp_path), database, shadow.hash, used) is None


def test_a_configuration_that_is_not_stored_cannot_be_compared(
    database: Database, used: Config, tmp_path: Path
) -> None:
    with pytest.raises(BridgeError, match="not stored"):
        find_losses(settings(tmp_path), database, "f" * 64, replace(used, hash="e" * 64))


@pytest.mark.parametrize(("text", "seconds"), [("off", None), ("1h", 3600.0), ("30m", 1800.0)])
def test_the_setting(tmp_path: Path, text: str, seconds: float | None) -> None:
    assert settings(tmp_path, text).reload_test == seconds


@pytest.mark.parametrize("text", ["on", "0", "169h", "-1h"])
def test_a_wrong_setting_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="FLOWBRIDGE_RELOAD_TEST"):
        settings(tmp_path, text)
