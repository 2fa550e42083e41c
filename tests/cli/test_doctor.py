"""doctor: the running bridge is tried out with nothing kept, and only by who has the secret key."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import certifi
import itsdangerous.timed
import pytest
from command_line import run
from processes import call
from servers import Misbehaving
from serving import Bridge, github, until

from bridge.services.bridge_checks.findings import CheckFinding, describe_result, sum_up
from bridge.services.bridge_checks.reachability import check_certificate, check_clock
from bridge.web.receiving import dry_run

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}", max_body: 100 KiB}
  stripe: {provider: stripe, secret: whsec_a_secret_of_stripe}
  token: {provider: token, secret: a-long-token-of-ours}
  contact: {provider: form}
  open: {provider: hmac, insecure: true, verify: {header: X-Sig}}
routes: [{name: all, on: github, inputs: {a: "${body.action}"}, flow: local/echo}]
"""
KEY = "k" * 40


def test_a_token_is_for_one_source_one_key_and_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    token = dry_run.sign_token(KEY, "github")
    assert dry_run.is_dry_run(token, KEY, "github")
    assert (
        not dry_run.is_dry_run(token, KEY, "stripe")
        and not dry_run.is_dry_run(token, "j" * 40, "github")
        and not dry_run.is_dry_run(token, "", "github")
    )
    assert not any(
        dry_run.is_dry_run(text, KEY, "github")
        for text in ("", "github", token[:-1], token + "x", "\xff.a.b", "x" * 2000)
    )
    later = time.time() + dry_run.TOKEN_SECONDS + 2
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: later)
    assert not dry_run.is_dry_run(token, KEY, "github")


@pytest.fixture
def bridge(tmp_path: Path, new_processes: None):
    with Bridge(tmp_path, routes=ROUTES, environ={"FLOWBRIDGE_SECRET_KEY": KEY}) as bridge:
        yield bridge


def doctor(bridge: Bridge, *arguments: str, **more: str):
    target = f"http://127.0.0.1:{bridge.port}"
    return call(
        bridge.folder, "doctor", "--to", target, *arguments, environ={**bridge.environ, **more}
    )


