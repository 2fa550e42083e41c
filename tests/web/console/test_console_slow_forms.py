"""Forms that arrive slowly hold no place for readers, and forms of many fields are refused."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from console_client import OWN_PAGE, ConsoleClient

from bridge.store.db.database import Database
from bridge.web.admin.limits import MAX_REQUESTS
from bridge.web.console.application import MAX_FORM_FIELDS

FORM_TYPE = "application/x-www-form-urlencoded"
FORM = b"token=unknown"


class SlowForm(io.RawIOBase):
    """A form whose bytes come once `end` is set. `begun` counts the forms that are awaited."""

    def __init__(self, begun: threading.Semaphore, end: threading.Event) -> None:
        self._begun = begun
        self._end = end
        self._content = io.BytesIO(FORM)

    def readable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(at, whence)

    def tell(self) -> int:
        return self._content.tell()

    def readinto(self, buffer: Any) -> int:
        if self._content.tell() == 0:
            self._begun.release()
            assert self._end.wait(120)
        return self._content.readinto(buffer)


@contextmanager
def awaiting_forms(console: ConsoleClient, path: str, cookie: str) -> Iterator[None]:
    """Send as many forms as there are places, of which no byte comes before the block ends."""
    begun = threading.Semaphore(0)
    end = threading.Event()

    def send() -> None:
        headers = OWN_PAGE | ({"Cookie": cookie} if cookie else {})
        console.app.test_client(use_cookies=False).post(
            f"/console{path}",
            input_stream=SlowForm(begun, end),
            content_type=FORM_TYPE,
            headers={**headers, "Content-Length": str(len(FORM))},
        )

    senders = [threading.Thread(target=send) for _ in range(MAX_REQUESTS)]
    for one in senders:
        one.start()
    try:
        for _ in senders:
            assert begun.acquire(timeout=60)
        yield
    finally:
        end.set()
        for one in senders:
            one.join()


@pytest.mark.parametrize(
    ("path", "is_logged_in"), [("/login", False), ("/logout", True), ("/playground", True)]
)
def test_forms_that_arrive_slowly_hold_no_place(
    database: Database, tmp_path: Path, path: str, is_logged_in: bool
) -> None:
    console = ConsoleClient(database, tmp_path)
    cookie = ""
    if is_logged_in:
        cookie = console.log_in().headers["Set-Cookie"].partition(";")[0]
    with awaiting_forms(console, path, cookie):
        assert console.get("/login").status_code == 200
    assert console.get("/login").status_code == 200


@pytest.mark.parametrize("path", ["/playground", "/operations"])
def test_a_form_of_many_fields_is_refused(database: Database, tmp_path: Path, path: str) -> None:
    console = ConsoleClient(database, tmp_path)
    console.log_in()
    names = [f"a{number}" for number in range(MAX_FORM_FIELDS)]
    assert console.post(path, dict.fromkeys(names, "")).status_code == 413
    assert console.post(path, dict.fromkeys(names[1:], "")).status_code != 413
