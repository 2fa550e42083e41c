"""Where the files of forms are kept: as blobs in the data folder, as long as the disk has room for
more than them.
"""

from __future__ import annotations

from bridge.core.errors import StoreError
from bridge.ingest.forms.attachments import KeepFile
from bridge.ingest.ports import no_disk_room
from bridge.store.blobs import Blobs

SPARE = 256 * 1024 * 1024  # bytes of the disk that are left to the database


def keeper_of(blobs: Blobs) -> KeepFile:
    """Return what keeps a file's bytes: `Refused` where the disk is nearly full, `StoreError` where
    they cannot be kept.
    """

    def keep(content: memoryview) -> str:
        try:
            if blobs.room() < SPARE + len(content):
                raise no_disk_room()
            return blobs.keep(content)
        except OSError as error:
            raise StoreError(f"a file could not be kept: {error.strerror}") from error

    return keep
