"""Each route of docs/ready-made-flows.md runs, from the sender's event to the flow's effect.

One test runs all of them with `serve`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folders import DOCS
from mail_server import LOGIN, USER, MailServer, make_certificates
from ready import Env, done, failed, server_context
from records import NOW, make_event
from servers import Misbehaving, respond
from serving import Bridge, until

from bridge.config.loader import check
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.ingest.source_bodies import read_body
from bridge.providers.samples.loader import sample
from bridge.routing.model import Config, Route
from bridge.routing.planner import plan
from bridge.store.queries import events

PAGE = (DOCS / "ready-made-flows.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Secrets(Mapping[str, str]):
    """An environment that has every variable."""

    def __getitem__(self, name: str) -> str:
        return "whsec_" + "0123456789abcdef" * 4

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each flow is given by the page's routes, of the sender's sample."""
    found: dict[str, dict[str, Any]] = {}
    for example in EXAMPLES:
        path = tmp_path_factory.mktemp("example") / "routes.yaml"
        path.write_text(f"version: 1\nplatforms: {{local: {{type: local}}}}\n{example}", "utf-8")
        config, problems = check(path, Secrets())
        assert config is not None and not problems, example
        found |= {route.flow.saved_item_id: planned(config, route) for route in config.routes}
    return found


def planned(config: Config, route: Route) -> dict[str, Any]:
    source = config.sources[route.source]
    request = sample(
        source.provider.name, route.types[0] if route.types else None, now=NOW, new_id="abc123"
    )
    event = make_event(
        "1",
        type=route.types[0] if route.types else "form",
        source=source.name,
        provider=source.provider.name,
    )
    body = read_body(source, request.headers["content-type"], request.body)
    if route.name == "tell-the-team":
        assert body.value["action"] == "opened"
    (delivery,) = plan(event, body, [replace(route, mode=type(route.mode).LIVE)], NOW)
    assert delivery.reason is None and isinstance(delivery.inputs, dict), delivery.reason
    return delivery.inputs


def test_every_flow_has_a_route_that_uses_inputs_it_has(inputs: dict[str, dict[str, Any]]) -> None:
    assert set(inputs) == set(READY_FLOWS)
    for name, given in inputs.items():
        assert READY_FLOWS[name].takes_any or set(given) <= {
            one.name for one in READY_FLOWS[name].inputs
        }, name


