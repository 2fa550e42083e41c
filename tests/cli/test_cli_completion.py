"""completion: the scripts of three shells, and the names and ids that they complete."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from command_line import run
from records import make_delivery, make_event

from bridge.cli.command_list import COMMANDS
from bridge.cli.main import group
from bridge.store.db.database import Database
from bridge.store.inbound import events

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:NOT_SET}"}
  shop: {provider: stripe, secret: "${env:NOT_SET}"}
routes:
  - {name: triage, on: github issues, inputs: {n: 1}, flow: [local/echo, local/fail]}
  - {name: paid, on: shop, inputs: {n: 1}, flow: local/echo}
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    return folder


def complete(*words: str) -> list[str]:
    """Return what a shell offers for the last word."""
    *before, last = words
    shell = BashComplete(group, {}, "flowbridge", "_FLOWBRIDGE_COMPLETE")
    return [item.value for item in shell.get_completions(before, last)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    result = run("completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"_FLOWBRIDGE_COMPLETE={shell}_complete" in result.stdout


def test_another_shell_is_wrong_usage() -> None:
    for arguments in ((), ("tcsh",)):
        result = run("completion", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_commands_and_options_are_completed() -> None:
    assert complete("") == list(COMMANDS)
    assert complete("exp") == ["explain", "export"]
    assert complete("explain", "--ro") == ["--route", "--routes"]
    assert complete("db", "v") == ["vacuum"]
    assert "--config" in complete("--c")


def test_names_are_completed(project: Path) -> None:
    assert complete("events", "--source", "") == ["github", "shop"]
    assert complete("events", "--route", "") == ["triage", "paid"]
    assert complete("replay", "--through", "p") == ["paid"]
    assert complete("types", "s") == ["shop"]
    assert complete("sample", "shop") == ["shopify", "shop"]
    assert "github" in complete("providers", "gi")


def test_ids_of_the_newest_events_and_deliveries_are_completed(
    store: Database, project: Path
) -> None:
    made = [make_event(now=1_764_000_000.0 + number) for number in range(60)]
    for event in made:
        events.add(store, event, [make_delivery(event)], lambda *_: [])
    newest = [one.id for one in reversed(made)][:50]
    assert complete("show", "") == newest
    assert complete("explain", newest[3]) == [newest[3]]
    assert complete("retry", "dlv_") == [make_delivery(one).id for one in reversed(made)][:50]
    assert complete("show", "evt_zzz") == []


def test_nothing_is_completed_where_nothing_can_be_read(folder: Path) -> None:
    assert complete("events", "--source", "") == []
    assert complete("show", "") == []
    assert complete("nope", "x") == []
    (folder / "routes.yaml").write_text("version: [")
    assert complete("explain", "--route", "") == []
    assert "github" in complete("add", "gith")


def test_another_routes_file_is_used(project: Path) -> None:
    (project / "routes.yaml").rename(project / "other.yaml")
    assert complete("events", "--route", "") == []
    assert complete("--config", "other.yaml", "events", "--route", "") == ["triage", "paid"]


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script(project: Path) -> None:
    program = project / "flowbridge"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bridge "$@"\n')
    program.chmod(0o755)
    script = (
        'PATH="$PWD:$PATH"; source <(flowbridge completion bash)\n'
        "COMP_WORDS=(flowbridge events --route tr); COMP_CWORD=3\n"
        '_flowbridge_completion flowbridge; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=project,
    )
    assert (done.stdout, done.stderr) == ("triage\n", "")
