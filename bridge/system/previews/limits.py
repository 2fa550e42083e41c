"""Limits for rendering a preview."""

from __future__ import annotations

from typing import Final

MAX_EDGE_PIXELS: Final = 512  # longer side of a preview
MAX_IMAGE_PIXELS: Final = 50_000_000  # more than a phone's camera has
MAX_PAGE_POINTS: Final = 14_400.0  # side of a page: 200 inches, the limit of PDF
MAX_MEMORY_BYTES: Final = 768 * 1024 * 1024  # of the process, with its libraries
MAX_CPU_SECONDS: Final = 5
MAX_OUTPUT_BYTES: Final = 4 * 1024 * 1024  # a preview has a few hundred thousand
