"""What adnanh/webhook runs, the imported routes start: generated rules and requests, compared with
an independent model, and with the program itself where it is installed.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from imported_hooks import import_hooks
from webhook_program import PROGRAM, post, serve_hooks
from webhook_rules import HookRequest, sign, triggers

HOOKS = 200
REQUESTS = 6  # to each hook
WORDS = ("main", "refs/heads/main", "opened", "bot", "5", "true", "7.5", "")
PATTERNS = (
    "^refs/heads/(main|dev)$",
    "(?i)BOT",
    r"^\w+$",
    r"\d",
    "[[:alpha:]]+$",
    r"\bmain\b",
    r"^(true|5)\z",
    r"a.*?n",
    r"\Qrefs/\E",
    "^$",
)
TEXT_NAMES = ("ref", "sender.type", "items.0.name", "deep.er.text")
ANY_NAMES = (*TEXT_NAMES, "count", "ok", "items.1.name", "sender", "deep.er", "items.9.name")
HEADERS = ("X-GitHub-Event", "X-Kind", "X-Team")
QUERY = ("branch", "mode")
SECRET = "an-example-secret-of-the-test"
SIGNATURES = (
    ("payload-hmac-sha1", "X-Hub-Signature", "sha1="),
    ("payload-hmac-sha256", "X-Hub-Signature-256", "sha256="),
    ("payload-hash-sha256", "X-Gitea-Signature", ""),
    ("payload-hmac-sha512", "X-Signature-512", ""),
)


def make_match(dice: random.Random) -> dict[str, Any]:
    source = dice.choice(("payload", "payload", "payload", "header", "url", "string", "request"))
    kind = dice.choice(("value", "value", "regex"))
    names = {
        "payload": TEXT_NAMES if kind == "regex" else ANY_NAMES,
        "header": HEADERS,
        "url": QUERY,
        "string": WORDS,
        "request": ("method",),
    }
    parameter = {"source": source, "name": dice.choice(names[source])}
    if kind == "regex":
        return {"match": {"type": kind, "regex": dice.choice(PATTERNS), "parameter": parameter}}
    value = "POST" if source == "request" else dice.choice(WORDS)
    return {"match": {"type": kind, "value": value, "parameter": parameter}}


def make_rule(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    kind = dice.choice(("and", "or", "not", "match", "match")) if depth < 3 else "match"
    if kind == "match":
        return make_match(dice)
    if kind == "not":
        return {"not": make_rule(dice, depth + 1)}
    return {kind: [make_rule(dice, depth + 1) for _ in range(dice.choice((1, 2, 2, 3)))]}


def make_hook(dice: random.Random, number: int) -> dict[str, Any]:
    rule = make_rule(dice)
    if number % 3 == 0:
        kind, header, _ = SIGNATURES[number // 3 % len(SIGNATURES)]
        proof = {"type": kind, "secret": SECRET, "parameter": {"source": "header", "name": header}}
        rule = {"and": [{"match": proof}, rule]}
    return {
        "id": f"hook-{number}",
        "execute-command": "/bin/true",
        "trigger-rule-mismatch-http-response-code": 403,
        "trigger-rule": rule,
    }


def make_request(dice: random.Random) -> HookRequest:
    payload: dict[str, Any] = {}
    if dice.random() < 0.8:
        payload["ref"] = dice.choice(WORDS)
    if dice.random() < 0.7:
        payload["sender"] = {"type": dice.choice(WORDS)}
    if dice.random() < 0.7:
        payload["count"] = dice.choice((5, "5", 7.5, 0, -1))
    if dice.random() < 0.7:
        payload["ok"] = dice.choice((True, False, "true"))
    if dice.random() < 0.7:
        payload["items"] = [{"name": dice.choice(WORDS)} for _ in range(dice.choice((0, 1, 2)))]
    if dice.random() < 0.5:
        payload["deep"] = {"er": {"text": dice.choice(WORDS)}} if dice.random() < 0.6 else "flat"
    headers = {name: dice.choice(WORDS[:4]) for name in HEADERS if dice.random() < 0.7}
    query = {name: dice.choice(WORDS[:5]) for name in QUERY if dice.random() < 0.6}
    request = HookRequest(payload, headers, query)
    secret = SECRET if dice.random() < 0.8 else "another-secret-than-that"
    for kind, header, prefix in SIGNATURES:
        signature = sign(secret, kind.rpartition("-")[2], request.body)
        headers[header] = prefix + signature
    return request


def make_cases(seed: int) -> tuple[list[dict[str, Any]], list[list[HookRequest]]]:
    dice = random.Random(seed)
    hooks = [make_hook(dice, number) for number in range(HOOKS)]
    return hooks, [[make_request(dice) for _ in range(REQUESTS)] for _ in hooks]


def test_imported_routes_start_what_the_model_runs() -> None:
    hooks, requests = make_cases(seed=20)
    imported = import_hooks(*hooks)
    assert imported.places("not_carried") == [
        f"hooks[{number}].trigger-rule-mismatch-http-response-code" for number in range(HOOKS)
    ]
    started = 0
    for hook, sent in zip(hooks, requests, strict=True):
        for request in sent:
            planned = imported.deliveries(hook["id"], request)
            is_paused = any(
                route.name == hook["id"] and route.mode == "paused"
                for route in imported.config.routes
            )
            assert bool(planned and not is_paused) == triggers(hook, request), (hook, request)
            started += bool(planned)
    assert HOOKS * REQUESTS * 0.2 < started < HOOKS * REQUESTS * 0.8


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(PROGRAM is None, reason="needs the program webhook (apt install webhook)")
def test_the_program_agrees_with_the_model(tmp_path: Path) -> None:
    hooks, requests = make_cases(seed=20)
    with serve_hooks(hooks, tmp_path) as url:
        for hook, sent in zip(hooks, requests, strict=True):
            for request in sent:
                ran = post(url, hook["id"], request) == 200
                assert ran == triggers(hook, request), (hook, request)


def test_a_backslash_in_a_compared_text() -> None:
    # a name that `match` cannot have, so that the text is written into an expression
    match = {
        "type": "value",
        "value": "C:\\new 'x'",
        "parameter": {"source": "payload", "name": "a b@c"},
    }
    hook = {"id": "path", "execute-command": "/bin/true", "trigger-rule": {"match": match}}
    imported = import_hooks(hook)
    assert imported.deliveries("path", HookRequest({"a b@c": "C:\\new 'x'"}))
    assert not imported.deliveries("path", HookRequest({"a b@c": "C:\\\\new 'x'"}))
