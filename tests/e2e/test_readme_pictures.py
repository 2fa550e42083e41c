"""The pictures of the console in README.md: their size, and that the page still looks like them.

Pixels are not compared: docs/screenshots.py takes the pictures again, and the boxes of the parts of
the page must be where they were. Where they are not, run it and look at the new pictures.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import browsers
import pytest
from folders import ROOT

DOCS = ROOT / "docs"
NAMES = ("console-light.png", "console-dark.png")
BOXES = "console-boxes.json"
TAKE_AGAIN = "run docs/screenshots.py, and look at the pictures"
TOLERANCE_PIXELS = 16
PALETTE = 3  # https://www.w3.org/TR/png-3/#11IHDR


def read_header(picture: Path) -> tuple[list[int], int]:
    """Return the size of a PNG, and how its colours are stored."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, _, colours = struct.unpack_from(">IIBB", data, 16)
    return [width, height], colours


def read_boxes(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / BOXES).read_text()))


def test_the_pictures_are_small_and_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in NAMES:
        assert f'"docs/{name}"' in readme
        assert read_header(DOCS / name) == (read_boxes(DOCS)["size"], PALETTE)
        assert (DOCS / name).stat().st_size <= 150 * 1024


@pytest.mark.usefixtures("new_processes")
def test_the_page_looks_like_its_pictures(tmp_path: Path) -> None:
    with browsers.open_browser():
        pass  # skips without one
    command = [sys.executable, str(DOCS / "screenshots.py"), str(tmp_path / "taken")]
    # a short path: Chromium aborts if that of its socket has more than 107 bytes
    with TemporaryDirectory() as temporary:
        environ = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": temporary}
        done = subprocess.run(
            command,
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    was, now = read_boxes(DOCS), read_boxes(tmp_path / "taken")
    assert now["size"] == was["size"]
    assert [*now["parts"]] == [*was["parts"]], TAKE_AGAIN
    for name, box in was["parts"].items():
        moved = max(abs(one - other) for one, other in zip(box, now["parts"][name], strict=True))
        assert moved <= TOLERANCE_PIXELS, f"{name} is at {now['parts'][name]}: {TAKE_AGAIN}"
    for name in NAMES:
        assert read_header(tmp_path / "taken" / name)[0] == was["size"]
