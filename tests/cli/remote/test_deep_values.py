"""Values that nest deeper than orjson can write are printed, on the bridge's machine and elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from both_ways import BothWays, serve_both_ways
from records import make_delivery, make_event, put
from servers import Misbehaving, respond

from bridge.core.model import Status
from bridge.store.inbound import events

DEPTH = 480  # a source may allow 500


def nested(depth: int) -> Any:
    value: Any = "the end"
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[BothWays]:
    with serve_both_ways(tmp_path_factory.mktemp("both")) as served:
        body = json.dumps({"action": "opened", "deep": nested(DEPTH)}).encode()
        event = make_event("deep", body=body, headers={"content-type": "application/json"})
        one = make_delivery(event, status=Status.QUEUED, inputs={"deep": nested(DEPTH)})
        events.add(served.bridge.database, event, [one], lambda *_: [])
        deep = json.dumps(nested(DEPTH))
        put(served.bridge.database, one.id, outputs=f'{{"deep": {deep}}}')
        yield served


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["show", "--json"], ["deliveries", "--json"], ["events", "--json"]],
    ids=" ".join,
)
def test_deep_values_are_printed_the_same_both_ways(both: BothWays, arguments: list[str]) -> None:
    printed = both.assert_same(*arguments)
    if "--json" in arguments:
        assert "events" in arguments or printed.count("the end") > 0
        json.loads(printed)


def test_a_value_that_is_too_deep_to_be_printed_is_an_error(both: BothWays) -> None:
    with Misbehaving() as server:
        deep = b"[" * 1000 + b"]" * 1000
        server.script(
            "/admin/v1/operations", respond(200, b'{"items": [{"id": %s}], "next": null}' % deep)
        )
        answer = both.remote("operations", "--json", server=server.url)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "nests too deeply" in answer.stderr
