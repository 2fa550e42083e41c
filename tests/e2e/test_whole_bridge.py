"""A whole bridge in this process: from a signed request over HTTP to the end of its run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from command_line import lines, run
from fake_platform import FakePlatform
from flask import Flask
from serving import SECRET, github, until
from shared_rules import create_app
from werkzeug.serving import make_server
from worker_bench import ended, wait, working

from bridge.config.settings import load_settings
from bridge.runtime.loaded_config import load_config
from bridge.store.db.database import Database
from bridge.web.app_context import AppContext

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, base_url: "{url}", api_key: {key}, user_id: {user}}}
sources:
  github: {{provider: github, secret: "{secret}"}}
routes:
  - name: triage
    on: github issues
    match: {{body.action: opened}}
    inputs: {{title: "${{body.issue.title}}"}}
    flow: gumloop/echo
"""
ISSUE = json.dumps({"action": "opened", "issue": {"title": "It rains in"}}).encode()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an application in a thread; yield its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_signed_request_becomes_a_run_that_ends(store: Database, folder: Path) -> None:
    with FakePlatform() as platform:
        routes = ROUTES.format(
            url=platform.base_url, key=platform.api_key, user=platform.user_id, secret=SECRET
        )
        (folder / "routes.yaml").write_text(routes)
        settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32})
        config = load_config(settings).config
        app = create_app(
            AppContext(settings=settings, config=lambda: config, database=store, wake=lambda: None)
        )
        with served(app) as url, working(store, config):
            hooks = f"{url}/hooks/github"
            accepted = requests.post(hooks, ISSUE, headers=github(ISSUE), timeout=60)
            forged = requests.post(
                hooks, ISSUE.replace(b"rains", b"pours"), headers=github(ISSUE), timeout=60
            )
            assert (accepted.status_code, forged.status_code) == (202, 401)
            (event,) = lines(run("events", "--json"))
            wait(store, [event["deliveries"][0]["id"]], ended)
    (start,) = platform.accepted
    assert start.json["title"] == "It rains in"
    (shown,) = lines(run("show", accepted.json()["event_id"], "--json"))
    (delivery,) = shown["deliveries"]
    assert (delivery["status"], delivery["run_state"]) == ("delivered", "done")
    assert delivery["outputs"]["title"] == "It rains in"
    (reject,) = until(lambda: lines(run("rejects", "--json")), what="the reject")
    assert reject["reason"] == "mismatch"
