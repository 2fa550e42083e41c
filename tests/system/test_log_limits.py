"""Lines that a stranger can cause are limited, and those left out are counted."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from bridge.system import logs
from bridge.system.logs import LINE_RATE, LINES, MAX_KINDS, LineLimiter, LogSetup, get_logger


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def limiter(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> LineLimiter:
    """The one of this process, which has counted nothing yet."""
    monkeypatch.setattr(LINES, "_clock", lambda: clock[0])
    return LINES


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "setup", LogSetup(stream=stream, for_people=False))
    return stream


def read_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_beyond_the_rate_lines_are_counted_and_the_next_one_has_the_count(
    limiter: LineLimiter, clock: list[float], stream: io.StringIO
) -> None:
    log = get_logger().bind(dry=True)
    for _ in range(LINE_RATE.count + 500):
        log.limited("github").warning("rejected", source="github")
    lines = read_lines(stream)
    assert len(lines) == LINE_RATE.count
    assert not any("omitted" in line for line in lines)
    clock[0] += LINE_RATE.per
    for _ in range(2):
        log.limited("github").warning("rejected", source="github")
    assert [line.get("omitted") for line in read_lines(stream)[LINE_RATE.count :]] == [500, None]
    assert read_lines(stream)[-1] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "warning",
        "event": "rejected",
        "dry": True,
        "source": "github",
    }


def test_a_flood_of_one_kind_hides_no_other(limiter: LineLimiter, stream: io.StringIO) -> None:
    log = get_logger()
    for _ in range(LINE_RATE.count + 1):
        log.limited("github").warning("rejected")
    log.limited("stripe").warning("rejected")
    log.limited("github").warning("handshake")
    log.warning("rejected")
    assert len(read_lines(stream)) == LINE_RATE.count + 3


def test_a_line_below_the_level_is_not_counted(limiter: LineLimiter, stream: io.StringIO) -> None:
    for _ in range(LINE_RATE.count + 1):
        get_logger().limited().debug("rejected")
    get_logger().limited().info("rejected")
    assert [line.get("omitted") for line in read_lines(stream)] == [None]


def test_kinds_beyond_the_limit_share_one(limiter: LineLimiter) -> None:
    for number in range(MAX_KINDS):
        assert limiter.count((str(number),)) == 0
    results = [limiter.count((f"more {number}",)) for number in range(LINE_RATE.count + 5)]
    assert results == [0] * LINE_RATE.count + [None] * 5
    assert limiter.count(("0",)) == 0


def test_lines_of_a_library_are_limited(limiter: LineLimiter, stream: io.StringIO) -> None:
    handler = logs.LibraryHandler()
    for name in ["urllib3"] * (LINE_RATE.count + 1) + ["other"]:
        handler.emit(logging.LogRecord(name, logging.WARNING, "", 0, "again", None, None))
    assert len(read_lines(stream)) == LINE_RATE.count + 1
