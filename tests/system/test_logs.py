"""The log: where it goes, and that it is set up anew when that is asked."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import run

from bridge.system import logs
from bridge.system.logs import configure, get_logger


class Stderr(io.TextIOWrapper):
    """A stream that is no terminal, of which the lines are read."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8")

    def said(self) -> str:
        raw = self.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode()

    def told(self) -> list[Any]:
        return [json.loads(line)["event"] for line in self.said().splitlines()]


class Terminal(Stderr):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "setup", logs.setup)


@pytest.fixture
def stderr(as_it_was: None) -> Stderr:
    """Where lines go; pytest has a stderr of its own again when the test begins."""
    stream = Stderr()
    logs.setup = logs.LogSetup(stream=stream)
    return stream


def test_a_logger_that_was_used_goes_where_the_log_is_set_up_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = get_logger()
    streams = (Stderr(), Stderr())
    for number, stream in enumerate(streams):
        monkeypatch.setattr("sys.stderr", stream)
        configure("info" if number == 0 else "warning")
        logger.info(f"info {number}")
        logger.warning(f"warning {number}")
    assert [stream.told() for stream in streams] == [["info 0", "warning 0"], ["warning 1"]]


@pytest.mark.usefixtures("new_processes")
def test_a_command_that_a_test_runs_leaves_this_processs_log_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("celery").exit_code == 2, "it sets up its log, and then sees that it cannot run"
    get_logger().warning("still_here")
    assert "still_here" in "".join(capsys.readouterr())


def test_a_line_has_when_how_grave_what_and_what_belongs_to_it(stderr: Stderr) -> None:
    get_logger().bind(source="shop").warning("slow", seconds=1.5, error=None, path=Path("/x"))
    line = json.loads(stderr.said())
    assert list(line) == ["timestamp", "level", "event", "source", "seconds", "error", "path"]
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is UTC
    assert line == {
        "level": "warning",
        "event": "slow",
        "source": "shop",
        "seconds": 1.5,
        "error": None,
        "path": "/x",
    }


@pytest.mark.parametrize(
    "odd", ["\ud800", 2**70, {1: 2}, b"\xff", object()], ids=lambda odd: type(odd).__name__
)
def test_whatever_is_said_is_one_line_of_json(odd: object, stderr: Stderr) -> None:
    get_logger().info("odd", value=odd, text="two\nlines")
    [line] = stderr.said().splitlines()
    assert json.loads(line)["event"].strip("'") == "odd"


@pytest.mark.parametrize("how", [True, "error", "triple"])
def test_an_error_is_told_by_where_and_not_by_what(how: object, stderr: Stderr) -> None:
    try:
        int("a secret")
    except ValueError as error:
        get_logger().error(
            "failed", exc_info={True: True, "error": error, "triple": sys.exc_info()}[how]
        )  # type: ignore[index]
    told = json.loads(stderr.said())["exception"]
    assert told.startswith("Traceback") and told.endswith("ValueError\n") and "secret\n" not in told
    get_logger().error("none", exc_info=True)
    assert "exception" not in json.loads(stderr.said().splitlines()[1]), "nothing is being handled"


def test_on_a_terminal_a_line_is_for_people_and_nothing_in_it_is_obeyed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    get_logger().error("failed", value="\x1b[2Jgone", words="two words", exc_info=KeyError("x"))
    get_logger().info("plain", number=1)
    coloured, plain = stream.said().split("KeyError\n")
    assert (
        "\x1b[31m" in coloured
        and "\x1b[2J" not in coloured
        and "'two words'" in coloured
        and r"\x1b[2Jgone" in coloured
    )
    assert re.sub(r"\x1b\[\d*m", "", plain).split()[1:] == ["info", "plain", "number=1"]


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), ValueError("I/O operation on closed file")]
)
def test_what_cannot_be_logged_does_not_stop_what_is_done(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Stderr):
        def write(self, _text: str) -> int:
            raise fault

    monkeypatch.setattr("sys.stderr", Full())
    get_logger().error("lost")


class Kept(logging.Handler):
    """Remembers the records that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_handler_of_others_gets_a_record_of_each_line(
    stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    monkeypatch.setattr(logging.getLogger("flowbridge"), "handlers", [kept])
    error = KeyError("secret")
    get_logger().bind(source="shop").warning("slow", seconds=1.5, exc_info=error)
    [record] = kept.records
    assert (record.name, record.levelname, record.getMessage()) == ("flowbridge", "WARNING", "slow")
    assert vars(record)["values"] == {"source": "shop", "seconds": 1.5}
    assert record.exc_info is not None and record.exc_info[1] is error
    [line] = map(json.loads, stderr.said().splitlines())  # the root logger does not get it too
    assert datetime.fromisoformat(line["timestamp"]).timestamp() == record.created


def test_what_else_configures_logging_does_not_silence_the_log(
    stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    logger = logging.getLogger("flowbridge")
    monkeypatch.setattr(logger, "handlers", [kept])
    # as logging.config.dictConfig leaves loggers that it does not name
    monkeypatch.setattr(logger, "disabled", True)
    logging.disable(logging.CRITICAL)
    try:
        get_logger().info("still_here")
    finally:
        logging.disable(logging.NOTSET)
    assert stderr.told() == ["still_here"] == [record.getMessage() for record in kept.records]


@pytest.mark.parametrize(
    ("text", "args", "said"),
    [
        ("GET %s took %d ms", ("https://example.com/?token=secret", 5), "GET ... took 5 ms"),
        ("%d of %s", ("secret", "secret"), "%d of %s"),
        ("%s", ("secret", "secret"), "%s"),
        ("%(name)s", ({"name": "secret"},), "%(name)s"),
        ("100%", (), "100%"),
    ],
)
def test_a_warning_of_a_library_is_logged_without_its_values(
    text: str, args: tuple[object, ...], said: str, stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [logs.LibraryHandler(logging.WARNING)])
    try:
        int("secret")
    except ValueError:
        logging.getLogger("library").warning(text, *args, exc_info=True)
    logging.getLogger("library").info("not this")
    line = json.loads(stderr.said())
    assert [line[name] for name in ("level", "event", "name", "text", "error")] == [
        "warning",
        "library",
        "library",
        said,
        "ValueError",
    ]
    assert len(line) == 6


def test_a_warning_of_a_library_is_logged_from_the_level_of_the_log_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stderr()
    logs.setup = logs.LogSetup(level=logging.ERROR, stream=stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logs.LibraryHandler(logging.WARNING)])
    logging.getLogger("library").warning("not this")
    logging.getLogger("library").error("this")
    assert [json.loads(line)["text"] for line in stream.said().splitlines()] == ["this"]


def test_an_error_in_writing_a_line_is_no_lost_line(stderr: Stderr) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError):
        get_logger().info("odd", value=Odd(), number=2**70)


def test_lines_of_many_threads_stay_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr("sys.stderr", file)
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda number: get_logger().info("line", number=number, pad="x" * 3000),
                    range(400),
                )
            )
    told = [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(told) == list(range(400))


def test_gathered_lines_are_one_write_also_after_an_error_and_others_do_not_wait() -> None:
    writes: list[str] = []

    class Counted(Stderr):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    logs.setup = logs.LogSetup(stream=Counted())
    with pytest.raises(KeyError), logs.gather_lines():
        get_logger().info("one")
        with logs.gather_lines():
            get_logger().info("two")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(get_logger().info, "of another thread").result()
        raise KeyError
    get_logger().info("after")
    events = [[json.loads(line)["event"] for line in each.splitlines()] for each in writes]
    assert events == [["of another thread"], ["one", "two"], ["after"]]
