"""Reload without whole bridges: when a change of the files is read, published and logged."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from folders import SUPPORT
from reload_bench import QUICK, WATCH_SECONDS, Bench, in_place, made_anew, replaced, written
from serving import children_of, until

from bridge.config.files import FileTracker
from bridge.config.loader import load, read, rebuild
from bridge.config.settings import load_settings
from bridge.core.errors import BridgeError, StoreError
from bridge.monitoring.presence import Presence, find_addresses, list_bridges
from bridge.runtime import loaded_config
from bridge.runtime.reload import follower
from bridge.runtime.reload import reloader as reloader_module
from bridge.runtime.reload.reloader import (
    CALL_POLL_SECONDS,
    NICENESS,
    STEPS_PER_POLL,
    Reloader,
    call_in_steps,
)
from bridge.runtime.reload.shared_config import ConfigState, SharedConfig, describe
from bridge.runtime.services import prepare_store
from bridge.system.forked_call import begin_in_fork, call_in_fork, report_alive

#: The bridge forks where there are no threads yet; the process of a test has some.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
    pytest.mark.usefixtures("new_processes"),
]

MORE = "routes: [{name: more, on: github, inputs: {n: 1}, flow: local/echo}]\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    opened = Bench(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    return recorded(monkeypatch, reloader_module)


def recorded(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> list[tuple[str, dict[str, Any]]]:
    """Return the list of what a module logs from now on."""
    lines: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def __getattr__(self, _level: str) -> Callable[..., None]:
            return lambda event, **more: lines.append((event, more))

    monkeypatch.setattr(module, "log", Log())
    return lines


# -- what is built elsewhere


def test_what_is_built_from_the_parts_is_what_was_read(bench: Bench) -> None:
    (bench.folder / "more").mkdir()
    (bench.folder / "more" / "one.yaml").write_text(MORE)
    reading = read(bench.file, bench.settings.environ)
    config = reading.config
    assert config is not None
    again = rebuild(reading.parts, bench.folder)
    assert (again.hash, again.canonical) == (config.hash, config.canonical)
    assert again.platforms == config.platforms
    assert again.included == config.included == {"more/one.yaml": MORE}
    assert again.sources["github"].secrets == config.sources["github"].secrets
    assert [route.name for route in again.routes] == ["first", "more"]
    assert list(again.routes[0].reshape({"body": {"z": 1, "a": 2}})) == ["z", "a"], (
        "inputs keep their order"
    )  # type: ignore[arg-type]
    assert again.routes[0].payload_schema is not None
    assert again.routes[0].payload_schema.errors([])


def test_a_secret_is_not_in_a_repr_of_anything(bench: Bench) -> None:
    bench.file.write_text(written("other"))
    bench.settle()
    found = read(bench.file, bench.settings.environ)
    for text in (repr(bench.known), repr(found), str(describe(bench.board)), repr(bench.settings)):
        assert "g" * 40 not in text
        assert "s" * 40 not in text


# -- what counts as a change


def in_place_with_the_same_times(file: Path, text: str) -> None:
    """As a clock that was set back, or a file system with coarse times, shows it."""
    before = file.stat()
    in_place(file, text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


WAYS = [replaced, made_anew, in_place, in_place_with_the_same_times]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_taken_however_it_is_changed(
    bench: Bench, way: Callable[[Path, str], None]
) -> None:
    before = bench.known
    way(bench.file, written("other"))  # of the same length
    known = bench.settle()
    assert (bench.route, bench.following().hash, bench.kept) == ("other", known.hash, [known.hash])
    assert known.since > before.since
    assert bench.following().platforms["local"].base_url, "it is reached as at the start"


def test_a_folder_of_links_is_swapped_as_kubernetes_does(tmp_path: Path) -> None:
    """routes.yaml -> ..data/routes.yaml, and ..data is a link that is replaced."""
    bench = Bench(tmp_path)
    names = ("routes.yaml", "issue.json", "secret", ".env")
    for number, name in (("1", "first"), ("2", "other")):
        (tmp_path / f"..{number}").mkdir()
        for each in names:
            shutil.copy(tmp_path / each, tmp_path / f"..{number}" / each)
        (tmp_path / f"..{number}" / "routes.yaml").write_text(written(name))
    (tmp_path / "..data").symlink_to("..1")
    for each in names:
        (tmp_path / each).unlink()
        (tmp_path / each).symlink_to(f"..data/{each}")
    assert bench.settle().hash == bench.loaded.config.hash
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    bench.settle()
    assert bench.route == "other"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")
def test_what_a_bind_mount_shows_is_taken(tmp_path: Path) -> None:
    """A file of another folder is mounted over the one that is read; what is written there, in
    place, is seen here.
    """
    (tmp_path / "outside.yaml").write_text(written("first"))
    program = f"""
