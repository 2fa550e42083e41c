"""Storage of the files of forms: blobs in the data folder, while the disk has room to spare."""

from __future__ import annotations

from bridge.core.errors import StoreError
from bridge.ingest.forms.attachments import KeepFile
from bridge.ingest.ports import disk_full
from bridge.store.blobs import BlobStore


def make_file_storer(blobs: BlobStore) -> KeepFile:
    """Return a function that stores the bytes of a file.

    It raises `Refused` if the disk is nearly full, `StoreError` if they cannot be stored.
    """

    def keep(content: memoryview) -> str:
        try:
            if not blobs.has_room(len(content)):
                raise disk_full()
            return blobs.store(content)
        except OSError as error:
            raise StoreError(f"a file could not be stored: {error.strerror}") from error

    return keep
