"""A corpus of hooks files, written after public ones: each is imported whole, or says why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import ImportedHooks, import_texts

from bridge.config.problems import Report
from bridge.config.yaml_reader import YamlFile, read_yaml
from bridge.importers.hooks_file import _mark_variables
from bridge.importers.report import list_lines

CORPUS = Path(__file__).parents[1] / "data" / "hooks"
FILES = sorted(CORPUS.iterdir())
#: File -> the providers of its sources, and the parts that are not carried.
EXPECTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "anchors.yaml": ("github github", ()),
    "arguments-with-secrets.json": (
        "hmac",
        (
            "pass-arguments-to-command.1",
            "pass-arguments-to-command.2",
            "pass-environment-to-command.0",
            "pass-environment-to-command.1",
        ),
    ),
    "bearer-token.json": ("token", ("success-http-response-code",)),
    "bitbucket-ips.json": ("hmac", ("trigger-rule.match",)),
    "bitbucket-signed-ips.json": ("bitbucket", ("trigger-rule.and.1.match",)),
    "content-type-json.json": ("hmac", ("http-methods",)),
    "custom-header-secret.json": ("token", ()),
    "dimplex-entire-payload.yaml": ("hmac", ()),
    "dockerhub-tag.json": ("token", ()),
    "file-base64.json": (
        "hmac",
        (
            "command-working-directory",
            "include-command-output-in-response",
            "include-command-output-in-response-on-error",
        ),
    ),
    "get-with-query.yaml": (
        "hmac",
        ("response-headers", "http-methods", "include-command-output-in-response"),
    ),
    "gitea-branch.json": ("gitea", ()),
    "github-form-payload.json": ("github", ()),
    "github-or-sha1-sha256.json": ("github", ()),
    "github-sha1-branch.json": ("github", ("command-working-directory", "response-message")),
    "github-sha256-tag.json": ("github", ("trigger-rule-mismatch-http-response-code",)),
    "gitlab-token.json": ("gitlab", ("response-headers",)),
    "gogs-old-hash.json": ("hmac", ()),
    "header-signed-date.json": ("hmac", ()),
    "id-with-slash.json": ("github", ()),
    "json-array-root.json": ("hmac", ()),
    "many-hooks.json": ("token token token token token token", ()),
    "nested-rules.json": ("github", ()),
    "query-token-short.json": ("token", ()),
    "query-token.json": ("token", ("response-message",)),
    "raw-body-file.json": ("hmac", ()),
    "request-source.json": ("hmac", ("trigger-rule.and.1.match", "pass-arguments-to-command.0")),
    "scalr.json": ("hmac", ()),
    "signature-or-token.json": ("github", ("trigger-rule.or.0.match",)),
    "signature-under-not.json": ("hmac", ("trigger-rule.not.match",)),
    "single-object.json": ("github", ()),
    "slack-slash-payload-token.json": (
        "hmac",
        ("trigger-rule.match", "include-command-output-in-response"),
    ),
    "template-getenv.json": ("github", ("trigger-rule.and.1.match",)),
    "trailing-commas.json": ("hmac", ("response-message",)),
    "travis-form.json": (
        "hmac",
        ("trigger-rule.and.0.match", "trigger-rule.and.1.match", "parse-parameters-as-json.0"),
    ),
    "two-secrets.json": ("hmac", ()),
    "unknown-keys.json": ("hmac", ("pre-hook-command", "timeout")),
    "xml.json": ("hmac", ("incoming-payload-content-type",)),
    "yaml-scalars.yaml": ("hmac", ()),
}


@pytest.fixture(scope="module")
def imports() -> dict[str, ImportedHooks]:
    return {file.name: import_texts((file.name, file.read_text())) for file in FILES}


def test_each_file_of_the_corpus_has_an_expectation() -> None:
    assert [file.name for file in FILES] == sorted(EXPECTED)
    assert len(FILES) >= 30


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file_becomes_a_valid_configuration(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    providers, refused = EXPECTED[name]
    assert " ".join(one["provider"] for one in found.result.sources.values()) == providers
    places = {place.partition(".")[2] for place in found.places("not_carried")}
    assert places == set(refused)
    is_open = any(place.startswith("trigger-rule.") for place in refused)
    is_stricter = name == "signature-or-token.json"  # fewer requests than before start the route
    modes = {route.get("mode", "live") for route in found.result.routes}
    assert modes == {"paused" if is_open and not is_stricter else "live"}


def leaves(value: Any, path: str) -> Iterator[str]:
    """Yield the path of each value that has nothing inside."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    items = list(inside)
    for key, one in items:
        yield from leaves(one, f"{path}.{key}")
    if not items:
        yield path


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_value_of_a_file_has_a_finding(imports: dict[str, ImportedHooks], name: str) -> None:
    text = _mark_variables(name, (CORPUS / name).read_text())
    document = read_yaml(YamlFile(name, text), Report(name))
    hooks = document if isinstance(document, list) else [document]
    found = [one.place for one in imports[name].result.findings]
    for number, hook in enumerate(hooks):
        for path in leaves(hook, f"hooks[{number}]"):
            assert any(path == place or path.startswith(f"{place}.") for place in found), path


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_secret_is_in_routes_or_report(imports: dict[str, ImportedHooks], name: str) -> None:
    found = imports[name]
    shown = found.text + "\n".join(list_lines(found.result, [])) + repr(found.result)
    assert "corpus-secret" not in shown
    assert "corpussecret" not in shown
    written = json.dumps(found.result.secrets)
    for secret in (CORPUS / name).read_text().split("corpus-secret-")[1:]:
        if (
            name not in ("signature-or-token.json", "signature-under-not.json")
            and name[:5] != "slack"
        ):
            assert f"corpus-secret-{secret[:2]}" in written


@pytest.mark.parametrize("kind", ["value", "regex"])
@pytest.mark.parametrize(
    ("source", "name", "value", "is_shown"),
    [
        ("payload", "check", "a8f5f167f44f4964e6c998dee827110c", False),
        ("payload", "config.secret", "plain-value", False),
        ("payload", "webhook_key", "plain-value", False),
        ("payload", "text", "xoxb-1-2-3", False),
        ("header", "X-Api-Key", "plain-value", False),
        ("url", "check", "a8f5f167f44f4964e6c998dee827110c", False),
        ("payload", "after", "ab12cd", True),
        ("payload", "head_commit.id", "a8f5f167f44f4964e6c998dee827110c", True),
        ("payload", "repository.full_name", "acme/shop", True),
        ("header", "X-GitHub-Event", "pull_request_review_comment", True),
    ],
)
def test_values_that_may_be_credentials_are_not_written(
    kind: str, source: str, name: str, value: str, is_shown: bool
) -> None:
    rule = {"type": kind, kind: value, "parameter": {"source": source, "name": name}}
    hook = {"id": "a", "execute-command": "/x", "trigger-rule": {"match": rule}}
    found = import_texts(("hooks.json", json.dumps([hook])))
    assert (value in found.text + repr(found.result.findings)) is is_shown


def test_a_long_value_of_a_header_of_its_own_is_a_token() -> None:
    parameter = {"source": "header", "name": "X-Anything"}
    rule = {"type": "value", "value": "only-letters-but-long", "parameter": parameter}
    hook = {"id": "a", "execute-command": "/x", "trigger-rule": {"match": rule}}
    found = import_texts(("hooks.json", json.dumps([hook])))
    assert found.result.secrets == {"A_WEBHOOK_SECRET": "only-letters-but-long"}
    assert "only-letters" not in found.text
