"""The file that shows that a bridge runs: on a full disk, and after its process was killed."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from bridge.monitoring.presence import Presence, list_bridges
from bridge.system.forked_call import begin_in_fork


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


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("new_processes")
def test_a_bridge_has_ended_with_its_process_though_a_forked_process_hangs(tmp_path: Path) -> None:
    """A killed process that waits for a disk lives on, with every descriptor it inherited."""
    presence = Presence(tmp_path)
    presence.publish({"pid": 1})
    ready, report_ready = os.pipe()

    def hang() -> None:
        os.write(report_ready, b"1")
        signal.pause()

    call = begin_in_fork(hang, 60.0)
    try:
        os.read(ready, 1)
        os.link(presence.path, presence.path.with_name("killed.json"))  # stays, as after SIGKILL
        assert list_bridges(tmp_path) == [{"pid": 1}, {"pid": 1}]
        presence.close()
        assert list_bridges(tmp_path) == []
    finally:
        call.kill()
        os.close(ready)
        os.close(report_ready)
