"""The check of a configuration over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from admin_client import AdminClient

from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.services.config_checks.given_config import check_given_config
from bridge.services.config_checks.report import ProjectReport
from bridge.store.db.database import Database
from bridge.web.admin import config_answers
from bridge.web.admin.config_answers import MAX_CONFIG_CHARS

GOOD = "version: 1\nplatforms: {local: {type: local}}\n"


@pytest.fixture
def admin(sqlite: Database, tmp_path: Path) -> AdminClient:
    path = tmp_path / "given.yaml"
    path.write_text(GOOD)
    return AdminClient(sqlite, tmp_path, load(path, {}))


def test_the_problems_have_their_places(admin: AdminClient) -> None:
    body = {"text": GOOD + "routs: []\n"}
    found = admin.send("POST", "/configs/check", body=body, scopes=(Scope.READ, Scope.BODIES))
    assert found.status_code == 200, found.text
    shape = found.get_json()
    assert shape["valid"] is False
    [problem] = [one for one in shape["problems"] if one["level"] == "error"]
    assert (problem["file"], problem["line"]) == ("routes.yaml", 3)
    assert "routes" in problem["message"]
    good = admin.send("POST", "/configs/check", body={"text": GOOD}).get_json()
    assert (good["valid"], good["platforms"]) == (True, 1)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": 3}, "/text"),
        ({"text": "x", "file": {}}, "/file"),
        ({"text": "x", "files": {"a.yaml": 3}}, "/files/a.yaml"),
        ({"text": "x" * (MAX_CONFIG_CHARS + 1)}, "/text"),
        ({"text": "x", "files": {"a.json": "x" * MAX_CONFIG_CHARS}}, "/text"),
    ],
    ids=["none", "number", "misspelt", "no text", "large", "large together"],
)
def test_a_wrong_body_is_refused(admin: AdminClient, body: dict[str, object], pointer: str) -> None:
    answer = admin.send("POST", "/configs/check", body=body)
    assert answer.status_code == 400
    assert pointer in [one["pointer"] for one in answer.get_json()["errors"]]


def test_one_configuration_is_checked_at_a_time(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []

    def check(text: str, files: Mapping[str, str]) -> ProjectReport:
        answers.append(admin.send("POST", "/configs/check", body={"text": GOOD}))
        return check_given_config(text, files)

    monkeypatch.setattr(config_answers, "check_given_config", check)
    assert admin.send("POST", "/configs/check", body={"text": GOOD}).status_code == 200
    [meanwhile] = answers
    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (503, "1")


def test_it_needs_the_scope_bodies(admin: AdminClient) -> None:
    answer = admin.send("POST", "/configs/check", body={"text": GOOD}, scopes=(Scope.READ,))
    assert answer.status_code == 403
