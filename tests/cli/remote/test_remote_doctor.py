"""doctor --server: the checks of a bridge of another machine that need none of its secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from command_line import run
from servers import Misbehaving, refusing, respond
from serving import until

from bridge.cli.remote.remote_checks import UNTRIED

FIRST, SECOND = "the-first-of-two-long-tokens", "the-second-of-two-long-tokens"
ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources:
  two: {{provider: token, secrets: [{FIRST}, {SECOND}]}}
  one: {{provider: token, secret: a-single-long-token-of-ours}}
  open: {{provider: hmac, insecure: true, verify: {{header: X-Sig}}}}
  contact: {{provider: form}}
  later: {{provider: github, secret: "${{env:NOT_SET_ANYWHERE}}"}}
"""
SOURCE = {
    "name": "two",
    "configured": True,
    "provider": "token",
    "missing": None,
    "public": False,
    "secrets": [{"not_after": "2020-01-01T00:00:00Z", "last_used_at": None}] * 2,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both"), routes=ROUTES) as served:
        yield served


def findings(text: str) -> list[dict[str, str]]:
    return [json.loads(one) for one in text.splitlines()]


def test_the_bridge_is_checked_without_its_secrets(both: BothWays) -> None:
    target = f"http://127.0.0.1:{both.bridge.port}"
    reading = both.add_token("reading", "read")
    sent = both.local("sample", "two", "--to", target)
    assert sent.returncode == 0, sent.stderr
    until(lambda: "secret 1 of 2 last used" in both.remote("doctor", token=reading).stdout)
    done = both.remote("doctor", "--json", token=reading)
    found = [(one["check"], one["of"], one["result"]) for one in findings(done.stdout)]
    assert found == [
        ("reached", both.server, "ok"),
        ("clock", "-", "ok"),
        ("public URL", "-", "warning"),
        ("secret use", "two", "-"),
        ("secret use", "two", "-"),
        ("verified", "open", "warning"),
        ("verified", "contact", "ok"),
        ("secret", "later", "error"),
        ("requests", "-", "-"),
    ]
    said = [one["found"] for one in findings(done.stdout)]
    assert said[3].startswith("secret 1 of 2 last used ")
    assert said[4] == "secret 2 of 2 not used yet on the bridge's machine"
    assert said[7].startswith("not tested: environment variable NOT_SET_ANYWHERE is not set")
    assert said[-1] == UNTRIED
    assert done.returncode == 1, "the secret of a source is missing"
    assert done.stderr == f"9 checks at {both.server}: 1 failed\n"
    assert FIRST not in done.stdout + done.stderr
    here = findings(both.local("doctor", "--json", "--to", target).stdout)
    for one in findings(done.stdout):
        if one["check"] in ("secret", "verified", "public URL"):
            assert one in here, "it is found the same on the bridge's machine"


def test_a_bridge_that_refuses_or_is_not_there(both: BothWays) -> None:
    done = both.remote("doctor", token="fb_unknown")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the token is unknown" in done.stderr
    with refusing() as port:
        done = both.remote("doctor", server=f"http://127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be reached" in done.stderr
    done = both.remote("doctor", "--to", both.server)
    assert (done.returncode, done.stdout) == (2, "")
    assert "`doctor --to` works on the bridge's own machine only" in done.stderr


# -- other servers


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


def check(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, public_url: Any, *sources: Any
) -> Any:
    monkeypatch.setenv("FLOWBRIDGE_TOKEN", "fb_0123456789")
    monkeypatch.setenv("FLOWBRIDGE_CONFIG", "/nowhere/routes.yaml")
    server.script("/admin/v1/", respond(200, {"public_url": public_url}))
    server.script("/admin/v1/sources", respond(200, {"items": list(sources)}))
    return run("--server", server.url, "doctor", "--json")


def test_the_public_url_is_reached_without_the_token(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Misbehaving() as public:
        public.script("/healthz", respond(200, b"ok"))
        done = check(server, monkeypatch, public.url, SOURCE)
        [asked] = public.received
    assert "authorization" not in {name.lower() for name in asked.headers}
    found = findings(done.stdout)
    assert done.exit_code == 0, done.stderr
    assert {"check": "reached", "of": public.url, "result": "ok"}.items() <= found[2].items()
    assert found[1]["check"] == "public URL" and "not https" in found[1]["found"]
    assert found[4]["found"].endswith("not used yet on the bridge's machine, ended (not_after)")


def test_a_public_url_that_is_not_reached_from_here_is_a_finding(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing() as port:
        done = check(server, monkeypatch, f"http://127.0.0.1:{port}")
    assert done.exit_code == 1
    [failed] = [one for one in findings(done.stdout) if one["result"] == "error"]
    assert failed["check"] == "reached" and "not from this machine: " in failed["found"]
    assert findings(done.stdout)[-1]["found"] == UNTRIED, "the rest is checked all the same"


@pytest.mark.parametrize(
    ("public_url", "source"),
    [
        (3, SOURCE),
        ("ftp://x", SOURCE),
        ("http://x\n", SOURCE),
        (None, 3),
        (None, {}),
        (None, SOURCE | {"secrets": 3}),
        (None, SOURCE | {"secrets": [3, 3]}),
        (None, SOURCE | {"secrets": [{"not_after": 3, "last_used_at": 3}] * 2}),
    ],
    ids=str,
)
def test_an_answer_of_another_shape_is_unreadable(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, public_url: Any, source: Any
) -> None:
    done = check(server, monkeypatch, public_url, source)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "another version of flowbridge" in done.stderr
