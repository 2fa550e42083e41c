"""deploy/: gunicorn by itself takes events in as `flowbridge web` does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from folders import DEPLOY, DOCS
from serving import ROUTES, SECRET, exchange, free_port, github, head, until

CONF = DEPLOY / "gunicorn.conf.py"
BODY = b'{"action":"opened"}'


def post(port: int, secret_ok: bool, source: str = "github") -> int:
    """Send a signed event, or one that was changed after signing, and return the status; 0 while
    nothing listens.
    """
    headers = github(BODY) | {"Content-Length": str(len(BODY))}
    try:
        return exchange(
            port, head("POST", f"/hooks/{source}", headers) + (BODY if secret_ok else BODY.upper())
        ).status
    except ConnectionRefusedError:
        return 0


@pytest.mark.usefixtures("new_processes")
def test_gunicorn_by_itself_receives(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / ".env").write_text(f"GITHUB_SECRET={SECRET!r}\nFLOWBRIDGE_BIND=127.0.0.1:{port}\n")
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("FLOWBRIDGE_")
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONF)]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        assert until(lambda: post(port, True), what="an answer") == 202, (
            tmp_path / "log"
        ).read_text()
        assert post(port, False) == 401
        assert post(port, True, "other") == 404
        (tmp_path / "routes.yaml").write_text(
            ROUTES.replace("github:", "other:").replace("on: github", "on: other")
        )
        until(
            lambda: {post(port, True, "other") for _ in range(6)} == {202},
            what="the changed routes.yaml in every receiver",
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert (tmp_path / "data" / "flowbridge.db").exists()


def test_the_guide_starts_a_proxy_that_could_not_start_before() -> None:
    page = (DOCS / "deploy.md").read_text("utf-8")
    verbs = re.findall(r"(?m)^sudo systemctl (\S+) (nginx|caddy)$", page)
    assert verbs == [("reload-or-restart", "nginx"), ("reload-or-restart", "caddy")]
    assert "sudo ss -ltnp 'sport = :80'" in page
