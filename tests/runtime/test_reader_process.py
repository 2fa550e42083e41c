"""Processes without a supervisor freeze the memory that they share before they fork."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bridge.runtime.reload import process


def test_the_reader_process_is_forked_from_frozen_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(process, "freeze_memory", lambda: called.append("freeze"))

    def fork() -> int:
        called.append("fork")
        return 1  # the process itself, not its child

    monkeypatch.setattr(os, "fork", fork)
    unused: Any = None
    process.start(unused, unused, unused)
    assert called == ["freeze", "fork"]
