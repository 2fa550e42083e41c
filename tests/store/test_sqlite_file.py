"""A file that stands where the database is, while a restore has not ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.errors import StoreError
from bridge.store.db.sqlite_file import RestoreNotice, check_sqlite_file, read_notice


@pytest.mark.parametrize("name", [None, "replaced-1"])
def test_a_notice_of_a_restore_names_the_earlier_store(tmp_path: Path, name: str | None) -> None:
    folder = None if name is None else tmp_path / name
    path = tmp_path / "flowbridge.db"
    path.write_bytes(RestoreNotice(folder).to_bytes())
    assert read_notice(path) == RestoreNotice(folder)
    with pytest.raises(StoreError, match="a restore has not ended") as refused:
        check_sqlite_file(path)
    assert ("the earlier store is in" in str(refused.value)) is (folder is not None)


def test_a_database_is_no_notice(tmp_path: Path) -> None:
    path = tmp_path / "flowbridge.db"
    path.write_bytes(b"")
    assert read_notice(path) is None
    check_sqlite_file(path)
