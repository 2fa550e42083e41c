"""Idempotency keys of the flow API, on whole bridges: a key that may start one flow takes no start
of another flow's delivery.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from serving import Bridge

from bridge.routing.planner import delivery_id

pytestmark = pytest.mark.usefixtures("new_processes")
LIMITED = "limitedkey0123456789abcdef"
USER = "the-built-in-user"
ROUTES = f"""
version: 1
platforms:
  local:
    type: local
    keys:
      - {{name: website, hash: "sha256:{hashlib.sha256(LIMITED.encode()).hexdigest()}", user_id: {USER}, flows: [echo]}}
sources:
  contact: {{provider: form}}
routes:
  - {{name: slow, on: contact, inputs: {{file: out.jsonl, name: "${{form.name}}"}}, flow: local/append_jsonl}}
"""


def test_a_limited_key_takes_no_start_of_another_flows_delivery(tmp_path: Path) -> None:
    environ = {"FLOWBRIDGE_LOCAL_API_KEY": "served-key", "FLOWBRIDGE_LOCAL_USER_ID": USER}
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    # no worker yet: the delivery waits
    with Bridge(tmp_path, "web", routes=ROUTES, environ=environ) as receiver:
        answer = receiver.post("/hooks/contact", urlencode({"name": "Ann"}).encode(), form)
        assert answer.status == 202, answer
        event_id = answer.json["event_id"]
        wanted = delivery_id(event_id, "slow")  # anyone can work it out who knows the route's name
        receiver.wait_for(event_id, lambda one: one.id == wanted)
        limited = {
            "Authorization": f"Bearer {LIMITED}",
            "Content-Type": "application/json",
            "Idempotency-Key": wanted,
        }
    # `serve` has what `web` lacks: the flows are known, so that the limited key can start one. Its
    # start comes first.
    with Bridge(
        tmp_path,
        "serve",
        routes=ROUTES.replace("name: slow,", "name: slow, mode: paused,"),
        environ=environ,
    ) as bridge:
        body = json.dumps({"saved_item_id": "echo", "user_id": USER, "hijack": "yes"}).encode()
        taken = bridge.post("/api/v1/start_pipeline", body, limited)
        assert taken.status == 200, taken
        assert (
            bridge.post(
                "/api/v1/start_pipeline", body.replace(b"echo", b"append_jsonl"), limited
            ).status
            == 403
        )
        bridge.stop()
    with Bridge(tmp_path, "serve", routes=ROUTES, environ=environ) as bridge:
        one = bridge.wait_for(
            event_id,
            lambda one: one.run_state in ("done", "failed") or one.status in ("unknown", "dead"),
        )
        assert (one.status, one.run_state) == ("delivered", "done") and one.run_id != taken.json[
            "run_id"
        ]
        assert "hijack" not in one.outputs
    assert json.loads((tmp_path / "data" / "files" / "out.jsonl").read_text())["name"] == "Ann"
