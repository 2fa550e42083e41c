"""Compression of whole pages, so that it gives away nothing of what they contain.

The size of a compressed answer shows whether a text that a stranger chose repeats a secret on the
same page (BREACH, https://breachattack.com). So only a page that the console itself or a person
opens is compressed, never one that another site links to, nor a part that the script asks for
every second; the proof in its forms is another one each time; and a filler of random length hides
small differences.
"""

from __future__ import annotations

import gzip
import secrets
from io import BytesIO
from typing import Final

from werkzeug.wrappers import Request, Response

from bridge.web.console.origin_check import is_own_navigation

MIN_COMPRESSED_BYTES: Final = 1024
#: Of the name in the header of the format, which every client skips.
MAX_FILLER_CHARS: Final = 100
LEVEL: Final = 4  # 1.3 ms for a list of 70 KB, a tenth larger than level 9, which takes 6 ms


def compress_page(response: Response, request: Request) -> None:
    """Compress a page for a client that accepts it, where that is safe."""
    response.headers["Vary"] = "Accept-Encoding, Sec-Fetch-Site"
    html = response.get_data()
    if len(html) < MIN_COMPRESSED_BYTES or not _is_safe(request):
        return
    packed = BytesIO()
    filler = "-" * secrets.randbelow(MAX_FILLER_CHARS + 1)
    with gzip.GzipFile(filler, "wb", LEVEL, packed, mtime=0) as file:
        file.write(html)
    response.set_data(packed.getvalue())
    response.headers["Content-Encoding"] = "gzip"


def _is_safe(request: Request) -> bool:
    return (
        request.method == "GET"
        and request.accept_encodings.quality("gzip") > 0
        and is_own_navigation(request)
    )
