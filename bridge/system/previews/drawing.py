"""Program that renders one preview: reads a file on stdin and writes a PNG to stdout.

See `bridge.system.previews.render`.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from bridge.system import process_limits, seccomp
from bridge.system.previews.limits import (
    MAX_CPU_SECONDS,
    MAX_EDGE_PIXELS,
    MAX_IMAGE_PIXELS,
    MAX_MEMORY_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_PAGE_POINTS,
)
from bridge.system.process_limits import ProcessLimits

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE = (255, 255, 255)


def main(kind: str) -> None:
    """Render a file of that format. On any error there is no output, and the exit code is not 0."""
    limit_process()
    draw = _pdf_reader() if kind == "PDF" else _image_reader(kind)
    content = sys.stdin.buffer.read()
    seccomp.install_filter()
    picture = _copy_pixels(draw(content))
    written = io.BytesIO()
    picture.save(written, "PNG")
    sys.stdout.buffer.write(written.getvalue())
    sys.stdout.flush()
    os._exit(0)  # skip the exit handlers of libraries that have read this file


def limit_process() -> None:
    """Limit memory, CPU time and output."""
    process_limits.limit_process(
        ProcessLimits(
            memory_bytes=MAX_MEMORY_BYTES,
            cpu_seconds=MAX_CPU_SECONDS,
            output_bytes=MAX_OUTPUT_BYTES,
        )
    )


def _image_reader(kind: str) -> Callable[[bytes], Image]:
    """Return a function that renders images of that format only; Pillow knows many."""
    from PIL import Image, ImageOps

    for name in (
        "JpegImagePlugin",
        "PngImagePlugin",
        "GifImagePlugin",
        "WebPImagePlugin",
        "MpoImagePlugin",
        "TiffImagePlugin",
    ):
        # Import it now: the seccomp filter would block it later. JPEG and EXIF need the last two.
        import_module(f"PIL.{name}")
    import_module("copy")  # GIF imports it at its second frame
    Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS

    def draw(content: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(content), formats=[kind])
        image.draft("RGB", (MAX_EDGE_PIXELS, MAX_EDGE_PIXELS))  # decode a JPEG at a smaller scale
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise ValueError("too many pixels")
        image.thumbnail((MAX_EDGE_PIXELS, MAX_EDGE_PIXELS), reducing_gap=2.0)
        return ImageOps.exif_transpose(image)

    return draw


def _pdf_reader() -> Callable[[bytes], Image]:
    """Return a function that renders the first page of a PDF.

    This build of PDFium has no JavaScript, and forms and actions are not initialised.
    """
    import pypdfium2

    import_module("PIL.PngImagePlugin")  # import the writer before the seccomp filter

    def draw(content: bytes) -> Image:
        page = pypdfium2.PdfDocument(content)[0]
        width, height = page.get_size()
        if not (0 < width <= MAX_PAGE_POINTS and 0 < height <= MAX_PAGE_POINTS):
            raise ValueError("invalid page size")
        drawn: Image = page.render(
            scale=min(MAX_EDGE_PIXELS / max(width, height), 4.0), may_draw_forms=False
        ).to_pil()
        return drawn

    gc.disable()  # the exit of the process frees the objects of the library
    return draw


def _copy_pixels(image: Image) -> Image:
    """Return a new image with only the pixels of another, on white."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16-bit grey: convert() would clip it, not scale it
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    drawn = Image.new("RGB", image.size, WHITE)
    colours = image.convert("RGBA")
    drawn.paste(colours, mask=colours.getchannel("A"))
    return drawn