def test_good_ones_get_in_bad_ones_stay_out_and_nothing_is_kept(bridge: Bridge) -> None:
    result = doctor(bridge, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    found = {
        (one["check"], one["of"]): one["result"]
        for one in map(json.loads, result.stdout.splitlines())
    }
    for source in ("github", "stripe", "token"):
        assert (
            found["good", source]
            == found["forged secret", source]
            == found["forged header", source]
            == "ok"
        )
    assert (
        found["forged body", "github"]
        == found["forged timestamp", "stripe"]
        == found["largest body", "stripe"]
        == "ok"
    )
    assert found["forged body", "token"] == found["forged timestamp", "github"] == "-", (
        "what proves nothing is not claimed"
    )
    assert (found["verified", "contact"], found["verified", "open"]) == ("ok", "warning")
    assert bridge.count("event") == bridge.count("reject") == bridge.count("delivery") == 0
    said = {
        one["of"]: one["found"]
        for one in map(json.loads, result.stdout.splitlines())
        if one["check"] == "replay"
    }
    assert (
        found["replay", "github"] == "-"
        and "sample github --to http" in said["github"]
        and "--tamper replay" in said["github"]
    )
    assert "has no id that distinguishes a copy" in said["token"], (
        "it is not claimed that a copy stays out"
    )
    table = doctor(bridge)
    assert (
        "good requests are accepted, forgeries refused" in table.stderr
        and "forged" not in table.stdout
    )
    rows = {row.split()[1]: row for row in table.stdout.splitlines() if row.startswith("requests")}
    assert set(rows) == {"github", "stripe", "token"}, "one row for each source"
    for name, row in rows.items():
        tried = [
            result
            for (check, of), result in found.items()
            if of == name and check.startswith("forged ") and result != "-"
        ]
        assert (
            " ".join(row.split()[2:])
            == f"ok forgeries {len(tried)} of {len(tried)} refused, a good request accepted"
        )
    assert "accepted (202)" in doctor(bridge, "-v").stdout
    assert "rejected" not in {line["event"] for line in bridge.log}, (
        "the log tells of requests that strangers sent"
    )


def test_without_the_key_nothing_good_is_sent(bridge: Bridge) -> None:
    result = doctor(bridge, FLOWBRIDGE_SECRET_KEY="another-key-of-32-characters-or-more")
    assert result.returncode == 1 and "does not accept dry runs" in result.stderr
    assert bridge.count("event") == 0


def test_a_source_that_was_given_another_secret_is_found(bridge: Bridge) -> None:
    result = doctor(bridge, GITHUB_SECRET="not-what-the-running-one-has")
    assert result.returncode == 1
    assert "answered 401" in next(
        line for line in result.stdout.splitlines() if line.startswith("good") and "github" in line
    )
    assert re.search(
        r"requests +github +error +forgeries (\d) of \1 refused, no good request accepted",
        result.stdout,
    )


@pytest.mark.usefixtures("new_processes")
def test_a_source_without_its_secret_is_a_row_and_the_others_are_tried(tmp_path: Path) -> None:
    far = 'far: {type: gumloop, user_id: u, api_key: "${env:FAR_KEY}"}'
    lacking = ROUTES.replace("{local: {type: local}}", f"{{local: {{type: local}}, {far}}}")
    lacking = lacking.replace(
        "  stripe:", '  shop: {provider: shopify, secret: "${env:SHOP_SECRET}"}\n  stripe:'
    )
    with Bridge(tmp_path, routes=lacking, environ={"FLOWBRIDGE_SECRET_KEY": KEY}) as bridge:
        result = doctor(bridge)
        assert result.returncode == 1, result.stderr
        (row,) = [line for line in result.stdout.splitlines() if re.search(r"\bshop\b", line)]
        assert (
            row.split()[:3] == ["secret", "shop", "error"]
            and "far" not in result.stdout
            and "FAR_KEY" not in result.stderr
        )
        tried = re.findall(r"(?m)^requests +(\w+) +ok ", result.stdout)
        assert sorted(tried) == ["github", "stripe", "token"]
        found = [json.loads(line) for line in doctor(bridge, "--json").stdout.splitlines()]
        (one,) = [one for one in found if one["of"] == "shop"]
        assert "SHOP_SECRET is not set" in one["found"] and "Set it in .env" in one["found"]


@pytest.mark.usefixtures("new_processes")
def test_what_was_not_tried_is_not_claimed(tmp_path: Path) -> None:
    unsigned = CheckFinding("good", "s", "warning", "no sample can be signed here")
    assert [*sum_up([unsigned])] == [unsigned]
    refused = CheckFinding("forged body", "s", "ok", "refused (401)")
    failed = CheckFinding("good", "s", "error", "answered 401")
    assert [one.result for one in sum_up([refused, failed])] == ["error", "error"]
    assert describe_result([refused, failed]) == "1 failed"
    assert describe_result([unsigned]) == "no source could be tried with a signed request"
    public = "version: 1\nsources: {contact: {provider: form}}\n"
    with Bridge(tmp_path, routes=public, environ={"FLOWBRIDGE_SECRET_KEY": KEY}) as bridge:
        result = doctor(bridge)
    assert result.returncode == 0, result.stderr
    assert "no source could be tried" in result.stderr and "accepted" not in result.stderr


def test_a_stranger_with_the_header_gets_no_oracle(bridge: Bridge) -> None:
    body = b'{"action":"opened"}'
    answer = bridge.post(
        "/hooks/github",
        body,
        {**github(body), dry_run.HEADER: dry_run.sign_token("x" * 40, "github")},
    )
    assert answer.status == 202 and dry_run.HEADER.lower() not in {
        name.lower() for name in answer.headers
    }
    assert bridge.count("event") == 1, "it is an event like any other"


def holds(sock: socket.socket, port: int) -> bool:
    """Have a port, so that nobody else is given it, and do not listen; False where somebody has it
    yet.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@pytest.mark.usefixtures("new_processes")
def test_what_is_no_bridge_is_said(tmp_path: Path) -> None:
    with Bridge(tmp_path, "web", routes=ROUTES) as bridge, socket.socket() as held:
        bridge.stop()
        until(lambda: holds(held, bridge.port), what="a port that is given up")
        result = doctor(bridge)
    assert result.returncode == 1 and "is `flowbridge serve` running?" in result.stderr


@pytest.mark.parametrize(
    "to", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1", "http://a\nb"]
)
def test_what_is_no_url_is_wrong_usage(folder: Path, to: str) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("${env:GITHUB_SECRET}", "a-secret-of-github-here")
    )
    for command in ("doctor", "sample github --secret x"):
        result = run(*command.split(), "--to", to)
        assert (
            result.exit_code == 2
            and "is not a valid URL: use one such as http://127.0.0.1:8080" in result.stderr
        )


@pytest.mark.parametrize(
    ("host", "trusted", "result", "said"),
    [
        ("localhost", True, "warning", "valid for 1 more days"),
        ("127.0.0.1", True, "error", "mismatch"),
        ("localhost", False, "error", "senders do not trust it"),
    ],
)
def test_a_certificate_that_ends_soon_or_is_not_to_be_trusted_is_pointed_out(
    tls_server: Misbehaving,
    ca_file: str,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    trusted: bool,
    result: str,
    said: str,
) -> None:
    if trusted:
        monkeypatch.setattr(certifi, "where", lambda: ca_file)
    found = check_certificate(f"https://{host}:{tls_server.port}")
    assert (found.of, found.result) == (host, result) and said in found.found


@pytest.mark.parametrize(
    ("date", "result"),
    [
        ("Sun, 13 Sep 2020 12:26:44 GMT", "ok"),
        ("Sun, 13 Sep 2020 12:26:46 GMT", "error"),
        ("yesterday", "warning"),
        ("", "warning"),
    ],
)
def test_clocks_that_differ_are_found(date: str, result: str) -> None:
    assert check_clock(date, 1_600_000_000).result == result


def test_a_public_url_that_is_not_reached_leads_past_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("FLOWBRIDGE_PUBLIC_URL", f"http://127.0.0.1:{port}/")
    hint = "Next: check FLOWBRIDGE_PUBLIC_URL, its DNS name and the proxy; without them: flowbridge"
    refused = run("doctor")
    assert refused.exit_code == 1
    assert f"{hint} doctor --to http://127.0.0.1:8080\n" in refused.stderr
    assert "Next" not in run("doctor", "--to", f"http://127.0.0.2:{port}").stderr