import sys; sys.path.insert(0, {str(SUPPORT)!r})
from pathlib import Path
from reload_bench import Bench, in_place, written
import subprocess
folder = Path({str(tmp_path)!r})
bench = Bench(folder)
subprocess.run(["mount", "--bind", folder / "outside.yaml", folder / "routes.yaml"], check=True)
assert bench.settle().hash == bench.loaded.config.hash
in_place(folder / "outside.yaml", written("other"))
bench.settle()
assert bench.route == "other", bench.known
"""
    python = [os.sys.executable, "-c", program]
    done = subprocess.run(["unshare", "-m", *python], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("this machine does not let root mount")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("issue.json", '{"type": "array"}'),
        ("secret", "another-secret-of-forty-characters-or-so"),
        (".env", "GITHUB_SECRET=another-secret-of-forty-characters\n"),
        ("more/one.yaml", MORE),
    ],
)
def test_all_that_belongs_to_it_counts(bench: Bench, name: str, text: str) -> None:
    before = bench.known
    (bench.folder / name).parent.mkdir(exist_ok=True)
    (bench.folder / name).write_text(text)
    known = bench.settle()
    assert known.key != before.key
    config = bench.following()
    again = load(bench.file, {"GITHUB_SECRET": "g" * 40} | _dotenv(bench.folder))
    assert config.hash == again.hash
    assert config.sources["github"].secrets == again.sources["github"].secrets
    is_secret = name in ("secret", ".env")
    assert (known.hash == before.hash) is is_secret, "a secret is no part of what is hashed"


def _dotenv(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def test_the_environment_proper_wins_over_what_env_says_now(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    settings = load_settings(
        {"FLOWBRIDGE_DATA": str(tmp_path), "GITHUB_SECRET": "e" * 40}, config=str(bench.file)
    )
    found = reloader_module.read_files(settings)
    assert found.good is not None
    (tmp_path / ".env").write_text("GITHUB_SECRET=" + "x" * 40)
    again = reloader_module.read_files(settings)
    assert again.good is not None
    assert found.good.key == again.good.key


def test_settings_of_env_are_named_but_not_taken(bench: Bench, said: list[Any]) -> None:
    (bench.folder / ".env").write_text(
        "GITHUB_SECRET="
        + "g" * 40
        + "\nFLOWBRIDGE_LOG=debug\nFLOWBRIDGE_SECRET_KEY="
        + "h" * 40
        + "\n"
    )
    known = bench.settle()
    assert known.restart == ("FLOWBRIDGE_LOG", "FLOWBRIDGE_SECRET_KEY")
    assert said == [("restart_needed", {"settings": known.restart})]
    assert known.key == bench.loaded.key


def test_what_changed_before_the_first_look_is_seen_too(bench: Bench) -> None:
    bench.file.write_text(written("other"))
    bench.reader = bench.new_reader(None)
    bench.settle()
    assert bench.route == "other"


# -- half-written files


def test_a_file_that_is_being_written_is_not_taken(bench: Bench) -> None:
    """The first half is valid by itself, and so is every pause of the writer shorter than the quiet
    that is waited for.
    """
    whole = written("other") + "  - {name: last, on: github, inputs: {n: 1}, flow: local/echo}\n"
    half = whole[: whole.index("  - {name: last")]
    numbers = []
    bench.file.write_text(half)
    for size in range(len(half) + 9, len(whole), 9):
        bench.poll()
        numbers.append(bench.board.number)
        bench.file.write_text(whole[:size])
        time.sleep(QUICK.config_quiet_seconds)
    bench.file.write_text(whole)
    bench.settle()
    assert set(numbers) == {numbers[0]}, "nothing was taken meanwhile"
    assert [route.name for route in bench.following().routes] == ["other", "last"]
    assert len(bench.kept) == 1


def test_a_schema_that_changes_while_the_rest_is_quiet_is_waited_for_too(bench: Bench) -> None:
    bench.file.write_text(written("other"))
    bench.poll()
    time.sleep(QUICK.config_quiet_seconds)
    (bench.folder / "issue.json").write_text('{"type": "array"}')
    bench.poll()
    assert bench.kept == []
    bench.settle()
    assert len(bench.kept) == 1
    schema = bench.following().routes[0].payload_schema
    assert schema is not None
    assert schema.errors({})


# -- what would lose deliveries


def test_what_would_lose_deliveries_is_not_used(bench: Bench, said: list[Any]) -> None:
    before = bench.known
    bench.loses = "2 deliveries would not be sent"
    bench.file.write_text(written("other"))
    known = bench.settle()
    assert (known.hash, known.key, known.error) == (before.hash, before.key, ())
    assert (known.held, bench.route, bench.kept) == (bench.loses, "first", [])
    assert describe(bench.board)["config"]["held"] == bench.loses
    for _ in range(3):
        assert bench.poll() == WATCH_SECONDS
    assert said == [("config_held", {"reason": bench.loses, "used": before.hash})]
    bench.settle(is_requested=True)
    assert len(said) == 2, "SIGHUP tests and says it again"
    bench.loses = None
    assert bench.settle(is_requested=True).held is None
    assert bench.route == "other" and said[-1][0] == "config_reloaded"


def test_what_was_not_used_is_forgotten_with_its_change(bench: Bench, said: list[Any]) -> None:
    bench.loses = "2 deliveries would not be sent"
    bench.file.write_text(written("other"))
    assert bench.settle().held is not None
    bench.file.write_text(written())
    assert bench.settle().held is None
    assert [event for event, _ in said] == ["config_held", "config_valid"]


def test_what_cannot_be_tested_is_not_used(bench: Bench, said: list[Any]) -> None:
    bench.loses = BridgeError("timed out")
    bench.file.write_text(written("other"))
    assert bench.settle().held == "the test on stored events failed: timed out"
    assert bench.route == "first"


# -- what cannot be used


def test_what_is_invalid_changes_nothing_and_is_said_once(bench: Bench, said: list[Any]) -> None:
    before = bench.known
    bench.file.write_text(written("other").replace("flow: local/echo", "flow: locl/echo"))
    known = bench.settle()
    assert (known.hash, known.key, known.since) == (before.hash, before.key, before.since)
    assert "routes.yaml:9:" in known.error[0]
    assert known.error_since is not None
    assert bench.route == "first"
    for _ in range(3):
        assert bench.poll() == WATCH_SECONDS
    assert [event for event, _ in said] == ["config_invalid"]
    bench.file.write_text(bench.file.read_text() + "\n")  # invalid in the same way
    assert bench.settle().error_since == known.error_since
    assert [event for event, _ in said] == ["config_invalid"]
    bench.file.write_text("version: 2\n")
    assert (bench.settle().error_since or 0) > known.error_since
    bench.file.write_text(written("other"))
    known = bench.settle()
    assert (known.error, known.error_since, bench.route) == ((), None, "other")
    assert [event for event, _ in said] == ["config_invalid", "config_invalid", "config_reloaded"]
    assert said[-1][1]["valid_again"] is True
    bench.file.write_text(written("third"))
    bench.settle()
    assert said[-1][1]["valid_again"] is False


def test_going_back_to_what_runs_is_said_and_changes_nothing(bench: Bench, said: list[Any]) -> None:
    before = bench.known
    text = bench.file.read_text()
    bench.file.write_text("nonsense")
    bench.settle()
    bench.file.write_text(text)
    assert bench.settle() == before
    assert [event for event, _ in said] == ["config_invalid", "config_valid"]
    assert bench.kept == []


@pytest.mark.parametrize("name", ["issue.json", "routes.yaml"])
def test_what_is_missing_is_invalid_and_its_return_is_seen(bench: Bench, name: str) -> None:
    raw = (bench.folder / name).read_bytes()
    (bench.folder / name).unlink()
    known = bench.settle()
    assert known.error
    assert bench.route == "first"
    (bench.folder / name).write_bytes(raw)
    assert bench.settle().error == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("secret", "file secret cannot be read: no such file or directory"),
        (".env", "environment variable GITHUB_SECRET is not set"),
    ],
)
def test_a_configuration_whose_secret_is_gone_is_taken_with_a_warning(
    bench: Bench, said: list[Any], name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_config, "log", reloader_module.log)
    raw = (bench.folder / name).read_bytes()
    secrets = bench.following().sources["github"].secrets
    (bench.folder / name).unlink()
    bench.file.write_text(written("other"))
    assert bench.settle().error == ()
    source = bench.following().sources["github"]
    assert (bench.route, source.missing, len(source.secrets)) == (
        "other",
        why,
        1,
    ), "the other secret counts, this one no more"
    assert [event for event, _ in said] == ["config_reloaded", "values_missing"]
    assert said[1][1] == {"missing": {"sources.github": why}}
    (bench.folder / name).write_bytes(raw)
    bench.settle()
    assert (
        bench.following().sources["github"].missing,
        bench.following().sources["github"].secrets,
    ) == (None, secrets)
    assert [event for event, _ in said] == ["config_reloaded", "values_missing", "config_reloaded"]


def test_a_secret_of_which_a_part_is_gone_is_none(bench: Bench) -> None:
    """What is left of it could be guessed."""
    bench.file.write_text(
        written().replace('"${env:GITHUB_SECRET}", "${file:secret}"', '"v1-${env:GITHUB_SECRET}"')
    )
    bench.settle()
    assert [one.value for one in bench.following().sources["github"].secrets] == ["v1-" + "g" * 40]
    (bench.folder / ".env").write_text("")
    bench.settle()
    source = bench.following().sources["github"]
    assert (source.secrets, source.missing) == ((), "environment variable GITHUB_SECRET is not set")


def test_a_link_out_of_the_folder_is_refused_and_its_end_is_seen(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "issue.json"
    outside.write_text('{"type": "array"}')
    (bench.folder / "issue.json").unlink()
    (bench.folder / "issue.json").symlink_to(outside)
    assert "leads out of the folder" in bench.settle().error[0]
    (bench.folder / "issue.json").unlink()
    (bench.folder / "issue.json").write_text('{"type": "object"}')
    assert bench.settle().error == ()


def test_what_processes_could_not_be_started_with_is_refused(tmp_path: Path) -> None:
    """A local platform behind a public address alone."""
    bench = Bench(tmp_path)
    open_to_all = {"FLOWBRIDGE_DATA": str(tmp_path), "FLOWBRIDGE_BIND": "0.0.0.0:8080"}
    found = reloader_module.read_files(load_settings(open_to_all, config=str(bench.file)))
    assert found.good is None
    assert "FLOWBRIDGE_PRIVATE_BIND" in found.problems[0]


def test_a_pipe_cannot_be_read_again_and_holds_nothing_up(bench: Bench) -> None:
    (bench.folder / "secret").unlink()
    os.mkfifo(bench.folder / "secret")
    assert "it is not a regular file" in bench.settle().error[0]


def test_a_store_that_fails_keeps_the_last_and_is_tried_again(bench: Bench) -> None:
    bench.fails = 2
    bench.file.write_text(written("other"))
    bench.poll()
    time.sleep(QUICK.config_quiet_seconds)
    assert bench.poll() == QUICK.config_retry_seconds
    assert bench.known.error == (
        "cannot store the configuration in the database: the disk is full",
    )
    bench.following.catch_up()
    assert bench.route == "first"
    assert bench.settle().error == ()
    assert bench.route == "other"


def test_a_process_that_could_not_take_a_configuration_tries_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.file.write_text(written("other"))
    bench.poll()
    time.sleep(QUICK.config_quiet_seconds)
    bench.poll()

    def rebuild_nothing(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(follower, "rebuild", rebuild_nothing)
        for _ in range(2):
            with pytest.raises(MemoryError):
                bench.following.catch_up()
    assert bench.route == "first"
    bench.following.catch_up()
    assert bench.route == "other"


def test_a_reader_that_dies_while_it_reads_is_an_error_that_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reloader_module.read_files
    monkeypatch.setattr(reloader_module, "read_files", lambda _settings: os._exit(9))
    bench.file.write_text(written("other"))
    assert bench.poll() == QUICK.config_retry_seconds
    assert "ended without a result" in bench.known.error[0]
    monkeypatch.setattr(reloader_module, "read_files", whole)
    assert bench.settle().error == ()
    assert bench.route == "other"


def test_asked_for_it_is_read_though_nothing_has_changed(bench: Bench, said: list[Any]) -> None:
    number = bench.board.number
    bench.settle(is_requested=True)
    assert [event for event, _ in said] == ["config_unchanged"]
    assert bench.board.number == number


# -- the process that watches the files


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that this one has forked since then."""
    children: list[int] = []
    fork = os.fork

    def noted() -> int:
        child = fork()
        if child:
            children.append(child)
        return child

    monkeypatch.setattr(os, "fork", noted)
    return children


