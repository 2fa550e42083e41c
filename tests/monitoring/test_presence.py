"""The file that shows that a bridge runs, on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bridge.monitoring.presence import Presence, list_bridges


@pytest.mark.parametrize("room", [0, 5])
def test_a_state_that_finds_no_room_is_written_when_there_is_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """It raises nothing: its process also reads routes.yaml, which needs no room."""
    presence = Presence(tmp_path)
    write = os.pwrite

    def pwrite(fd: int, raw: bytes, at: int) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, raw[:room], at)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", pwrite)
        presence.publish({"pid": 1})
    presence.publish({"pid": 1})
    assert list_bridges(tmp_path) == [{"pid": 1}]
    presence.close()
