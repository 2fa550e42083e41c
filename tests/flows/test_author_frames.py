"""The frames of the author's code in an error: file, line and function, and no values."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bridge.flows.author_frames import MAX_AUTHOR_FRAMES, AuthorFrame, list_author_frames
from bridge.flows.loader import load_flows

FLOWS = """
from bridge.flows import flow, log
from helpers import find_customer

@flow
def triage(id):
    return {"customer": find_customer(id)}

@flow
def parse(text):
    import json
    return json.loads(text)

@flow
def descend(text):
    return descend(text)

@flow
def logs():
    class Loud:
        def __str__(self):
            raise ValueError("loud")
    log(Loud())
"""
HELPERS = """
def find_customer(id):
    raise KeyError("no such customer")
"""


def raise_in(folder: Path, flow: str, **inputs: str) -> BaseException:
    """Return the error of a flow of this project."""
    try:
        load_flows(folder / "flows.py")[flow](**inputs)
    except Exception as error:
        return error
    raise AssertionError("no error")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "helpers", raising=False)
    return tmp_path


def test_frames_are_those_of_the_author_with_paths_below_the_folder(
    project: Path,
) -> None:
    frames = list_author_frames(raise_in(project, "triage", id="7"), project)
    assert frames == [
        AuthorFrame("flows.py", 7, "triage"),
        AuthorFrame("helpers.py", 3, "find_customer"),
    ]
    assert [frame.place for frame in frames] == ["flows.py:7", "helpers.py:3"]


def test_frames_of_libraries_and_of_flowbridge_are_left_out(project: Path) -> None:
    parsed = list_author_frames(raise_in(project, "parse", text="no JSON"), project)
    assert parsed == [AuthorFrame("flows.py", 12, "parse")]
    logged = list_author_frames(raise_in(project, "logs"), project)
    assert [frame.function for frame in logged] == ["logs", "__str__"]
    # also where Python and flowbridge are below the folder of flows.py
    around = list_author_frames(raise_in(project, "parse", text="no JSON"), Path("/"))
    assert {Path(frame.file).name for frame in around} <= {"flows.py", Path(__file__).name}


def test_of_a_deep_recursion_the_last_frames_are_listed(project: Path) -> None:
    frames = list_author_frames(raise_in(project, "descend", text="x"), project)
    assert frames == [AuthorFrame("flows.py", 16, "descend")] * MAX_AUTHOR_FRAMES


def test_without_a_folder_there_are_no_frames(project: Path) -> None:
    assert list_author_frames(raise_in(project, "triage", id="7"), None) == []