def watching(bench: Bench) -> None:
    until(lambda: bench.reader.poll() == WATCH_SECONDS, what="a process that watches")


def test_files_at_rest_are_watched_by_one_process(bench: Bench, forks: list[int]) -> None:
    watching(bench)
    before = len(forks)
    checks_end = time.monotonic() + 10 * QUICK.config_poll_seconds
    until(lambda: bench.reader.poll() and time.monotonic() > checks_end, what="ten checks")
    assert len(forks) == before
    bench.file.write_text(written("other"))
    until(lambda: bench.reader.poll() and bench.known.key != bench.loaded.key, what="the change")
    assert len(forks) <= before + 3, "two reads, and the next that watches"


def test_a_process_that_watches_is_replaced_after_its_end(bench: Bench, forks: list[int]) -> None:
    watching(bench)
    os.kill(forks[-1], signal.SIGKILL)
    until(
        lambda: bench.reader.poll() == QUICK.config_retry_seconds, what="a wait before the next one"
    )
    assert "ended without a result" in bench.known.error[0]
    watching(bench)
    assert bench.known.error == ()
    bench.file.write_text(written("other"))
    until(lambda: bench.reader.poll() and bench.known.key != bench.loaded.key, what="the change")


def test_a_process_that_watches_and_hangs_is_replaced(
    tmp_path: Path, forks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, timings=replace(QUICK, config_read_seconds=2.0))
    with monkeypatch.context() as patch:
        patch.setattr(reloader_module, "watch_files", lambda *_: time.sleep(3600))
        watching(bench)
        hung = forks[-1]
        until(lambda: bench.reader.poll() == QUICK.config_retry_seconds, what="the end of its time")
    assert "timed out after 2 s" in bench.known.error[0]
    assert hung not in children_of(os.getpid())
    watching(bench)
    assert bench.known.error == ()
    bench.close()


