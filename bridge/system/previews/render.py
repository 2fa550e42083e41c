"""Previews of images and of a PDF's first page, rendered in a sandboxed process.

The file is untrusted. The renderer is a separate program with an empty environment, so no secret is
in its memory. It cannot open, connect or start anything (`seccomp`), and its memory, its time and
its output are limited. It returns a new image with only the pixels: no byte and no metadata of the
file.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from bridge.core.errors import BridgeError
from bridge.core.timings import TIMINGS
from bridge.system.isolated_program import open_memory_file, start_program
from bridge.system.previews.limits import MAX_OUTPUT_BYTES

PREVIEW_MEDIA_TYPE: Final = "image/png"
#: Media type -> the format that the renderer decodes. SVG can contain scripts: never allow it.
PREVIEW_FORMATS: Final[Mapping[str, str]] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "application/pdf": "PDF",
}
PREVIEW_MODULES: Final = ("PIL", "pypdfium2")
DRAWING_PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]); from bridge.system.previews.drawing import main;"
    " main(sys.argv[2])"
)
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class NoPreview(BridgeError):
    """The file has no preview; the text says why and quotes nothing of the file."""


def can_render() -> bool:
    """Return whether the extra `previews` is installed."""
    return all(find_spec(name) is not None for name in PREVIEW_MODULES)


def render_preview(content: bytes, media: str, seconds: float = TIMINGS.preview_seconds) -> bytes:
    """Return a preview of a file as PNG. Raises `NoPreview`.

    `seconds`: the time limit. The CPU limit may be shorter: see `limits`.
    """
    kind = PREVIEW_FORMATS.get(media)
    if kind is None:
        raise NoPreview("only PNG, JPEG, GIF, WebP and PDF files have previews")
    if not can_render():
        raise NoPreview("previews are not installed: install flowbridge with the extra `previews`")
    try:
        with open_memory_file(content) as source, open_memory_file() as drawn:
            _draw(kind, source, drawn, seconds)
            picture = os.pread(drawn, MAX_OUTPUT_BYTES + 1, 0)
    except OSError as error:
        raise NoPreview(f"the preview process cannot be started: {error.strerror}") from error
    if not picture.startswith(_PNG) or len(picture) > MAX_OUTPUT_BYTES:
        raise NoPreview("no preview of this file: it is damaged or too large")
    return picture


def _draw(kind: str, source: int, drawn: int, seconds: float) -> None:
    """Run the renderer."""
    with start_program(DRAWING_PROGRAM, kind, stdin=source, stdout=drawn) as child:
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NoPreview(f"timed out after {seconds:g} s") from None
        finally:
            child.kill()
    if status != 0:
        raise NoPreview("no preview of this file: it is damaged or too large")
