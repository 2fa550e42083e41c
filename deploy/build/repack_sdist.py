"""Pack an sdist again with sorted names, no owner, and the time in SOURCE_DATE_EPOCH.

python deploy/build/repack_sdist.py FILE.tar.gz

setuptools writes the times of the build into it, so that two builds of a commit differ.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def repack(data: bytes, seconds: int) -> bytes:
    """Return the same archive with normalized entries."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as before,
        gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for entry in sorted(before.getmembers(), key=lambda one: one.name):
            entry.mtime = seconds
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.pax_headers = {}
            after.addfile(entry, before.extractfile(entry) if entry.isfile() else None)
    return out.getvalue()


def main() -> None:
    """Repack the file in place."""
    path = Path(sys.argv[1])
    path.write_bytes(repack(path.read_bytes(), int(os.environ["SOURCE_DATE_EPOCH"])))


if __name__ == "__main__":
    main()