def test_a_read_that_is_asked_for_does_not_wait_for_the_process_that_watches(
    bench: Bench, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloader_module, "watch_files", lambda *_: time.sleep(3600))
    watching(bench)
    bench.reader.poll(is_requested=True)
    watching(bench)
    until(lambda: bench.reader.poll() and bool(said), what="the read")
    assert [event for event, _ in said] == ["config_unchanged"]


def test_a_sign_of_life_begins_the_time_of_a_call_again() -> None:
    reads, writes = os.pipe()

    def work() -> str:
        for _ in range(3):
            os.read(reads, 1)
            report_alive()
        return "done"

    call = begin_in_fork(work, 60)
    for _ in range(3):
        before = call.ends_at
        os.write(writes, b"x")
        until(lambda before=before: call.poll() or call.ends_at > before, what="a sign of life")
    assert call.wait() == "done"
    os.close(reads)
    os.close(writes)


def test_the_process_that_watches_ends_with_its_parent(bench: Bench) -> None:
    reads, writes = os.pipe()
    parent = os.fork()
    if parent == 0:
        while bench.reader.poll() != WATCH_SECONDS:
            pass
        os.write(writes, b"x")
        signal.pause()
    os.read(reads, 1)
    (child,) = children_of(parent)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until(lambda: not Path(f"/proc/{child}/stat").exists(), what="its end")
    os.close(reads)
    os.close(writes)


