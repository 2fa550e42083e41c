"""The log: where it goes, and that it is set up anew when that is asked."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from command_line import run

from bridge.logs import configure, get_logger


class Stderr(io.TextIOWrapper):
    """A stream that is no terminal, of which the lines are read."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")

    def told(self) -> list[Any]:
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return [json.loads(line)["event"] for line in raw.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_a_logger_that_was_used_goes_where_the_log_is_set_up_last(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, streams = get_logger(), (Stderr(), Stderr())
    for number, stream in enumerate(streams):
        monkeypatch.setattr("sys.stderr", stream)
        configure("info" if number == 0 else "warning")
        logger.info(f"info {number}")
        logger.warning(f"warning {number}")
    assert [stream.told() for stream in streams] == [["info 0", "warning 0"], ["warning 1"]]


def test_a_command_that_a_test_runs_leaves_this_processs_log_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("celery").exit_code == 2, "it sets up its log, and then sees that it cannot run"
    get_logger().warning("still_here")
    assert "still_here" in "".join(capsys.readouterr())
