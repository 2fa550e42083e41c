"""Forms as browsers send them, and files of every kind."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

BOUNDARY = "----WebKitFormBoundaryk3PRgGcBAYBjEPnq"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
SVG = (
    b'<?xml version="1.0"?>\n<svg'
    b' xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)
HTML = b"<!DOCTYPE html><script>alert(document.domain)</script>"


def part(
    name: str,
    content: bytes,
    filename: str | None = None,
    kind: str | None = None,
    encoding: str = "utf-8",
) -> bytes:
    """One part as Chromium writes it: quotes and line ends of a name as %22, %0D and %0A, all else
    as it is.
    """
    escape = lambda text: (  # noqa: E731
        text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22").encode(encoding)
    )
    head = b'Content-Disposition: form-data; name="%s"' % escape(name)
    if filename is not None:
        head += b'; filename="%s"' % escape(filename)
        kind = kind or "application/octet-stream"
    if kind is not None:
        head += b"\r\nContent-Type: %s" % kind.encode()
    return b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), head, content)


def multipart(*parts: bytes) -> bytes:
    """A whole body."""
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY.encode()


def zipped(names: Iterable[str], first: bytes | None = None) -> bytes:
    """An archive with files of these names; `first`: what its mimetype says, as in OpenDocument."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        if first is not None:
            archive.writestr(zipfile.ZipInfo("mimetype"), first)
        for name in names:  # a ZipInfo has no time of now: what is made is always the same
            archive.writestr(zipfile.ZipInfo(name), "x", zipfile.ZIP_DEFLATED)
    return file.getvalue()
