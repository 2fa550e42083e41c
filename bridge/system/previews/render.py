"""A small picture of an image or of a PDF's first page, drawn in a process that can do nothing
else.

What draws has the bytes of one file, which anybody may have made, and nothing of ours: it is a
program of its own, with an empty environment, so that no secret is in its memory; it may not open,
connect or start anything (`fence`), and is held to its memory, its time and the size of what it
says. Only the picture comes back, and it is drawn anew: no byte and no metadata of the file is in
it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bridge.core.errors import BridgeError
from bridge.core.timings import TIMINGS
from bridge.system.previews.limits import LARGEST

MEDIA: Final = "image/png"
#: Types of files of which there are pictures -> by what they are drawn. SVG is a program, and never
#: among them.
KINDS: Final[Mapping[str, str]] = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "application/pdf": "PDF",
}
NEEDED: Final = ("PIL", "pypdfium2")
START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from bridge.system.previews.drawing import main;"
    " main(sys.argv[2])"
)
_ROOT: Final = str(Path(__file__).resolve().parents[3])
_PNG: Final = b"\x89PNG\r\n\x1a\n"


class NoPreview(BridgeError):
    """There is no picture of this file; the text says why, and quotes nothing of it."""


def are_there() -> bool:
    """Tell whether pictures can be drawn here: they need the extra `previews`."""
    return all(find_spec(name) is not None for name in NEEDED)


def preview(content: bytes, media: str, seconds: float = TIMINGS.preview_seconds) -> bytes:
    """Return a small picture of a file of that type as PNG; `NoPreview` where there is none.

    `seconds`: the time limit; the limit of processor time may be shorter: see `limits`.
    """
    kind = KINDS.get(media)
    if kind is None:
        raise NoPreview("there are previews of PNG, JPEG, GIF, WebP and PDF only")
    if not are_there():
        raise NoPreview("this flowbridge makes no previews: they need its extra `previews`")
    try:
        with _in_memory(content) as given, _in_memory(b"") as drawn:
            _draw(kind, given, drawn, seconds)
            picture = os.pread(drawn, LARGEST + 1, 0)
    except OSError as error:
        raise NoPreview(f"nothing could be started that draws it: {error.strerror}") from error
    if not picture.startswith(_PNG) or len(picture) > LARGEST:
        raise NoPreview("this file cannot be drawn: it is broken, or too large to be drawn small")
    return picture


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Give a file without a name that has these bytes, to be read from its beginning."""
    descriptor = os.memfd_create("preview", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _draw(kind: str, given: int, drawn: int, seconds: float) -> None:
    """Have the file drawn. A program that is started, and not a fork: whoever asks may have
    threads, and has secrets.
    """
    command = [sys.executable, "-I", "-c", START, _ROOT, kind]
    apart: dict[str, Any] = {"env": {}, "cwd": "/", "start_new_session": True}
    with subprocess.Popen(  # noqa: S603 - ours
        command, stdin=given, stdout=drawn, stderr=subprocess.DEVNULL, **apart
    ) as child:
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NoPreview(f"it was not drawn within {seconds:g} s") from None
        finally:
            child.kill()
    if status != 0:
        raise NoPreview("this file cannot be drawn: it is broken, or too large to be drawn small")
