"""Every example of GitHub's own webhooks, signed, is stored, typed and run by `serve`.

Set FLOWBRIDGE_OCTOKIT_EXAMPLES to the api.github.com/index.json of the npm package
@octokit/webhooks-examples (npm pack).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from serving import Answer, Bridge, github, head, read_answer, signature, until

from bridge.store.inbound import events

INDEX = os.environ.get("FLOWBRIDGE_OCTOKIT_EXAMPLES")
pytestmark = pytest.mark.skipif(
    not INDEX,
    reason="FLOWBRIDGE_OCTOKIT_EXAMPLES names no index.json of @octokit/webhooks-examples",
)


@pytest.fixture(scope="module")
def examples() -> list[tuple[str, bytes]]:
    """(event name, body) of every payload."""
    index = json.loads(Path(INDEX or "").read_text())
    return [
        (one["name"], json.dumps(example, ensure_ascii=False).encode())
        for one in index
        for example in one["examples"]
    ]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    with Bridge(tmp_path_factory.mktemp("octokit")) as bridge:
        yield bridge


def post_all(bridge: Bridge, requests: list[tuple[dict[str, str], bytes]]) -> list[Answer]:
    """Post over four connections that are kept; return the answers in order."""

    def some(start: int) -> list[Answer]:
        with socket.create_connection(("127.0.0.1", bridge.port), 60) as sock:
            answers = []
            for headers, body in requests[start::4]:
                sock.sendall(
                    head("POST", "/hooks/github", {"Content-Length": str(len(body)), **headers})
                    + body
                )
                answers.append(read_answer(sock))
            return answers

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(some, range(4)))
    return [parts[number % 4][number // 4] for number in range(len(requests))]


def test_every_example_is_acknowledged_typed_and_run(
    bridge: Bridge, examples: list[tuple[str, bytes]]
) -> None:
    assert len(examples) > 300
    answers = post_all(bridge, [(github(body, event=name), body) for name, body in examples])
    assert {answer.status for answer in answers} == {202}
    ids = [answer.json["event_id"] for answer in answers]
    until(lambda: bridge.count("delivery", "run_state = 'done'") >= len(ids), 600, "every run")
    found = events.deliveries_of(bridge.database, ids)
    for (name, body), event_id in zip(examples, ids, strict=True):
        event = events.get(bridge.database, event_id)
        assert (event.type, event.problem, event.body) == (name, None, body)
        (delivery,) = found[event_id]
        assert (delivery.run_state, delivery.attempts, delivery.outputs) == (
            "done",
            1,
            {"body": json.loads(body)},
        )


def test_every_example_is_the_same_in_githubs_form_mode(
    bridge: Bridge, examples: list[tuple[str, bytes]]
) -> None:
    some = examples[::10]
    bodies = [b"payload=" + quote_plus(body).encode() for _, body in some]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answers = post_all(
        bridge,
        [
            (github(body, event=name) | form, body)
            for (name, _), body in zip(some, bodies, strict=True)
        ],
    )
    for (_, body), answer in zip(some, answers, strict=True):
        assert bridge.found(answer.json["event_id"]).deliveries[0].inputs == {
            "body": json.loads(body)
        }


def test_no_tampered_example_gets_in(bridge: Bridge, examples: list[tuple[str, bytes]]) -> None:
    before = bridge.count()
    changed = [(github(body, event=name), body[:-1] + b" }") for name, body in examples]
    only_sha1 = []
    for name, body in examples:
        headers = github(body, event=name)
        headers["X-Hub-Signature"] = "sha1=" + signature(body).removeprefix("sha256=")[:40]
        del headers["X-Hub-Signature-256"]
        only_sha1.append((headers, body))
    answers = post_all(bridge, changed + only_sha1)
    assert {(answer.status, answer.body) for answer in answers} == {
        (401, b'{"error":"unauthorized"}')
    }
    assert bridge.count() == before
