"""Files for runs, which have no key: what is sealed is lent to a run in memory, and what a run has
kept is sealed once it is over.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable

from bridge.flows.process import protocol
from bridge.store.blobs import Blobs
from bridge.system.logs import get_logger

log = get_logger()
#: Nobody writes to what is lent any more. https://man7.org/linux/man-pages/man2/memfd_create.2.html
READ_ONLY_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class FileLeases:
    """What a worker has lent to its runs. It is gone with the worker, however that ends."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._files: defaultdict[str, list[int]] = defaultdict(list)

    def path(self, run_id: str, sha256: str) -> str:
        """Return where a run reads a blob until it is over; OSError where it cannot be had."""
        path = self._blobs.path(sha256)
        if not self._blobs.is_sealed(path, sha256):
            path.stat()
            return str(path)
        descriptor = protocol.in_memory("lent", self._blobs.read(sha256), os.MFD_ALLOW_SEALING)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, READ_ONLY_SEALS)
        self._files[run_id].append(descriptor)
        return f"/proc/{os.getpid()}/fd/{descriptor}"

    def back(self, run_id: str) -> None:
        """Take back what was lent to a run."""
        for descriptor in self._files.pop(run_id, ()):
            os.close(descriptor)

    def take_in(self, digests: Iterable[str]) -> None:
        """Have what a run has kept sealed. What cannot be stays in clear, and can be read all the
        same.
        """
        for sha256 in digests:
            try:
                self._blobs.reseal(sha256)
            except OSError as error:
                log.error("file_not_sealed", sha256=sha256, error=error.strerror)