def test_every_input_is_listed() -> None:
    sections = {
        found[1]: found[2]
        for found in re.finditer(r"^## (\w+)\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    }
    for name, section in sections.items():
        listed = {
            word
            for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
            for word in re.findall(r"`(\w+)`", row)
        }
        missing = (
            {one.name for one in READY_FLOWS[name].inputs} - listed
            if name in READY_FLOWS
            else set()
        )
        assert not missing, f"{name}: {missing}"
    assert set(READY_FLOWS) - {"echo", "fail", "sleep"} <= set(sections)


def test_files_are_written(inputs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    assert done("append_csv", tmp_path, **inputs["append_csv"])["new_columns"] == [
        "received_at",
        "name",
        "email",
        "message",
    ]
    assert (tmp_path / "files/messages.csv").is_file()
    done("append_jsonl", tmp_path, **inputs["append_jsonl"])
    assert json.loads((tmp_path / "files/paid.jsonl").read_text())["amount"] == 4900


def test_the_mail_is_sent(
    inputs: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = Env(monkeypatch)
    with MailServer() as server:
        env(
            SMTP_URL=f"smtp://127.0.0.1:{server.port}?starttls=no",
            SMTP_FROM="Hooks <hooks@example.com>",
            SMTP_ALLOWED_TO="me@example.com",
        )
        done("send_email", tmp_path, **inputs["send_email"])
    (mail,) = server.mails
    assert (mail["To"], mail["Subject"]) == ("me@example.com", "Message from Zoë Lindqvist")
    assert mail["Reply-To"] == "Zoë Lindqvist <zoe.lindqvist@example.com>"


def test_the_calls_are_made(
    inputs: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Misbehaving() as server:
        Env(monkeypatch)(
            SLACK_WEBHOOK_URL=server.script("/slack", respond(200, b"ok")), HTTP_REQUEST_PRIVATE="1"
        )
        done("slack_message", tmp_path, **inputs["slack_message"])
        url = server.script("/api/customers", respond(404))
        assert inputs["http_request"]["url"].endswith("/api/customers")
        assert (
            done("http_request", tmp_path, **inputs["http_request"] | {"url": url})["status"] == 404
        )
    message, call = server.received
    assert re.fullmatch(
        r"\*\S+/\S+\*: .+\nhttps://github.com/\S+", json.loads(message.body)["text"]
    )
    assert (call.method, call.query) == ("PUT", "email=zoe.lindqvist%40example.com") and json.loads(
        call.body
    )["status"] == "paid"


def test_flows_for_tests_do_as_documented(
    inputs: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    assert done("echo", tmp_path, **inputs["echo"])["fields"]["name"] == "Zoë Lindqvist"
    assert failed("fail", tmp_path, **inputs["fail"]) == "a test by Zoë Lindqvist"
    assert done("sleep", tmp_path, **inputs["sleep"]) == {"seconds": 0.5}


SERVED = """
version: 1
platforms:
  local: {type: local}
flows:
  small: {platform: local, saved_item_id: http_request, memory: 64MB}
sources:
  contact: {provider: form}
routes:
  - {name: keep, on: contact, inputs: {file: messages.csv, fields: "${form}"}, flow: local/append_csv}
  - {name: mail, on: contact, inputs: {to: me@example.com, subject: "From ${form.name}", text: "${form.message}"}, flow: local/send_email}
  - {name: tell, on: contact, inputs: {text: "${form.message}"}, flow: local/slack_message}
  - {name: call, on: contact, inputs: {url: "https://localhost:PORT/new", json: "${form}"}, flow: small}
"""


@pytest.mark.usefixtures("new_processes")
def test_a_form_is_stored_mailed_posted_and_forwarded(tmp_path: Path) -> None:
    """With the settings in `.env`, from which alone the runs' own processes can know them."""
    authority, certificate = make_certificates(tmp_path)
    context = server_context(certificate)
    with (
        MailServer(context, login=True) as post,
        Misbehaving() as slack,
        Misbehaving(context=context) as crm,
    ):
        settings = {
            "SMTP_URL": f"smtp://{LOGIN}@localhost:{post.port}",
            "SMTP_CA": str(authority),
            "SLACK_WEBHOOK_URL": slack.script("/services/x", respond(200, b"ok")),
            "HTTP_REQUEST_PRIVATE": "localhost",
            "HTTP_REQUEST_CA": str(authority),
        }
        (tmp_path / ".env").write_text(
            "".join(f"FLOWBRIDGE_{name}={value}\n" for name, value in settings.items())
        )
        with Bridge(tmp_path, routes=SERVED.replace("PORT", str(crm.port))) as bridge:
            answer = bridge.post(
                "/hooks/contact",
                b"name=Ada&message=%3DHello",
                {"Content-Type": "application/x-www-form-urlencoded"},
            )
            assert answer.status in (200, 202, 303), answer
            runs = until(lambda: ended(bridge), what="all four runs")
        assert {state for _, state in runs} == {"done"}, bridge.stderr[-3000:]
    assert (
        (tmp_path / "data/files/messages.csv")
        .read_text("utf-8-sig")
        .splitlines()[1]
        .endswith(",Ada,'=Hello")
    )
    assert [(mail["To"], mail["Subject"]) for mail in post.mails] == [
        ("me@example.com", "From Ada")
    ] and post.logins == [USER]
    assert json.loads(slack.received[0].body) == {"text": "=Hello"}
    assert json.loads(crm.received[0].body) == {"name": "Ada", "message": "=Hello"}


def ended(bridge: Bridge) -> list[tuple[str, str]]:
    """The routes' deliveries and how their runs ended, once all have."""
    found = [
        (one.route, str(one.run_state))
        for one in events.list_deliveries(bridge.database, events.Filters())
    ]
    return (
        found
        if len(found) == 4 and all(state in ("done", "failed", "terminated") for _, state in found)
        else []
    )
