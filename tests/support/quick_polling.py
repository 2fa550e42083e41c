"""Shortens the time between two questions of a worker about a run of Gumloop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import Polling


def poll_quickly(patch: pytest.MonkeyPatch) -> None:
    """Have workers of this process ask about a run after a few hundredths of a second."""
    quick = Polling(first=0.03, growth=1.2, max=0.1)
    patch.setitem(PLATFORMS, "gumloop", replace(PLATFORMS["gumloop"], polling=quick))


@pytest.fixture
def quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers ask soon, until the end of the test."""
    poll_quickly(monkeypatch)
