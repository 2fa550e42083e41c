"""Which secret of a source was used, and when: counted by a running bridge, shown by doctor."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from processes import call
from serving import SECRET, Bridge, github, signature, until

from bridge.monitoring.counter_files import sum_counters
from bridge.monitoring.counters import Counts
from bridge.monitoring.metrics import VERIFIED
from bridge.monitoring.secret_use import LAST_USE, count_use, find_last_use
from bridge.providers.signatures.scheme import Secret

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secrets: ["${env:NEW}", "${env:GITHUB_SECRET}"]}
  stripe: {provider: stripe, secret: "${env:NEW}"}
routes: [{name: all, on: github, inputs: {a: "${body.action}"}, flow: local/echo}]
"""
NEW = "a-new-secret-of-the-sender"
KEY = "k" * 40


def test_a_secret_keeps_its_time_when_its_place_changes() -> None:
    counts = Counts()
    old = Secret("old")
    new = Secret("new")
    count_use(counts, "github", old, 0, KEY, 100.0)
    count_use(counts, "github", old, 1, KEY, 200.0)
    times = counts.times(LAST_USE)
    assert find_last_use(times, "github", old, KEY) == 200.0
    assert find_last_use(times, "github", new, KEY) is None
    assert find_last_use(times, "stripe", old, KEY) is None, "the same secret of another source"
    assert find_last_use(times, "github", old, "j" * 40) is None
    assert dict(counts.numbers(VERIFIED)) == {("github", "1"): 1.0, ("github", "2"): 1.0}
    assert "old" not in str(counts.dump())


@pytest.mark.usefixtures("new_processes")
def test_a_bridge_counts_the_secret_and_doctor_says_when_it_was_used(tmp_path: Path) -> None:
    environ = {"FLOWBRIDGE_SECRET_KEY": KEY, "NEW": NEW, "GITHUB_SECRET": SECRET}
    with Bridge(tmp_path, routes=ROUTES, environ=environ) as bridge:
        body = b'{"action": "opened"}'
        for number in range(3):
            assert bridge.event(body).status == 202, number
        forged = {**github(body), "X-Hub-Signature-256": signature(body, "no secret of ours")}
        assert bridge.post("/hooks/github", body, forged).status == 401

        def verified() -> dict[tuple[str, ...], float]:
            return dict(sum_counters(tmp_path / "data").numbers(VERIFIED))

        until(lambda: verified() == {("github", "2"): 3.0}, what="the counts")
        result = call(
            bridge.folder,
            "doctor",
            "--to",
            f"http://127.0.0.1:{bridge.port}",
            "--json",
            environ=bridge.environ,
        )
        found = [
            one["found"]
            for one in map(json.loads, result.stdout.splitlines())
            if one["check"] == "secret use"
        ]
        assert len(found) == 2, "a source with one secret has none"
        assert found[0] == "secret 1 of 2 not used yet on this machine"
        assert found[1].startswith("secret 2 of 2 last used ") and found[1].endswith(" ago")
        signed = {**github(body), "X-Hub-Signature-256": signature(body, NEW)}
        before = time.time()
        assert bridge.post("/hooks/github", body, signed).status == 202
        until(lambda: verified().get(("github", "1")) == 1.0, what="the new secret's count")
        times = sum_counters(tmp_path / "data").times(LAST_USE)
        used = find_last_use(times, "github", Secret(NEW), KEY)
        assert used is not None and used >= before - 1
        stored = b"".join(path.read_bytes() for path in (tmp_path / "data" / "counts").iterdir())
        assert NEW.encode() not in stored and SECRET.encode() not in stored
        assert (
            'flowbridge_verified_total{secret="1",source="github"} 1.0'
            in bridge.get("/metrics").body.decode()
        )
