"""What a form's page gets against spam: honeypot, token and work in its HTML, and the script that
does the work.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from folders import CLIENTS
from records import NOW

import bridge.web
from bridge.config.loader import load
from bridge.ingest.forms.spam import altcha, tokens
from bridge.ingest.forms.spam.dedup import derive_key
from bridge.routing.model import Source
from bridge.web.forms.challenges import (
    has_proof_of_work,
    make_challenge,
    make_embedded_fields,
    make_page_fields,
)

KEY = "k" * 64
SCRIPT = Path(bridge.web.__file__).parent / "forms" / "assets" / "altcha.js"
CAPTCHA = "captcha: {kind: turnstile, secret: s3cret}"


def source(folder: Path, spam: str = "") -> Source:
    written = (
        "version: 1\nplatforms: {local: {type: local}}\nsources: {contact: {provider: form,"
        f" spam: {{{spam}}}}}}}\n"
    )
    (folder / "routes.yaml").write_text(written)
    return load(folder / "routes.yaml", {}).sources["contact"]


def test_a_page_has_a_honeypot_a_token_and_the_work(tmp_path: Path) -> None:
    parts = make_page_fields(source(tmp_path), KEY, NOW)
    assert list(parts.inputs) == ["_token"]
    good = tokens.read_token(
        derive_key(KEY, "tokens"), parts.inputs["_token"], "contact", NOW + 1, 60
    )
    assert isinstance(good, tokens.FormToken) and good.issued_at == NOW
    assert parts.honeypot == "_gotcha"
    assert 'data-altcha="../forms/contact/challenge"' in parts.widget and parts.scripts == (
        "../forms/altcha.js",
    )
    assert set(parts.policy) == {"script-src", "worker-src", "connect-src"}
    assert make_page_fields(source(tmp_path), KEY, NOW) != parts, "each has a token of its own"
    assert make_page_fields(source(tmp_path, "token: 'off'"), KEY, NOW).inputs == {}


@pytest.mark.parametrize(
    ("age", "left"),
    [(0.0, 2.0), (1.5, 0.5), (2.0, 0.0), (50_000.0, 0.0), (200_000.0, 0.0), (-30.0, 2.0)],
)
def test_a_token_for_one_that_came_goes_on_from_it(tmp_path: Path, age: float, left: float) -> None:
    """Who mends a form has filled it in before: of `min_fill` only what is left is asked for, and
    it is good as long as a new one.
    """
    one = source(tmp_path)
    came = tokens.issue_token(derive_key(KEY, "tokens"), "contact", NOW - age, "0" * 32)
    for given in (
        make_page_fields(one, KEY, NOW, {"_token": came}).inputs["_token"],
        make_challenge(one, KEY, NOW, came)["token"],
    ):
        good = tokens.read_token(derive_key(KEY, "tokens"), given, "contact", NOW, 86400)
        assert isinstance(good, tokens.FormToken) and good.nonce != "0" * 32
        assert good.issued_at + 2.0 - NOW == pytest.approx(left, abs=0.002)


@pytest.mark.parametrize(
    "came",
    [
        "rubbish",
        ["x"],
        7,
        tokens.issue_token(b"another key", "contact", NOW - 60, "0" * 32),
        tokens.issue_token(derive_key(KEY, "tokens"), "other", NOW - 60, "0" * 32),
    ],
)
def test_a_token_for_one_that_is_not_good_begins_now(tmp_path: Path, came: Any) -> None:
    one = source(tmp_path)
    for given in (
        make_page_fields(one, KEY, NOW, {"_token": came}).inputs["_token"],
        make_challenge(one, KEY, NOW, came)["token"],
    ):
        good = tokens.read_token(derive_key(KEY, "tokens"), given, "contact", NOW, 86400)
        assert isinstance(good, tokens.FormToken) and good.issued_at == NOW


def test_a_snippet_has_whole_urls_and_no_token(tmp_path: Path) -> None:
    parts = make_embedded_fields(source(tmp_path), "https://hooks.example.com")
    assert parts.inputs == {}
    assert 'data-altcha="https://hooks.example.com/forms/contact/challenge"' in parts.widget
    assert parts.scripts == ("https://hooks.example.com/forms/altcha.js",)
    assert make_embedded_fields(source(tmp_path, "honeypots: [website]"), "").honeypot == "website"


@pytest.mark.parametrize(
    ("spam", "works"),
    [
        ("", True),
        ("altcha: required", True),
        ("altcha: 'off'", False),
        (CAPTCHA, False),
        (f"altcha: required, {CAPTCHA}", True),
    ],
)
def test_there_is_work_where_nothing_else_is_set(tmp_path: Path, spam: str, works: bool) -> None:
    one = source(tmp_path, spam)
    assert (
        has_proof_of_work(one) is works is ("data-altcha" in make_embedded_fields(one, "").widget)
    )
    ours = make_page_fields(one, KEY, NOW)
    assert (works or CAPTCHA in spam) is ("data-altcha" in ours.widget)
    assert ours.needs_script is ("required" in spam or CAPTCHA in spam)


@pytest.mark.parametrize(
    ("spam", "came", "age"),
    [
        ("", {}, 2.0),
        ("min_fill: 9s", {"_token": ""}, 9.0),
        ("", None, 0.0),
        ("", {"_token": "rubbish"}, 0.0),
        ("token: required", {}, 0.0),
    ],
)
def test_who_needed_no_token_waits_for_none(
    tmp_path: Path, spam: str, came: dict[str, Any] | None, age: float
) -> None:
    """A plain form without a script comes back with a token: what was good enough without one is no
    bot's now that it is mended at once.
    """
    given = make_page_fields(source(tmp_path, spam), KEY, NOW, came).inputs["_token"]
    good = tokens.read_token(derive_key(KEY, "tokens"), given, "contact", NOW, 60)
    assert isinstance(good, tokens.FormToken) and good.issued_at == pytest.approx(
        NOW - age, abs=0.002
    )


@pytest.mark.parametrize("spam", [CAPTCHA, f"{CAPTCHA}, token: 'off', altcha: 'off'"])
def test_with_a_captcha_our_pages_have_a_token_that_says_whose_they_are(
    tmp_path: Path, spam: str
) -> None:
    """Also where all else is off: nothing else could speak for who sends such a page. Its script
    has it go on from there.
    """
    one = source(tmp_path, spam)
    key = derive_key(KEY, "tokens")
    ours = make_page_fields(one, KEY, NOW).inputs["_token"]
    by_script = [
        str(make_challenge(one, KEY, NOW, came)["token"]) for came in (ours, None, "rubbish")
    ]
    assert [
        tokens.read_token(key, each, "contact", NOW, 60).is_ours for each in (ours, *by_script)
    ] == [
        True,
        True,
        False,
        False,
    ]  # type: ignore[union-attr]
    assert "challenge" in make_challenge(one, KEY, NOW)


def test_a_captcha_is_all_that_counts_where_no_page_of_ours_is_to_be_had(tmp_path: Path) -> None:
    one = source(tmp_path, f"{CAPTCHA}}}, page: {{hosted: false")
    came = {
        "cf-turnstile-response": "tok",
        "g-recaptcha-response": "other",
        "_token": "x",
        "h-captcha-response": "x",
    }
    parts = make_page_fields(one, KEY, NOW, came)
    assert list(parts.inputs) == [
        "cf-turnstile-response",
        "_token",
    ], "what was given may still be asked about"
    assert not tokens.read_token(
        derive_key(KEY, "tokens"), parts.inputs["_token"], "contact", NOW, 60
    ).is_ours  # type: ignore[union-attr]
    assert (parts.widget, parts.needs_script) == ("", False)
    assert (
        "cf-turnstile-response"
        not in make_page_fields(one, KEY, NOW, {"cf-turnstile-response": "x" * 9000}).inputs
    )


def test_a_challenge_has_what_is_not_off(tmp_path: Path) -> None:
    asked = {"algorithm", "challenge", "maxnumber", "salt", "signature"}
    assert set(make_challenge(source(tmp_path), KEY, NOW)) == asked | {"token", "lasts"}
    assert set(make_challenge(source(tmp_path, "altcha: 'off', token: 'off'"), KEY, NOW)) == {
        "lasts"
    }


@pytest.mark.usefixtures("new_processes")
def test_the_script_finds_the_number(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the script")
    given: Any = make_challenge(source(tmp_path, "altcha_work: 1000"), KEY, NOW)
    worker = CLIENTS / "altcha_worker.cjs"
    done = subprocess.run(
        [node, str(worker), str(SCRIPT)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = {name: given[name] for name in ("algorithm", "challenge", "salt", "signature")} | {
        "number": json.loads(done.stdout)
    }
    payload = b64encode(json.dumps(said).encode()).decode()
    found = altcha.check_solution(derive_key(KEY, "altcha"), payload, "contact", NOW)
    assert isinstance(found, altcha.SolvedChallenge) and found.until == NOW + 86400
