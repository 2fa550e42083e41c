"""Changes configuration files and reads them as a bridge does, without its processes."""

from __future__ import annotations

import time
from pathlib import Path

from bridge.config.files import FileTracker
from bridge.config.settings import load_settings
from bridge.core.errors import BridgeError, StoreError
from bridge.core.timings import Timings
from bridge.runtime.loaded_config import load_config
from bridge.runtime.reload.follower import ConfigFollower
from bridge.runtime.reload.reloader import (
    CALL_POLL_SECONDS,
    STEPS_PER_POLL,
    ConfigReader,
    Steps,
    WatchedConfig,
)
from bridge.runtime.reload.shared_config import ConfigState

QUICK = Timings(config_poll_seconds=0.04, config_quiet_seconds=0.03, config_retry_seconds=0.03)
#: What `poll` returns while a process watches the files: nothing else is under way.
WATCH_SECONDS = QUICK.config_poll_seconds / STEPS_PER_POLL
ROUTES = """
version: 1
include: "more/*.yaml"
platforms:
  local: {{type: local, max_concurrent_runs: {cap}}}
sources:
  github: {{provider: github, secrets: ["${{env:GITHUB_SECRET}}", "${{file:secret}}"]}}
routes:
  - {{name: {name}, on: github, inputs: {{z: "${{body.z}}", a: "${{body.a}}"}}, flow: local/echo, payload_schema: issue.json}}
"""


def written(name: str = "first", cap: int = 3) -> str:
    return ROUTES.format(name=name, cap=cap)


class Bench:
    """A reader of the files in a folder, and the board that it writes; time passes as the reader
    wants it.
    """

    def __init__(self, folder: Path, *, known: bool = True, timings: Timings = QUICK) -> None:
        self.folder = folder
        self.kept = []
        self.fails = 0
        self.loses: str | BridgeError | None = None
        self.file = folder / "routes.yaml"
        self.file.write_text(written())
        (folder / "issue.json").write_text('{"type": "object"}')
        (folder / "secret").write_text("s" * 40)
        (folder / ".env").write_text("GITHUB_SECRET=" + "g" * 40)
        environ = {"FLOWBRIDGE_DATA": str(folder / "data")}
        self.settings = load_settings(environ, config=str(self.file), timings=timings)
        self.loaded = load_config(self.settings)
        self.following = ConfigFollower(self.settings, self.loaded)
        self.board = self.following.board
        self.reader = self.new_reader(self.loaded.disk if known else None)
        self.wait = 0.0

    def new_reader(self, disk: FileTracker | None) -> ConfigReader:
        return ConfigReader(self.settings, self.board, disk, self.remember, self.find_losses)

    def poll(self, *, is_requested: bool = False) -> float:
        """Check the files now, take steps until the reader waits, and return the seconds."""
        if self.wait == WATCH_SECONDS and not is_requested:  # its process would check them later
            self.reader.close()
            self.reader = self.new_reader(self.reader._checked)
        self.wait = self._take_steps(is_requested=is_requested)
        return self.wait

    def close(self) -> None:
        """End the process that watches the files."""
        self.reader.close()

    def _take_steps(self, *, is_requested: bool) -> float:
        while (wait := self.reader.poll(is_requested=is_requested)) == CALL_POLL_SECONDS:
            is_requested = False
            time.sleep(0.001)
        return wait

    def remember(self, good: WatchedConfig) -> Steps[None]:
        yield CALL_POLL_SECONDS
        if self.fails:
            self.fails -= 1
            raise StoreError("the disk is full")
        assert self.board.read().hash != good.hash or self.board.read().key != good.key, (
            "kept before anybody has it"
        )
        self.kept.append(good.hash)

    def find_losses(self, good: WatchedConfig) -> Steps[str | None]:
        yield CALL_POLL_SECONDS
        if isinstance(self.loses, BridgeError):
            raise self.loses
        return self.loses

    @property
    def known(self) -> ConfigState:
        return self.board.read()

    def settle(self, *, is_requested: bool = False) -> ConfigState:
        """Have the reader look until it waits for a change."""
        for _ in range(10):
            wait = self.poll(is_requested=is_requested)
            if wait == WATCH_SECONDS:
                self.following.catch_up()
                return self.known
            is_requested = False
            time.sleep(min(wait, QUICK.config_quiet_seconds) + 0.001)
        raise AssertionError("it does not settle")

    @property
    def route(self) -> str:
        return self.following().routes[0].name


def replaced(file: Path, text: str) -> None:
    """As editors and `mv` do."""
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").replace(file)


def made_anew(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text)


def in_place(file: Path, text: str) -> None:
    with file.open("r+") as opened:
        opened.write(text)
        opened.truncate()
