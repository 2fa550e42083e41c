"""sample --to: why an event was not accepted, what became of one that was, and the next step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import orjson
import pytest
from command_line import run
from processes import call
from servers import Misbehaving, respond
from serving import Bridge

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  parked: {provider: github, secret: "${env:GITHUB_SECRET}"}
  later: {provider: linear, secret: "${env:NOT_SET}"}
  contact: {provider: form}
  order: {provider: form, schema: {type: object, required: [amount], properties: {amount: {type: number}}}}
routes:
  - {name: issues, on: github issues, inputs: {a: "${body.action}"}, flow: local/echo}
  - {name: strict, on: parked, strict: true, inputs: {a: "${body.gone}"}, flow: local/echo}
  - {name: fine, on: parked, inputs: {a: 1}, flow: local/echo}
  - {name: spare, on: contact, match: {form.name: Ada}, flow: local/echo}
  - {name: order, on: order, flow: local/echo}
"""
ACCEPTED = "The event was not accepted: "


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    with Bridge(tmp_path_factory.mktemp("answers"), "web", routes=ROUTES) as bridge:
        yield bridge


def sent(web: Bridge, *arguments: str, path: str = "") -> CompletedProcess[str]:
    return call(
        web.folder,
        "sample",
        *arguments,
        "--to",
        f"http://127.0.0.1:{web.port}{path}",
        environ=web.environ,
    )


def event_id(result: CompletedProcess[str]) -> str:
    return str(orjson.loads(result.stdout.partition("  ")[2].rpartition("  ")[0])["event_id"])


def test_an_event_that_a_route_takes_needs_no_words(web: Bridge) -> None:
    result = sent(web, "github", "issues")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("sample", [("github", "ping"), ("contact",)])
def test_an_event_that_no_route_matches_is_said_to_start_nothing(
    web: Bridge, sample: tuple[str, ...]
) -> None:
    result = sent(web, *sample)
    assert result.returncode == 0
    assert (
        result.stderr
        == "No route matched this event, so it starts nothing.\nSee which clause failed:"
        f" flowbridge show {event_id(result)}\n"
    )


def test_a_delivery_that_is_dead_at_once_is_named(web: Bridge) -> None:
    result = sent(web, "parked", "issues")
    assert result.returncode == 0
    assert (
        result.stderr == f"Dead: 1 of 2 deliveries.\nSee why: flowbridge show {event_id(result)}\n"
    )


REFUSED = {
    ("github", "issues", "--secret", "not the secret of this source"): (
        "the bridge could not verify it. Its secret for github is not the one that signed"
        " this event, or the event was changed on the way.\nNext: on the machine of the bridge, see"
        " the reason: flowbridge rejects --source github --limit 1\n"
    ),
    ("later", "--secret", "a secret that is not set there"): (
        "the bridge has no secret for later: environment variable NOT_SET is not set.\nNext: on"
        " the machine of the bridge, set it in .env (no restart is needed): flowbridge check shows"
        " the variable\n"
    ),
    ("gitlab", "--secret", "a source that is not there"): (
        "the bridge has no source at /hooks/gitlab.\nNext: check the name in the URL, or add the"
        " source: flowbridge add gitlab\n"
    ),
    ("order",): (
        "the form order refuses these fields.\nNext: set others with --set"
        " form.NAME=VALUE, or with --body FILE\n"
    ),
}


@pytest.mark.parametrize(
    ("arguments", "said"), REFUSED.items(), ids=[" ".join(each) for each in REFUSED]
)
def test_a_refusal_says_why_and_what_comes_next(
    web: Bridge, arguments: tuple[str, ...], said: str
) -> None:
    result = sent(web, *arguments)
    assert (result.returncode, result.stderr) == (1, ACCEPTED + said)


def test_a_wrong_path_says_where_events_are_sent(web: Bridge) -> None:
    result = sent(web, "github", path="/webhooks/github")
    assert result.returncode == 1
    assert (
        result.stderr == f"{ACCEPTED}nothing receives events at /webhooks/github.\nNext: send it to"
        " /hooks/github\n"
    )


def test_a_replay_of_what_is_refused_says_why(web: Bridge) -> None:
    result = sent(web, "github", "--tamper", "replay", path="/hooks/githb")
    assert (
        result.returncode == 1
        and f"{ACCEPTED}the bridge has no source at /hooks/githb.\n" in result.stderr
    )


OTHERS = {
    (503, "store_failed"): (
        "the bridge could not store it.\nNext: on the machine of the bridge, check its database and"
        " disk"
    ),
    (
        429,
        "too_many",
    ): "the source github receives too many requests.\nNext: wait a moment, or raise its `rate`",
    (413, "too_large"): "the body is larger than github accepts.\nNext: raise its `max_body`",
    (422, "empty"): "no field of the form github has a value.\nNext: set one with --set",
    (
        405,
        "method_not_allowed",
    ): "/hooks/github does not accept events.\nNext: send it to /hooks/github",
    (421, "misdirected"): (
        "the private address of the bridge does not accept this host name.\nNext: send it to the public"
        " address"
    ),
    (507, "full"): (
        "the bridge has no room for more of github.\nNext: on the machine of the bridge, see what is full:"
        " flowbridge status"
    ),
    (500, "internal_error"): "the bridge answered 500.\nNext: read the log of the bridge",
    (502, ""): "the bridge answered 502.\nNext: read the log of the bridge",
}


@pytest.mark.parametrize(
    ("answer", "said"), OTHERS.items(), ids=[str(status) for status, _ in OTHERS]
)
def test_every_refusal_has_a_meaning(folder: Path, answer: tuple[int, str], said: str) -> None:
    status, code = answer
    with Misbehaving() as server:
        server.script(
            "/hooks/github", respond(status, orjson.dumps({"error": code}) if code else b"<html>")
        )
        result = run("sample", "github", "--to", server.url)
    assert result.exit_code == 1 and ACCEPTED + said in result.stderr


def test_a_sender_that_signs_the_url_points_to_the_public_url(folder: Path) -> None:
    with Misbehaving() as server:
        server.script("/hooks/twilio", respond(401, b'{"error": "unauthorized"}'))
        result = run("sample", "twilio", "--to", server.url)
    assert result.exit_code == 1
    assert "twilio signs the URL, and the bridge expects another one" in result.stderr
    assert "Next: set FLOWBRIDGE_PUBLIC_URL in .env" in result.stderr


@pytest.mark.parametrize(
    "body", [b"[]", b"ok", b'{"event_id": 3}', b'{"event_id": "evt_x", "deliveries": 1}', b""]
)
def test_an_answer_of_another_bridge_needs_no_store(folder: Path, body: bytes) -> None:
    with Misbehaving() as server:
        server.script("/hooks/github", respond(202, body))
        result = run("sample", "github", "--to", server.url)
    assert result.exit_code == 0 and "starts nothing" not in result.stderr
    assert list(folder.iterdir()) == []