# -- work apart, the board, and who is present


def test_work_apart_tells_what_it_came_to() -> None:
    here = os.getpid()
    assert call_in_fork(os.getppid, 60) == here
    with pytest.raises(BridgeError, match=r"^wrong: 1$"):
        call_in_fork(lambda: _raise(StoreError("wrong: 1")), 60)
    with pytest.raises(BridgeError, match="without a result"):
        call_in_fork(lambda: _raise(ZeroDivisionError()), 60)
    with pytest.raises(BridgeError, match=r"timed out after 0.05 s"):
        call_in_fork(lambda: time.sleep(3600), 0.05)
    assert call_in_fork(lambda: "x" * 5_000_000, 60) == "x" * 5_000_000, "more than a pipe holds"


def test_who_begins_work_apart_need_not_wait_for_it() -> None:
    reads, writes = os.pipe()
    call = begin_in_fork(lambda: os.read(reads, 100), 60)
    assert not call.poll()
    os.write(writes, b"told")
    until(call.poll, what="its end")
    assert call.wait() == b"told"
    hung = begin_in_fork(lambda: os.read(reads, 100), 0.05)
    until(hung.poll, what="the end of its time")
    with pytest.raises(BridgeError, match=r"timed out after 0.05 s"):
        hung.wait()
    for one in (call, hung):
        with pytest.raises(ChildProcessError):
            os.waitpid(one.child, os.WNOHANG)  # it has been waited for
    os.close(reads)
    os.close(writes)


