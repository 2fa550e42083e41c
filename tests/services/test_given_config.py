"""The check of a configuration that is given as text: nothing else is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.services.config_checks.given_config import check_given_config

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:S}"}
routes:
  - name: triage
    on: github issues
    payload_schema: schemas/issue.json
    inputs: {title: "${body.issue.title}"}
    flow: local/echo
"""
SCHEMA = {"schemas/issue.json": '{"type": "object"}'}


def problems_of(text: str, files: Mapping[str, str]) -> list[str]:
    found = check_given_config(text, files).problems
    return [f"{one.file}:{one.line}: {one.level}: {one.message}" for one in found]


def test_a_correct_one_has_no_problem_and_no_missing_value() -> None:
    report = check_given_config(ROUTES, SCHEMA)
    assert (report.problems, report.code) == ([], 0)
    assert report.config is not None
    assert list(report.config.route_names) == ["triage"]


def test_a_value_of_verify_is_not_missing_either() -> None:
    crm = '{provider: token, secret: "${env:T}", verify: {header: "${env:H}"}}'
    report = check_given_config(ROUTES.replace("sources:", f"sources:\n  crm: {crm}"), SCHEMA)
    assert [one.message for one in report.problems] == ["no route uses this source"]
    assert report.config is not None


def test_a_file_of_the_machine_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("S", "known to the process")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "issue.json").write_text(SCHEMA["schemas/issue.json"])
    (tmp_path / "key").write_text("secret of the machine")
    assert any("cannot read schemas/issue.json" in one for one in problems_of(ROUTES, {}))
    for place in ("key", f"{tmp_path}/key", "/etc/hostname"):
        text = ROUTES.replace("${env:S}", f"${{file:{place}}}")
        report = check_given_config(text, {**SCHEMA, "key": "given"})
        assert (report.problems, report.config is not None) == ([], True), place
        assert report.config is not None and not report.config.sources["github"].secrets


@pytest.mark.parametrize("name", ["../issue.json", "/etc/passwd", "a/../../issue.json"])
def test_a_path_out_of_the_folder_is_refused(name: str) -> None:
    text = ROUTES.replace("schemas/issue.json", name)
    assert any("leads out of the folder" in one for one in problems_of(text, {name: "{}"}))


def test_included_files_are_those_given() -> None:
    start, _, routes = ROUTES.partition("routes:")
    files = {**SCHEMA, "routes.d/a.yaml": "routes:" + routes, "other/b.yaml": "routes: 3"}
    assert problems_of(start + "include: routes.d/*.yaml\n", files) == []
    found = problems_of(start + "include: '*/*.yaml'\n", files)
    assert found == ["other/b.yaml:1: error: needs a list, found a number"]


def test_misspelt_names_are_found_as_by_check() -> None:
    text = ROUTES.replace("body.issue.title", "body.isue.title").replace("issues", "isues")
    found = problems_of(text, SCHEMA)
    assert any("did you mean" in one and "issues" in one for one in found)


@pytest.mark.parametrize("text", ["", "a: [", "[]", "version: 9", "\ufeffversion: 1", "{" * 2000])
def test_any_text_gives_problems_instead_of_an_error(text: str) -> None:
    assert problems_of(text, {}) or text.endswith("version: 1")
