"""FLOWBRIDGE_CONFIG names one routes.yaml and the current folder has another: a command says which
it uses.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import run

TEXT = "version: 1\nsources: {contact: {provider: form}}\n"
NOTE = "not the routes.yaml of this folder"


@pytest.fixture
def other(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A routes.yaml that FLOWBRIDGE_CONFIG names, beside the one of the current folder."""
    file = tmp_path_factory.mktemp("demo") / "routes.yaml"
    file.write_text(TEXT)
    (folder / "routes.yaml").write_text(TEXT.replace("contact", "mine"))
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(file))
    return file


def test_a_command_says_that_it_uses_another_file(other: Path) -> None:
    result = run("check", "--json")
    assert json.loads(result.stdout)["config"] == str(other), "nothing but JSON on stdout"
    said = (
        f"note: FLOWBRIDGE_CONFIG is set, so {other} is used, {NOTE} (unset FLOWBRIDGE_CONFIG to"
        " use that)\n"
    )
    assert result.stderr.startswith(said) and result.stderr.count(NOTE) == 1


def test_the_one_of_a_demo_is_not_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "routes.yaml").write_text(TEXT)
    demo = tmp_path / "flowbridge-demo-x1" / "routes.yaml"
    demo.parent.mkdir()
    demo.write_text(TEXT)
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(demo))
    assert NOTE not in run("status").stderr
    demo.unlink()
    assert NOTE in run("status").stderr


def test_one_that_is_gone_is_named_too(other: Path) -> None:
    other.unlink()
    assert NOTE in run("status").stderr


def test_nothing_is_said_where_it_is_meant(
    other: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert NOTE not in run("--config", str(other), "check").stderr
    assert NOTE not in run("providers", "github").stderr
    for same in ("routes.yaml", str(folder / "routes.yaml")):
        monkeypatch.setenv("FLOWBRIDGE_CONFIG", same)
        assert NOTE not in run("check").stderr
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", str(other))
    (folder / "routes.yaml").unlink()
    assert NOTE not in run("check").stderr


def test_a_file_that_is_an_argument_is_the_one_that_is_used(other: Path, folder: Path) -> None:
    assert other.exists()
    result = run("check", "routes.yaml", "--json")
    assert json.loads(result.stdout)["config"] == "routes.yaml"
    assert NOTE not in result.stderr
    both = run("--config", str(other), "check", str(folder / "routes.yaml"))
    assert (both.exit_code, both.stdout) == (2, "")
    assert "FILE and --config cannot be combined" in both.stderr
