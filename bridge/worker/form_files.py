"""The files of forms for deliveries: looked up, read within a memory budget, and uploaded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Final

from bridge.config.settings import Settings
from bridge.core.errors import StoreError
from bridge.core.file_links import file_link
from bridge.core.model import Delivery, FormFile
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.attempt import Send, deliver
from bridge.delivery.file_transfer import FileTransfer, find_referenced_files, may_refer_to_files
from bridge.routing.model import Platform
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.system.boot_clock import Deadline, boot_seconds
from bridge.system.logs import get_logger

log = get_logger()

# of files in memory at once; Base64 and the body of a call hold each several times
MAX_HELD_BYTES: Final = 32 * 1024 * 1024
MAX_UPLOADS: Final = 4096  # that are remembered


class FileDeliverer:
    """Delivers with files. Thread-safe: one is enough for a process."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._public_url = settings.public_url
        self._secret_key = settings.secret_key
        self._blobs = BlobStore.of(settings)
        self._database = database
        self._uploaded = UploadCache(settings.timings.uploaded_file_fresh_seconds)
        self._held = 0
        self._changed = threading.Condition()

    def deliver(self, delivery: Delivery, platform: Platform, send: Send, now: float) -> Outcome:
        """Make one attempt, with the files that its inputs refer to."""
        if not may_refer_to_files(delivery.inputs):
            return deliver(delivery, platform, send, now)
        deadline = Deadline.after(platform.timeout)
        try:
            files = find_referenced_files(
                delivery.inputs, events.files_of(self._database, delivery.event_id)
            )
        except StoreError:
            return Outcome(
                kind=OutcomeKind.REFUSED,
                detail="the store failed when it was asked for the files",
                ours=True,
            )
        try:
            with self._room(
                0 if platform.files == "link" else sum(file.size for file in files.values()),
                platform.timeout,
            ):
                return deliver(delivery, platform, send, now, self._hands(files, deadline))
        except TimeoutError:
            return Outcome(
                kind=OutcomeKind.REFUSED,
                detail="the files of other deliveries filled the memory until the call timed out",
                ours=True,
            )

    def _hands(self, files: Mapping[int, FormFile], deadline: Deadline) -> FileTransfer:
        return FileTransfer(
            files=files,
            content=self._content,
            link=self._link if self._public_url else None,
            left=deadline.left,
            uploaded=self._uploaded,
        )

    def _link(self, event_id: str, number: int, until: float) -> str:
        return file_link(self._public_url, self._secret_key, event_id, number, until)

    def _content(self, file: FormFile) -> bytes | None:
        try:
            return self._blobs.read(file.sha256)
        except OSError as error:
            log.error("file_missing", sha256=file.sha256, error=error.strerror)
            return None

    @contextmanager
    def _room(self, size: int, patience: float) -> Iterator[None]:
        """Wait until these bytes fit the budget, or until no others are held if they exceed all of
        it.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._held == 0 or self._held + size <= MAX_HELD_BYTES, patience
            ):
                raise TimeoutError
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


class UploadCache(MutableMapping[tuple[str, str], str]):
    """Recent uploads by (platform, name). It only saves calls: repeating one does no harm."""

    def __init__(self, fresh_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        self._mutex = threading.Lock()

    def __getitem__(self, key: tuple[str, str]) -> str:
        with self._mutex:
            until, name = self._known[key]
        if until < boot_seconds():
            raise KeyError(key)
        return name

    def __setitem__(self, key: tuple[str, str], name: str) -> None:
        with self._mutex:
            self._known[key] = boot_seconds() + self._fresh_seconds, name
            while len(self._known) > MAX_UPLOADS:
                self._known.popitem(last=False)

    def __delitem__(self, key: tuple[str, str]) -> None:
        with self._mutex:
            del self._known[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)
