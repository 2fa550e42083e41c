"""Files for runs, which have no key: an encrypted file is lent to a run decrypted in memory, and a
file that a run stored is encrypted after its end.
"""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from collections.abc import Container, Iterable

from bridge.flows.process import protocol
from bridge.store.blobs import BlobStore
from bridge.system.logs import get_logger

log = get_logger()
#: No process can change a lent file. https://man7.org/linux/man-pages/man2/memfd_create.2.html
READ_ONLY_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class FileLeases:
    """The files that a worker lends to its runs. They disappear with the worker's process."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._files: defaultdict[str, list[int]] = defaultdict(list)

    def readable_path(self, run_id: str, sha256: str) -> str:
        """Return the path at which a run can read a blob until it ends. May raise OSError."""
        path = self._blobs.path(sha256)
        if not self._blobs.is_sealed(path, sha256):
            path.stat()
            return str(path)
        descriptor = protocol.create_memory_file(
            "lent", self._blobs.read(sha256), os.MFD_ALLOW_SEALING
        )
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, READ_ONLY_SEALS)
        self._files[run_id].append(descriptor)
        return f"/proc/{os.getpid()}/fd/{descriptor}"

    def release(self, run_id: str) -> None:
        """Take back the files that were lent to a run."""
        for descriptor in self._files.pop(run_id, ()):
            os.close(descriptor)

    def release_all_but(self, run_ids: Container[str]) -> None:
        """Take back the files that were lent to other runs."""
        for run_id in [holder for holder in self._files if holder not in run_ids]:
            self.release(run_id)

    def encrypt(self, digests: Iterable[str]) -> None:
        """Encrypt the files that a run stored. One that cannot be encrypted stays as it is."""
        for sha256 in digests:
            try:
                self._blobs.reseal(sha256)
            except OSError as error:
                log.error("file_not_encrypted", sha256=sha256, error=error.strerror)
