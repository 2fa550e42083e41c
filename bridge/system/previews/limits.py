"""How much it may take to draw a picture, for who draws and for who has it drawn."""

from __future__ import annotations

from typing import Final

EDGE: Final = 512  # pixels of the longer side of a picture
PIXELS: Final = 50_000_000  # of an image that is drawn small: more than a phone's camera has
POINTS: Final = 14_400.0  # of a side of a page: 200 inches, as PDF has it
MEMORY: Final = 768 * 1024 * 1024  # bytes of the process, libraries and all
PROCESSOR: Final = 5  # seconds
LARGEST: Final = 4 * 1024 * 1024  # bytes that it may write; a picture has a few hundred thousand
