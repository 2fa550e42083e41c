"""test --server: answers of a bridge that has another version, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from servers import Misbehaving, respond

ROUTES = "version: 1\nsources: {}\nroutes: []\n"
COUNTS = {"same": 1, "changed": 0, "new": 0, "lost": 0, "dead": 0}
PROBLEM = {"file": "routes.yaml", "line": 1, "column": 1, "path": "", "message": "is wrong"}
RESULT = {
    "problems": [],
    "events": 1,
    "summary": COUNTS | {"skipped": 0},
    "routes": [{"route": "a", **COUNTS, "example": None, "reason": None}],
    "skipped": {},
    "changes": [],
    "changes_complete": True,
    "complete": True,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        running.script("/admin/v1/trials", respond(202, {"id": "trl_1"}))
        yield running


def try_file(
    server: Misbehaving, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str, **changes: Any
) -> Any:
    """Test a file where the trial has this result."""
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", "fb_0123456789")
    trial = {"state": "done", "error": None, "result": RESULT | changes}
    server.script("/admin/v1/trials/trl_1", respond(200, trial))
    file = folder / "new.yaml"
    file.write_text(ROUTES)
    return run("--server", server.url, "test", "--routes", str(file), *more)


def test_a_result_is_printed(
    server: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = try_file(server, tmp_path, monkeypatch)
    assert done.exit_code == 0 and "nothing changes" in done.stdout
    wrong = try_file(server, tmp_path, monkeypatch, problems=[PROBLEM])
    assert wrong.exit_code == 2 and f"{tmp_path / 'new.yaml'}:1:1" in wrong.stderr


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ([], {"events": "many"}),
        ([], {"summary": {}}),
        ([], {"summary": None}),
        ([], {"routes": [{}]}),
        ([], {"skipped": {"a reason of a later version": 1}}),
        ([], {"problems": [PROBLEM | {"file": 3}]}),
        (["--explain"], {}),
        (["--explain"], {"explanations": [{}], "explanations_complete": True}),
        (["--json"], {"changes_complete": True, "changes": 3}),
    ],
    ids=str,
)
def test_a_result_of_another_shape_is_unreadable(
    server: Misbehaving,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    changes: dict[str, Any],
) -> None:
    done = try_file(server, tmp_path, monkeypatch, *more, **changes)
    assert done.exit_code == 1
    assert "another version of flowbridge" in done.stderr
