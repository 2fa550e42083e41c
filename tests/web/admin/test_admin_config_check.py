"""The check of a configuration over the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from admin_client import AdminClient
from trials_here import evaluate_here

from bridge.api.resources import configs
from bridge.api.resources.configs import MAX_CONFIG_CHARS
from bridge.config.loader import load
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.config_checks.given_config import check_given_config
from bridge.services.trials import runner
from bridge.services.trials.messages import MEMORY_EXIT_CODE
from bridge.store.db.database import Database

GOOD = "version: 1\nplatforms: {local: {type: local}}\n"
SECRET = "an-environment-secret-of-the-receiver"

in_process = pytest.mark.usefixtures("here")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_here(monkeypatch)


@pytest.fixture
def admin(sqlite: Database, tmp_path: Path) -> AdminClient:
    path = tmp_path / "given.yaml"
    path.write_text(GOOD)
    return AdminClient(sqlite, tmp_path, load(path, {}))


@in_process
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

    def check(text: str, files: Mapping[str, str], _: float) -> dict[str, JSON]:
        answers.append(admin.send("POST", "/configs/check", body={"text": GOOD}))
        return check_given_config(text, files).as_json("routes.yaml")

    monkeypatch.setattr(configs, "check_text", check)
    assert admin.send("POST", "/configs/check", body={"text": GOOD}).status_code == 200
    [meanwhile] = answers
    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (503, "1")


def test_it_needs_the_scope_bodies(admin: AdminClient) -> None:
    answer = admin.send("POST", "/configs/check", body={"text": GOOD}, scopes=(Scope.READ,))
    assert answer.status_code == 403


@pytest.mark.usefixtures("new_processes")
def test_a_process_of_its_own_checks_without_the_secrets_of_the_receiver(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", SECRET)
    text = (
        'version: 1\nsources: {a: {provider: github, secret: "${env:FLOWBRIDGE_SECRET_KEY}"},'
        ' b: {provider: github, secret: "${file:/proc/self/environ}"}}\nroutes: [{name: x, on: a,'
        ' match: {body.a: {regex: "^(a+)+$"}}, inputs: {b: "\\ud800"}, flow: local/x}]\n'
    )
    found = admin.send("POST", "/configs/check", body={"text": text, "files": {"flows.py": "1/0"}})
    assert found.status_code == 200, found.text
    assert SECRET not in found.text
    here = check_given_config(text, {}).as_json("routes.yaml")
    assert found.get_json()["problems"] == here["problems"] != []


@pytest.mark.usefixtures("new_processes")
def test_a_check_that_takes_too_much_is_the_fault_of_its_text(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, status, said in (
        (f"raise SystemExit({MEMORY_EXIT_CODE})", 400, "more than 256 MiB of memory: make it"),
        ("import os; os.kill(os.getpid(), 24)", 400, "5 s of processor time: make it smaller"),
        ("raise SystemExit(1)", 503, "without a result"),
    ):
        monkeypatch.setattr(runner, "PROGRAM", program)
        answer = admin.send("POST", "/configs/check", body={"text": GOOD})
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert [one["pointer"] for one in answer.get_json()["errors"]] == ["/text"] * (
            status == 400
        )
