"""The bridge of the demo: a temporary folder, its settings, and the processes of `serve` on it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bridge.config.data_folder import DEMO_FOLDER_PREFIX
from bridge.config.settings import Settings, load_settings
from bridge.core.timings import Timings
from bridge.runtime import services
from bridge.runtime.loaded_config import LoadedConfig, load_config
from bridge.runtime.reload.follower import ConfigFollower
from bridge.system.linux_process import die_with_parent
from bridge.system.wakeup import Wake


@contextmanager
def make_folder() -> Iterator[Path]:
    """Yield a temporary folder, and delete it at the end."""
    folder = tempfile.mkdtemp(prefix=DEMO_FOLDER_PREFIX)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run_bridge(
    folder: Path, files: Mapping[str, str], port: int, timings: Timings
) -> Iterator[tuple[Settings, int]]:
    """Run the processes of `serve` on the folder, in a child process; yield the settings and its
    id.

    `files`: the texts of routes.yaml and flows.py, by name. `port`: 0 for a free one.
    """
    settings, sockets = _write_project(folder, files, port, timings)
    loaded = load_config(settings)
    services.prepare_in_child(settings, loaded)
    child = os.fork()
    if child == 0:
        _supervise(settings, loaded, Wake(), sockets)
    for sock in sockets:
        sock.close()
    try:
        yield settings, child
    finally:
        _end(child)


def _write_project(
    folder: Path, files: Mapping[str, str], port: int, timings: Timings
) -> tuple[Settings, list[socket.socket]]:
    """Write the files of the folder; return settings from these files alone, and the sockets."""
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    env = folder / ".env"
    env.touch(0o600)
    secret = secrets.token_hex(32)
    signing = f"whsec_{secrets.token_hex(16)}"
    text = (
        f"FLOWBRIDGE_DATA={folder / 'data'}\n"
        f"GITHUB_WEBHOOK_SECRET={secret}\n"
        f"STRIPE_WEBHOOK_SECRET={signing}\n"
    )
    env.write_text(text, "utf-8")
    routes = str(folder / "routes.yaml")
    bind_to = f"127.0.0.1:{port}"
    settings = load_settings({}, config=routes, bind=bind_to, timings=timings)
    settings = replace(settings, log="error")
    sockets = services.bind_sockets(settings)
    settings = services.with_bound_addresses(settings, sockets)
    bind = {"FLOWBRIDGE_BIND": f"127.0.0.1:{settings.bind[1]}"}
    # for commands in another terminal
    env.write_text(f"{text}FLOWBRIDGE_BIND={bind['FLOWBRIDGE_BIND']}\n", "utf-8")
    return replace(settings, environ={**settings.environ, **bind}), sockets


def _supervise(
    settings: Settings, loaded: LoadedConfig, wake: Wake, sockets: list[socket.socket]
) -> None:
    """Become the parent of the demo's processes; does not return."""
    code = 1
    try:
        os.setpgid(0, 0)  # so that Ctrl-C reaches this one by its parent, in order
        die_with_parent()
        os.dup2(2, 1)  # stdout is the demo's own
        following = ConfigFollower(settings, loaded)
        children = services.serve_processes(settings, following, wake, sockets)
        code = services.make_supervisor(children, settings, following, loaded).run()
    finally:
        os._exit(code)


def _end(child: int) -> None:
    """Stop the processes and wait for them, however often Ctrl-C is pressed meanwhile."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return
    finally:
        signal.signal(signal.SIGINT, before)
