"""sample: every provider's events are signed as a source of it wants, every forgery is refused, and curl sends the same bytes."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run

from bridge.cli.env_file import new_secret
from bridge.cli.forging import KINDS, Signer, forge
from bridge.cli.sample import curl, make
from bridge.errors import BadSignature
from bridge.model import Request
from bridge.providers import PROVIDERS
from bridge.samples import sample_types
from bridge.signatures import Hmac, Secret

NOW = 1_764_000_000.0
SIGNED = [name for name in PROVIDERS if name != "form"]
PROVES = {"body", "timestamp", "reorder"}  # kinds of forgery that not every scheme is made to notice


def signer(name: str) -> Signer:
    row = PROVIDERS[name]
    scheme = row.scheme or Hmac(at="header:X-Signature")
    return Signer(name, row, scheme, new_secret(scheme))


@pytest.mark.parametrize("name", SIGNED)
def test_what_is_made_is_accepted(name: str) -> None:
    one = signer(name)
    for type_ in (None, *sample_types(name)):
        request = make(one, type_, f"http://127.0.0.1:8080/hooks/{name}", None, NOW)
        one.scheme.verify(request, [Secret(one.secret)], NOW)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SIGNED)
def test_every_forgery_is_refused(name: str, kind: str) -> None:
    one = signer(name)
    plain = make(replace(one, scheme=PROVIDERS["form"].scheme), None, f"http://127.0.0.1:8080/hooks/{name}", None, NOW)  # type: ignore[arg-type]
    try:
        forged = forge(one, plain, kind, NOW)
    except ValueError as error:
        in_a_header = isinstance(one.scheme, Hmac) and all(at.kind == "header" for at in one.scheme.compiled.at)
        assert kind in PROVES or (kind == "encoding" and not in_a_header), error
        return
    with pytest.raises(BadSignature):
        one.scheme.verify(forged, [Secret(one.secret)], NOW)


def test_a_form_cannot_be_forged(folder: Path) -> None:
    result = run("sample", "form", "--tamper", "body")
    assert result.exit_code == 2 and "not signed" in result.stderr


def test_curl_says_the_same_bytes() -> None:
    body = "{\"a\": \"it's $HOME `x` \\\\ \n é\"}"
    request = Request(method="POST", path="/x", headers={"x-a": "b 'c'"}, body=body.encode(), url="http://h/x?a=b&c")
    words = shlex.split(curl(request).replace("\\\n", ""))
    assert words == ["curl", "-sS", "-i", "http://h/x?a=b&c", "-H", "x-a: b 'c'", "--data-binary", body]


def test_a_source_of_routes_yaml_signs_with_its_secret(folder: Path) -> None:
    run("init")
    secret = (folder / ".env").read_text().partition("GITHUB_WEBHOOK_SECRET=")[2].split()[0]
    for name in ("github", "github ping"):
        result = run("sample", *name.split())
        words = shlex.split(result.stdout.replace("\\\n", ""))
        headers = dict(word.split(": ", 1) for word in words if ": " in word and not word.startswith("{"))
        request = Request(method="POST", path="/hooks/github", headers=headers, body=words[-1].encode())
        Hmac(at="header:X-Hub-Signature-256", prefix="sha256=").verify(request, [Secret(secret)], NOW)
        assert words[3] == "http://127.0.0.1:8080/hooks/github" and result.stderr == ""
    assert "hooks/contact" in run("sample", "form").stdout  # the provider's first source


def test_without_a_source_a_secret_is_made_up_or_given(folder: Path) -> None:
    assert "made up" in run("sample", "stripe").stderr
    assert run("sample", "stripe", "--secret", "whsec_x").stderr == ""


def test_wrong_usage(folder: Path) -> None:
    near = run("sample", "githup")
    assert near.exit_code == 2 and "did you mean `github`?" in near.stderr
    assert "there are issues, ping" in run("sample", "github", "push", "--secret", "x").stderr
    assert run("sample", "github", "--to", "ftp://x").exit_code == 2
    refused = run("sample", "github", "--to", "http://127.0.0.1:9")
    assert refused.exit_code == 1 and "the connection was refused" in refused.stderr
