"""What receivers make for themselves: on first use, once, and never what the parent has made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.config.settings import load_settings
from bridge.routing.model import Config
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.web.app_context import AppContext
from bridge.web.receiving.event_storage import EventStorage
from bridge.web.receiving.process_resources import ProcessResources
from bridge.web.receiving.rate_limiter import RateLimiter

KEY = "k" * 40


def resources(folder: Path) -> ProcessResources:
    settings = load_settings({"FLOWBRIDGE_DATA": str(folder), "FLOWBRIDGE_SECRET_KEY": KEY})
    config = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")
    database = Database.of(settings)
    context = AppContext(
        settings=settings, config=lambda: config, database=database, wake=lambda: None
    )
    return ProcessResources(
        context=context,
        storage=EventStorage(database=database, room=None),
        blobs=BlobStore.of(settings),
        limiter=RateLimiter(),
        wake_workers=lambda: None,
        secret_key=KEY,
    )


def names() -> set[str]:
    return {name for name, each in vars(ProcessResources).items() if hasattr(each, "func")}


def test_each_is_made_on_first_use_and_once(tmp_path: Path) -> None:
    made = resources(tmp_path)
    assert names() >= {"keys", "sealer", "spam_check"} and not names() & set(vars(made))
    for name in names():
        first = getattr(made, name)
        assert first is getattr(made, name) is vars(made)[name]


@pytest.mark.usefixtures("new_processes")
def test_a_fork_makes_its_own(tmp_path: Path) -> None:
    made = resources(tmp_path)
    if (child := os.fork()) == 0:
        os._exit(0 if all(getattr(made, name) for name in names()) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not names() & set(vars(made)), "the parent has none of them"


def test_the_secret_key_is_not_shown(tmp_path: Path) -> None:
    assert KEY not in repr(resources(tmp_path))
