"""The program that draws one picture: the file is its standard input, the picture its standard
output. See `bridge.system.previews`.
"""

from __future__ import annotations

import gc
import io
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.system.linux_process import die_with_parent
from bridge.system.previews import fence
from bridge.system.previews.limits import EDGE, LARGEST, MEMORY, PIXELS, POINTS, PROCESSOR

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE = (255, 255, 255)


def main(kind: str) -> None:
    """Draw what is a file of that kind. Whatever goes wrong, there is no picture, and the status is
    not 0.
    """
    hold_back()
    draw = _pdf() if kind == "PDF" else _image(kind)
    content = sys.stdin.buffer.read()
    fence.put_up()
    picture = _anew(draw(content))
    written = io.BytesIO()
    picture.save(written, "PNG")
    sys.stdout.buffer.write(written.getvalue())
    sys.stdout.flush()
    os._exit(0)  # nothing is left to be tidied up by libraries that have read this file


def hold_back() -> None:
    """Be the first to go where memory is short, the last to have the processor, and have only so
    much of either.
    """
    die_with_parent()
    os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    for which, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, PROCESSOR),
        (resource.RLIMIT_FSIZE, LARGEST),
        (resource.RLIMIT_CORE, 0),
    ):
        _, allowed = resource.getrlimit(which)
        lower = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(which, (lower, lower))


def _image(kind: str) -> Callable[[bytes], Image]:
    """Return what draws images of that format, and of no other: Pillow knows many."""
    from PIL import Image, ImageOps

    for name in (
        "JpegImagePlugin",
        "PngImagePlugin",
        "GifImagePlugin",
        "WebPImagePlugin",
        "MpoImagePlugin",
        "TiffImagePlugin",
    ):
        # else it would be read where it is needed, behind the fence; the last two: JPEG and EXIF
        # have them
        import_module(f"PIL.{name}")
    import_module("copy")  # the same: GIF imports it at its second frame
    Image.MAX_IMAGE_PIXELS = PIXELS

    def draw(content: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(content), formats=[kind])
        image.draft("RGB", (EDGE, EDGE))  # a JPEG is read small
        if image.width * image.height > PIXELS:
            raise ValueError("too many pixels")
        image.thumbnail((EDGE, EDGE), reducing_gap=2.0)
        return ImageOps.exif_transpose(image)

    return draw


def _pdf() -> Callable[[bytes], Image]:
    """Return what draws the first page of a PDF. There is no JavaScript in this PDFium, and forms
    and actions are not begun.
    """
    import pypdfium2

    import_module("PIL.PngImagePlugin")  # what is to be written has to be here before the fence is

    def draw(content: bytes) -> Image:
        page = pypdfium2.PdfDocument(content)[0]
        width, height = page.get_size()
        if not (0 < width <= POINTS and 0 < height <= POINTS):
            raise ValueError("a page of no size")
        drawn: Image = page.render(
            scale=min(EDGE / max(width, height), 4.0), may_draw_forms=False
        ).to_pil()
        return drawn

    gc.disable()  # objects of the library are let go of with the process
    return draw


def _anew(image: Image) -> Image:
    """Return a picture that has the pixels of another on white, and nothing else of it."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey, which would be cut off and not scaled
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    drawn = Image.new("RGB", image.size, WHITE)
    colours = image.convert("RGBA")
    drawn.paste(colours, mask=colours.getchannel("A"))
    return drawn
