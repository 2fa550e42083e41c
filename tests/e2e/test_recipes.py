"""docs/recipes.md: each recipe starts its flow by the commands that the page shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from command_line import run
from fake_platform import FakePlatform
from folders import DOCS
from mail_server import MailServer
from servers import Misbehaving, respond
from serving import Bridge, signature, until

from bridge.store.queries import events

PAGE = (DOCS / "recipes.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
RECIPES = {title: text for title, text in SECTIONS.items() if "```yaml" in text}
TUNNEL = {"Host": "quiet-river.trycloudflare.com", "X-Forwarded-For": "203.0.113.7"}
PUSH = {"ref": "refs/heads/main", "after": "4f2c7a1e9b0d3c5f8a6e2b4d7c9f1a3e5b8d0c2f"}

pytestmark = pytest.mark.usefixtures("new_processes")


def block(title: str, language: str) -> str:
    """Return the first block of a recipe in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", RECIPES[title], re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def commands(title: str, *names: str) -> list[list[str]]:
    """Return the words of each `flowbridge NAME …` of a recipe, in the order of the names."""
    lines = re.findall(r"^flowbridge (.+)$", RECIPES[title], re.MULTILINE)
    return [shlex.split(line) for name in names for line in lines if line.startswith(name)]


def start(folder: Path, title: str, env: Mapping[str, str], routes: str | None = None) -> Bridge:
    """Return a bridge with the recipe's files."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    return Bridge(folder, routes=routes or block(title, "yaml"))


def send_sample(bridge: Bridge, title: str) -> None:
    """Run the recipe's `flowbridge sample` with the address of the bridge."""
    (words,) = commands(title, "sample")
    assert words[-1] == "--to"
    sent = run("--config", str(bridge.config), *words, f"http://127.0.0.1:{bridge.port}")
    assert sent.exit_code == 0, sent.output


def wait_for_the_run(bridge: Bridge) -> None:
    """Wait until the only delivery's run is done."""

    def state() -> str | None:
        deliveries = list(events.list_deliveries(bridge.database, events.Filters()))
        ended = [str(one.run_state) for one in deliveries if one.run_state in ("done", "failed")]
        return ended[0] if ended else None

    assert until(state, what="the run's end") == "done", bridge.stderr[-3000:]


def test_every_recipe_has_a_test() -> None:
    assert list(RECIPES) == [
        "GitHub to Slack",
        "Stripe to Gumloop",
        "A form to mail",
        "A shell command",
    ]


def test_an_issue_becomes_a_slack_message(folder: Path) -> None:
    with Misbehaving() as slack:
        env = {
            "FLOWBRIDGE_SLACK_WEBHOOK_URL": slack.script("/services/x", respond(200, b"ok")),
            "GITHUB_WEBHOOK_SECRET": "a-long-random-text",
        }
        with start(folder, "GitHub to Slack", env) as bridge:
            send_sample(bridge, "GitHub to Slack")
            wait_for_the_run(bridge)
    (message,) = slack.received
    assert json.loads(message.body)["text"].startswith("*")


def test_a_paid_invoice_starts_a_flow_on_gumloop(folder: Path) -> None:
    with FakePlatform() as platform:
        platform.flows["q3dasHQBidkNeXvAZo6Dby"] = ["email", "total", "event_id"]
        env = {
            "STRIPE_WEBHOOK_SECRET": "whsec_" + "0123456789abcdef" * 2,
            "GUMLOOP_API_KEY": platform.api_key,
            "GUMLOOP_USER_ID": platform.user_id,
        }
        routes = block("Stripe to Gumloop", "yaml").replace(
            "type: gumloop\n", f"type: gumloop\n    base_url: {platform.base_url}\n"
        )
        with start(folder, "Stripe to Gumloop", env, routes) as bridge:
            checked = run("--config", str(bridge.config), "check", "--live")
            assert checked.exit_code == 0, checked.output
            send_sample(bridge, "Stripe to Gumloop")
            wait_for_the_run(bridge)
    (call,) = platform.accepted
    assert call.json["total"] == "49.00 EUR" and set(call.json) >= {"email", "event_id"}


def test_a_form_becomes_a_mail(folder: Path) -> None:
    with MailServer() as server:
        env = {
            "FLOWBRIDGE_SMTP_URL": f"smtp://127.0.0.1:{server.port}?starttls=no",
            "FLOWBRIDGE_SMTP_FROM": "Hooks <hooks@example.com>",
        }
        with start(folder, "A form to mail", env) as bridge:
            send_sample(bridge, "A form to mail")
            wait_for_the_run(bridge)
    (mail,) = server.mails
    assert mail["To"] == "me@example.com" and mail["Reply-To"]


def test_a_push_through_a_tunnel_runs_a_command(folder: Path) -> None:
    """The signature verifies, and no private path is answered."""
    script = folder / "deploy.sh"
    script.write_text('#!/bin/sh\necho "deployed $1"\n')
    script.chmod(0o755)
    (folder / "push.json").write_text(json.dumps(PUSH))
    flows = block("A shell command", "python")
    (folder / "flows.py").write_text(flows.replace("/srv/site/deploy.sh", str(script)))
    env = {"GITHUB_WEBHOOK_SECRET": "a-long-random-text"}
    body = json.dumps(PUSH).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "e7c3a6a0-0000-4000-8000-000000000001",
        "X-Hub-Signature-256": signature(body, env["GITHUB_WEBHOOK_SECRET"]),
        **TUNNEL,
    }
    with start(folder, "A shell command", env) as bridge:
        assert bridge.post("/hooks/github", body, headers).status == 202
        wait_for_the_run(bridge)
        (delivery,) = events.list_deliveries(bridge.database, events.Filters())
        assert delivery.outputs == {"commit": PUSH["after"]}
        for words in commands("A shell command", "flows run", "explain"):
            answer = run("--config", str(bridge.config), *words)
            assert answer.exit_code == 0 and PUSH["after"] in answer.output, answer.output
        for path in ("/console", "/admin/v1/status", "/api/v1/start_pipeline", "/metrics"):
            assert bridge.get(path, TUNNEL).status == 404, path
