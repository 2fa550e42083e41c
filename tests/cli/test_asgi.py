"""`bridge.cli.asgi:create()` under a real server: with processes that are forked after it, with a
process that is not, and without a configuration.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from asgi_servers import GunicornAsgi
from serving import ROUTES, children_of, is_alive, tree_of, until

from bridge.cli import asgi
from bridge.core.errors import BridgeError
from bridge.system import logs

pytestmark = pytest.mark.usefixtures("new_processes")


def end_by_interrupt(bridge: GunicornAsgi) -> None:
    """End it as Ctrl-C in a terminal does, which sends a signal to each process."""
    os.killpg(bridge.pid, signal.SIGINT)


def end_by_service(bridge: GunicornAsgi) -> None:
    """End it as a service manager does."""
    assert bridge.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "receivers", "end"),
    [((), 1, end_by_interrupt), (("--preload", "--workers", "2"), 2, end_by_service)],
    ids=["one", "forked"],
)
def test_a_server_follows_the_configuration_and_ends_all_that_was_started(
    tmp_path: Path,
    arguments: Sequence[str],
    receivers: int,
    end: Callable[[GunicornAsgi], None],
) -> None:
    with GunicornAsgi(tmp_path, "web", *arguments) as bridge:
        assert bridge.event().status == 202
        assert bridge.get("/metrics").status == 200
        bridge.config.write_text(
            ROUTES.replace("github:", "other:").replace("on: github", "on: other")
        )
        until(
            lambda: {bridge.post("/hooks/github", b"{}").status for _ in range(8)} == {404},
            what="the changed routes.yaml in every receiver",
        )
        tree = until(
            lambda: len(found := tree_of(bridge.pid)) == 1 + receivers + 2 and found,
            what="the parent, the receivers, the reader and what watches, and nothing else",
        )
        assert len(children_of(bridge.pid)) == (receivers + 1 if arguments else 1)
        end(bridge)
        until(lambda: not any(map(is_alive, tree)), what="the end of each process")
        assert bridge.count() == 1
    assert '"level":"error"' not in bridge.stderr


@pytest.fixture
def same_mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (None, "routes.yaml"),
        ("version: 1\nsources: {github: {provider: gihub}}\n", "did you mean `github`"),
    ],
)
@pytest.mark.usefixtures("same_mask")
def test_a_missing_or_wrong_configuration_is_named(
    folder: Path, routes: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if routes is not None:
        (folder / "routes.yaml").write_text(routes)
    monkeypatch.setattr(logs, "setup", logs.setup)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with pytest.raises(BridgeError, match=said):
        asgi.create()
    assert not (folder / "data" / "flowbridge.db").exists()


def test_only_the_process_that_created_the_application_ends_the_reader() -> None:
    with subprocess.Popen(["sleep", "60"]) as reader:
        asgi._end_reader(os.getpid() + 1, reader.pid)
        assert is_alive(reader.pid)
        asgi._end_reader(os.getpid(), reader.pid)
        assert not is_alive(reader.pid)
        asgi._end_reader(os.getpid(), reader.pid)