def test_the_end_of_work_apart_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits for a disk ends after its kill only when the disk answers."""

    def find_none(_child: int, options: int) -> tuple[int, int]:
        assert options == os.WNOHANG, "it would wait"
        return 0, 0

    call = begin_in_fork(signal.pause, 60)
    with monkeypatch.context() as patch:
        patch.setattr(os, "waitpid", find_none)
        call.kill()
    os.waitid(os.P_PID, call.child, os.WEXITED | os.WNOWAIT)  # it was killed
    call.kill()
    with pytest.raises(ChildProcessError):
        os.waitpid(call.child, os.WNOHANG)


def test_the_address_of_a_bridge_is_published_once_it_receives(tmp_path: Path) -> None:
    bench = Bench(tmp_path, timings=replace(QUICK, config_poll_seconds=3600.0))
    reloader = Reloader(bench.settings, bench.board, bench.loaded)
    until(lambda: reloader.poll() == 3600.0 / STEPS_PER_POLL, what="the process that watches")
    assert find_addresses(bench.settings.data) is None
    bench.board.register("web", bench.known.hash)
    reloader.poll()
    assert find_addresses(bench.settings.data) is not None
    reloader.close()
    bench.close()


def test_what_reads_files_is_less_urgent_and_leaves_signals_to_the_others() -> None:
    def look() -> tuple[int, set[object]]:
        numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
        return os.getpriority(os.PRIO_PROCESS, 0), {signal.getsignal(one) for one in numbers}

    steps = call_in_steps(look, 60)
    found = None
    while found is None:
        try:
            time.sleep(next(steps))
        except StopIteration as end:
            found = end.value
    assert found == (min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS), {signal.SIG_IGN})


def test_without_room_for_a_process_work_apart_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    opened: list[int] = []
    pipe2 = os.pipe2

    def noted(flags: int) -> tuple[int, int]:
        opened.extend(pipe2(flags))
        return opened[0], opened[1]

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(os, "pipe2", noted)
    with pytest.raises(BridgeError, match="cannot start a process: Resource temporarily"):
        call_in_fork(os.getpid, 60)
    for each in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(each)


def test_a_file_system_that_hangs_holds_nothing_else_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, writes = os.pipe()
    others = set(children_of(os.getpid()))

    def hang(*_: object) -> None:
        os.read(reads, 1)

    reloader = Reloader(bench.settings, bench.board, bench.loaded)
    with monkeypatch.context() as patch:
        patch.setattr(reloader_module, "read_if_changed", hang)
        assert {reloader.poll() for _ in range(9)} == {CALL_POLL_SECONDS}
        os.write(writes, b"x")
        until(lambda: reloader.poll() == WATCH_SECONDS, what="the end of it")
    call_in_fork(lambda: prepare_store(bench.settings, bench.loaded.config), 60)
    bench.file.write_text(written("other"))
    until(lambda: reloader.poll() and bench.known.key != bench.loaded.key, what="another look")
    bench.following.catch_up()
    assert (bench.known.error, bench.route) == ((), "other")
    (found,) = call_in_fork(lambda: list_bridges(bench.settings.data), 60)
    assert (found["pid"], found["config"]["hash"]) == (os.getpid(), bench.known.hash)
    until(lambda: reloader.poll() == WATCH_SECONDS, what="the process that watches")
    with monkeypatch.context() as patch:
        patch.setattr(reloader_module, "read_if_changed", hang)
        watching = children_of(os.getpid())
        reloader.poll(is_requested=True)
        until(
            lambda: reloader.poll() and set(children_of(os.getpid())) - set(watching),
            what="the process that reads",
        )
        assert {reloader.poll() for _ in range(9)} == {CALL_POLL_SECONDS}
        reloader.close()
    assert not set(children_of(os.getpid())) - others
    assert list_bridges(bench.settings.data) == []
    os.close(reads)
    os.close(writes)


def test_a_fault_of_the_reloader_is_logged_and_it_reads_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloader = Reloader(bench.settings, bench.board, bench.loaded)
    faults = recorded(monkeypatch, reloader_module)
    with monkeypatch.context() as patch:
        patch.setattr(bench.board, "write_hash", lambda _: _raise(MemoryError()))
        assert reloader.poll() == QUICK.config_retry_seconds
    assert [event for event, _ in faults] == ["reload_failed"]
    call_in_fork(lambda: prepare_store(bench.settings, bench.loaded.config), 60)
    bench.file.write_text(written("other"))
    until(lambda: reloader.poll() and bench.known.key != bench.loaded.key, what="another look")
    bench.following.catch_up()
    assert bench.route == "other"
    reloader.close()


def _raise(error: Exception) -> None:
    raise error


def test_a_board_is_never_read_half_written() -> None:
    """One process writes as fast as it can, each time as much of one letter as fits its turn."""
    board = SharedConfig(ConfigState("0", "0", 0.0))
    reader_ = os.getpid()
    writer = os.fork()
    if writer == 0:
        for number in takewhile(lambda _: os.getppid() == reader_, count()):
            board.write(
                ConfigState(
                    str(number),
                    "k",
                    float(number),
                    parts=str(number % 10) * (1 + number % 7 * 20_000),
                )
            )
        os._exit(0)
    try:
        seen = set()
        began = time.monotonic()
        while len(seen) <= 10 or time.monotonic() < began + 0.5:
            assert time.monotonic() < began + 60, "the writer does nothing"
            known = board.read()
            if known.parts:
                assert known.parts == str(int(known.hash) % 10) * (1 + int(known.hash) % 7 * 20_000)
                seen.add(known.hash)
    finally:
        os.kill(writer, 9)
        os.waitpid(writer, 0)


def test_the_board_knows_who_lives() -> None:
    board = SharedConfig(ConfigState("0" * 64, "0", 0.0))
    board.register("mine", "1" * 64)
    asked, answers = os.pipe()
    child = os.fork()
    if child == 0:
        board.write_hash("4" * 64)  # nowhere: the place is that of its parent
        board.register("child", "2" * 64)
        board.write_hash("3" * 64)
        os.write(answers, b"x")
        time.sleep(3600)
        os._exit(0)
    os.read(asked, 1)
    try:
        assert {(one.pid, one.role, one.hash) for one in board.processes()} == {
            (os.getpid(), "mine", "1" * 64),
            (child, "child", "3" * 64),
        }
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(asked)
        os.close(answers)
    assert [one.role for one in board.processes()] == ["mine"]


def test_a_bridge_is_present_for_as_long_as_its_process_lives(tmp_path: Path) -> None:
    mine = Presence(tmp_path)
    mine.publish({"pid": 1, "long": "x" * 1000})
    mine.publish({"pid": 1})
    asked, answers = os.pipe()
    child = os.fork()
    if child == 0:
        theirs = Presence(tmp_path)
        theirs.publish({"pid": 2})
        os.write(answers, b"x")
        time.sleep(3600)
        os._exit(0)
    os.read(asked, 1)
    assert sorted(one["pid"] for one in call_in_fork(lambda: list_bridges(tmp_path), 60)) == [1, 2]
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert call_in_fork(lambda: list_bridges(tmp_path), 60) == [{"pid": 1}]
    assert len(list((tmp_path / "running").iterdir())) == 1, "the file of the dead one is gone"
    mine.close()
    assert list_bridges(tmp_path) == []
    mine.close()  # nothing is left to do


def test_the_disk_tells_whether_it_would_answer_differently(tmp_path: Path) -> None:
    disk = FileTracker()
    file = tmp_path / "one"
    with pytest.raises(FileNotFoundError):
        disk.read(file, 100)
    assert disk.find_files(tmp_path, "*.yaml") == []
    assert disk.is_inside(tmp_path, "one")
    assert not disk.has_changed()
    (tmp_path / "other.yaml").touch()
    assert disk.has_changed()
    (tmp_path / "other.yaml").unlink()
    assert not disk.has_changed()
    file.write_text("1")
    assert disk.has_changed()
